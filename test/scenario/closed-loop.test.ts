/** Peers that ask the next question after the reply to the last one: how far they get is told truthfully. */
import { expect, it } from "vitest";
import type { DrainOptions } from "../../src/index.js";
import {
  allServed,
  CONNECTIONS,
  ended,
  expectStoppedInTheMiddle,
  outcomeOf,
  repeatedly,
  reply,
  reportWith,
  RUNS,
  Scenario,
  tellTimes,
  TOTAL,
  type Stopped,
} from "../tools/scenario.js";
import { ms } from "../tools/timing.js";
import {
  connectPeers,
  converse,
  RESTART,
  seenBy,
  servedPeers,
  type ConversationOptions,
} from "./raw-peers.js";

interface Run {
  scenario: Scenario;
  stopped: Stopped;
  seen: Awaited<ReturnType<typeof seenBy>>[];
  sent: string[][];
}

async function run(drain: Partial<DrainOptions> = {}, options: ConversationOptions = {}): Promise<Run> {
  const scenario = await Scenario.listen({ drain });
  const peers = await connectPeers(scenario.port);
  const conversations = peers.map((peer, connection) => converse(peer, connection, options));
  await scenario.until(() => scenario.started.length >= CONNECTIONS);
  const stopped = await scenario.stop();
  const seen = await Promise.all(peers.map(seenBy));
  return { scenario, stopped, seen, sent: await Promise.all(conversations) };
}

function tell(what: string, runs: readonly Run[]): void {
  expectStoppedInTheMiddle(runs.map(({ stopped }) => stopped));
  tellTimes(
    what,
    runs.map(({ stopped }) => stopped.report.duration),
  );
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

it("serves 25 of 25 in a closed loop with a `quiet` of 2 s", async () => {
  const runs = await repeatedly(() => run({ quiet: ms(2_000) }), { atOnce: RUNS });
  tell("closed loop, quiet of 2 s", runs);
  for (const { stopped, seen } of runs) {
    expect(outcomeOf(stopped)).toEqual(allServed);
    expect(seen).toEqual(servedPeers);
  }
});

it("leaves nothing unanswered that was sent in a closed loop with the default `quiet`", async () => {
  const runs = await repeatedly(() => run());
  tell("closed loop, default quiet", runs);
  runs.forEach(expectTheTruth);
  console.info(
    `closed loop, default quiet: ${Math.min(...runs.map(({ stopped }) => stopped.served))} of 25 or more`,
  );
});

it("leaves nothing unanswered when peers think longer than `quiet` and are cut between two requests", async () => {
  // Every peer has its second request still to come when the drain finds it quiet.
  const runs = await repeatedly(() => run({}, { think: ms(1_000) }), { atOnce: RUNS });
  tell("closed loop of slow thinkers", runs);
  runs.forEach(expectTheTruth);
  for (const { stopped } of runs) expect(stopped.served).toBeLessThan(TOTAL);
});
