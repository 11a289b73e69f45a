/** Peers with a long round trip: the wait for quiet has to know how far away they are. */
import { expect, it, onTestFinished } from "vitest";
import type { DrainOptions } from "../../src/index.js";
import { startDelayingProxy } from "../tools/delaying-proxy.js";
import { openRaw } from "../tools/raw-client.js";
import {
  ended,
  expectStoppedInTheMiddle,
  outcomeOf,
  repeatedly,
  repliesTo,
  reply,
  reportWith,
  request,
  RUNS,
  Scenario,
  tellTimes,
} from "../tools/scenario.js";
import { converse, RESTART, seenBy } from "./raw-peers.js";

const ROUND_TRIP = 150;
const CONVERSATION = 8;
/** Longer than the default `quiet`, shorter than twice the round trip. */
const THINK = 170;

/** A conversation with a peer far away; the server is told to stop while it works on the second request. */
async function run(drain: Partial<DrainOptions> = {}, think = 0) {
  const scenario = await Scenario.listen({ drain });
  const peer = await openRaw(await startDelayingProxy(scenario.port, ROUND_TRIP / 2));
  onTestFinished(() => peer.destroy());
  const conversation = converse(peer, 0, { requests: CONVERSATION, think });
  await scenario.until(() => scenario.started.length >= 2);
  const stopped = await scenario.stop();
  const seen = await seenBy(peer);
  return { scenario, stopped, seen, sent: await conversation };
}

/** All 8 requests served and answered, though told to stop at the second. */
function expectWholeConversation(what: string, runs: readonly Awaited<ReturnType<typeof run>>[]): void {
  expectStoppedInTheMiddle(
    runs.map(({ stopped }) => stopped),
    CONVERSATION,
  );
  for (const { stopped, seen } of runs) {
    expect(outcomeOf(stopped)).toEqual(
      ended(CONVERSATION, reportWith("clean", { total: 1, closed: 1 }, { served: CONVERSATION })),
    );
    expect(seen).toEqual({
      messages: repliesTo(0, CONVERSATION),
      close: RESTART,
      ended: "FIN",
      violation: undefined,
    });
  }
  tellTimes(
    what,
    runs.map(({ stopped }) => stopped.report.duration),
  );
}

it("does not cut a closed-loop conversation with a peer 150 ms away, told to stop at the second of 8 requests", async () => {
  expectWholeConversation("150 ms away", await repeatedly(() => run(), { atOnce: RUNS }));
});

it("does not cut it either when the peer thinks for less than two round trips before it asks again", async () => {
  expectWholeConversation(
    "150 ms away and thinking",
    await repeatedly(() => run({}, THINK), { atOnce: RUNS }),
  );
});

it("cuts such a conversation with a `quiet` of 0, and never starts the request that was on its way", async () => {
  // The control of the test above: it is the wait that spares the conversation.
  const runs = await repeatedly(() => run({ quiet: 0 }), { atOnce: RUNS });
  for (const { scenario, stopped, seen, sent } of runs) {
    // The next request had left before Close came in, and came in behind the cut.
    const answered = sent.slice(0, -1);
    expect(answered.length).toBeLessThan(CONVERSATION);
    expect(outcomeOf(stopped)).toEqual(
      ended(
        answered.length,
        reportWith("partial", { total: 1, closed: 1 }, { served: answered.length, handedBack: 1 }),
      ),
    );
    expect(scenario.started).toEqual(answered);
    expect(sent.at(-1)).toBe(request(0, answered.length));
    expect(seen).toEqual({
      messages: answered.map(reply),
      close: RESTART,
      ended: "FIN",
      violation: undefined,
    });
  }
});
