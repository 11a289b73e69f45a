/** The scenario as it happens in life: a process of its own, and a signal of the operating system. */
import { expect } from "vitest";
import type { DrainReport } from "../../../src/index.js";
import { Forked } from "../../tools/fork.js";
import type { RawClient } from "../../tools/raw-client.js";
import { CONNECTIONS, countsOf, reportWith, STOP_AFTER, TOTAL, WORK } from "../../tools/scenario.js";
import { bound, work } from "../../tools/timing.js";
import { allRead, connectPeers, seenBy, sendAll, servedPeers } from "../raw-peers.js";
import type { Way } from "../ways/way.js";
import type { Played, Scene } from "./scene.js";

/** What the fixture `scenario-server.mjs` tells. */
export type Event =
  | { event: "listening"; port: number }
  | { event: "started"; started: number }
  | { event: "stopping"; served: number }
  | { event: "down"; served: number; report: DrainReport; prose: string; open: string[] };

/** What nobody may find in a process whose server is down. The pipes are the process' own output. */
export const KEEPS_ALIVE = /TCP|Timeout|Immediate|Signal|Server/;

/** A stop as in `Scenario.stop`, by a signal. */
export async function stopInTheMiddle(server: Forked<Event>, peers: readonly RawClient[]): Promise<void> {
  peers.forEach(sendAll);
  const { at } = await server.tells("started");
  await Promise.all(peers.map(allRead));
  await work(Math.max(0, at + STOP_AFTER - performance.now()));
  server.kill("SIGTERM");
}

/** A process that has ended. */
interface Terminated extends Played {
  /** Milliseconds from its report to its exit. */
  untilExit: number;
}

export const terminated = {
  title: "serves 25 of 25 on SIGTERM, exits with 0 at once, and nothing of ours is left in the process",
  async play(way: Way): Promise<Terminated> {
    const server = new Forked<Event>("scenario-server.mjs", { work: WORK, ...way.fixture });
    const peers = await connectPeers(await way.entrance((await server.tells("listening")).port));
    await stopInTheMiddle(server, peers);
    const [stopping, down, exit] = [
      await server.tells("stopping"),
      await server.tells("down"),
      await server.exited(),
    ];
    const seen = await Promise.all(peers.map(seenBy));
    const untilExit = exit.at - down.at;
    return {
      before: stopping.served,
      report: down.report,
      untilExit,
      expectEnd() {
        expect(seen).toEqual(servedPeers);
        expect(down.served).toBe(TOTAL);
        expect(countsOf(down.report)).toEqual(
          reportWith(
            "clean",
            { total: CONNECTIONS, closed: CONNECTIONS },
            { served: TOTAL - stopping.served },
          ),
        );
        expect(down.prose).toMatch(/^Clean shutdown in \d\.\d\d s: \d+ messages served on 5 connections\.$/m);
        const open = down.open.filter((kind) => !way.traits.nodesOwn.includes(kind));
        expect(open.filter((kind) => KEEPS_ALIVE.test(kind))).toEqual([]);
        expect(exit).toMatchObject({ code: 0, signal: null, stderr: "" });
        expect(untilExit, "from the report to the exit").toBeLessThan(bound(1_000));
      },
    };
  },
} satisfies Scene;
