/** What clients that are not ours have to see, whoever made them. */
import { expect } from "vitest";
import type { DrainOptions } from "../../src/index.js";
import {
  allServed,
  CONNECTIONS,
  expectStoppedInTheMiddle,
  outcomeOf,
  repliesTo,
  tellTimes,
  type Stopped,
} from "../tools/scenario.js";
import { ms } from "../tools/timing.js";

/** What one connection of a client saw. */
export interface Seen {
  replies: string[];
  code: number;
  reason: string;
  /** Both Close frames were exchanged. */
  wasClean: boolean;
}

export interface Run {
  stopped: Stopped;
  seen: Seen[];
}

/** `pipelined`: all requests at once. `closed-loop`: each request after the reply to the one before. */
export const MODES = ["pipelined", "closed-loop"] as const;
export type Mode = (typeof MODES)[number];

/** Another process may be slow to ask again, whatever its library does: in a closed loop it gets time for that. */
export function drainFor(mode: Mode): Partial<DrainOptions> {
  return mode === "closed-loop" ? { quiet: ms(1_000) } : {};
}

/** 25 of 25, with the replies in order, and a clean close that says why. */
export function expectAllServed(what: string, runs: readonly Run[]): void {
  const seenByAll = Array.from({ length: CONNECTIONS }, (_, connection) => ({
    replies: repliesTo(connection),
    code: 1012,
    reason: "service restart",
    wasClean: true,
  }));
  for (const { stopped, seen } of runs) {
    expect(outcomeOf(stopped)).toEqual(allServed);
    expect(seen).toEqual(seenByAll);
  }
  expectStoppedInTheMiddle(runs.map(({ stopped }) => stopped));
  tellTimes(
    what,
    runs.map(({ stopped }) => stopped.report.duration),
  );
}
