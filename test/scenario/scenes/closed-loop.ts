/** Peers that ask the next question after the reply to the last one: how far they get is told truthfully. */
import { expect } from "vitest";
import type { DrainOptions } from "../../../src/index.js";
import {
  allServed,
  CONNECTIONS,
  ended,
  outcomeOf,
  reply,
  reportWith,
  TOTAL,
  type Scenario,
  type Stopped,
} from "../../tools/scenario.js";
import { ms } from "../../tools/timing.js";
import {
  connectPeers,
  converse,
  RESTART,
  seenBy,
  servedPeers,
  type ConversationOptions,
} from "../raw-peers.js";
import type { Way } from "../ways/way.js";
import { openOn, type Scene } from "./scene.js";

interface Run {
  scenario: Scenario;
  stopped: Stopped;
  seen: Awaited<ReturnType<typeof seenBy>>[];
  sent: string[][];
}

async function run(
  way: Way,
  drain: Partial<DrainOptions> = {},
  options: ConversationOptions = {},
): Promise<Run> {
  const { scenario, target } = await openOn(way, drain);
  const peers = await connectPeers(target);
  const conversations = peers.map((peer, connection) => converse(peer, connection, options));
  await scenario.until(() => scenario.started.length >= CONNECTIONS);
  const stopped = await scenario.stop();
  const seen = await Promise.all(peers.map(seenBy));
  return { scenario, stopped, seen, sent: await Promise.all(conversations) };
}

/** What holds however early the cut came: what was sent is what was served and answered. */
function expectTheTruth({ scenario, stopped, seen, sent }: Run): void {
  const neverSent = TOTAL - sent.flat().length;
  expect(stopped.served + neverSent).toBe(TOTAL);
  const served = TOTAL - neverSent;
  expect(outcomeOf(stopped)).toEqual(
    ended(served, reportWith("clean", { total: CONNECTIONS, closed: CONNECTIONS }, { served })),
  );
  expect(scenario.started.toSorted()).toEqual(scenario.served.toSorted());
  expect(seen).toEqual(
    sent.map((requests) => ({
      messages: requests.map(reply),
      close: RESTART,
      ended: "FIN",
      violation: undefined,
    })),
  );
}

export const longQuiet: Scene = {
  title: "serves 25 of 25 in a closed loop with a `quiet` of 2 s",
  async play(way) {
    const { stopped, seen } = await run(way, { quiet: ms(2_000) });
    return {
      before: stopped.before,
      report: stopped.report,
      expectEnd() {
        expect(outcomeOf(stopped)).toEqual(allServed);
        expect(seen).toEqual(servedPeers);
      },
    };
  },
};

export const defaultQuiet: Scene = {
  title: "leaves nothing unanswered that was sent in a closed loop with the default `quiet`",
  async play(way) {
    const played = await run(way);
    const { before, report } = played.stopped;
    return { before, report, expectEnd: () => expectTheTruth(played) };
  },
};

export const slowThinkers: Scene = {
  title: "leaves nothing unanswered when peers think longer than `quiet` and are cut between two requests",
  async play(way) {
    // Every peer has its second request still to come when the drain finds it quiet.
    const played = await run(way, {}, { think: ms(1_000) });
    const { before, report, served } = played.stopped;
    return {
      before,
      report,
      expectEnd() {
        expectTheTruth(played);
        expect(served).toBeLessThan(TOTAL);
      },
    };
  },
};
