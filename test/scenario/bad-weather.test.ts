/** Peers that do not do what the protocol asks of them: each is bounded, and the report tells of it. */
import { expect, it, onTestFinished } from "vitest";
import type { DrainOptions } from "../../src/index.js";
import { openRaw, type RawClient, type RawClientOptions } from "../tools/raw-client.js";
import {
  ended,
  outcomeOf,
  repeatedly,
  repliesTo,
  reportWith,
  request,
  REQUESTS,
  requestsOf,
  RUNS,
  Scenario,
  tellTimes,
  WORK,
  type Stopped,
} from "../tools/scenario.js";
import { bound, ms } from "../tools/timing.js";
import { allRead, RESTART, seenBy, sendAll } from "./raw-peers.js";

// Longer than the work, so that it is what the drain waits for.
const BARRIER_TIMEOUT = ms(700);
const CLOSE_TIMEOUT = ms(300);
const LINGER_TIMEOUT = ms(200);
const drain: Partial<DrainOptions> = {
  barrierTimeout: BARRIER_TIMEOUT,
  closeTimeout: CLOSE_TIMEOUT,
  lingerTimeout: LINGER_TIMEOUT,
};

/** What all the requests of one connection take. */
const ALL_WORK = REQUESTS * WORK;

interface Run {
  stopped: Stopped;
  peer: RawClient;
}

/** All of them at once: each has only one peer. */
function eachAtOnce<Outcome>(run: () => Promise<Outcome>): Promise<Outcome[]> {
  return repeatedly(run, { atOnce: RUNS });
}

/** One peer of a kind that sends all its requests, and a server that is told to stop in the middle. */
async function run(options: RawClientOptions): Promise<Run> {
  const scenario = await Scenario.listen({ drain });
  const peer = await openRaw(scenario.port, options);
  onTestFinished(() => peer.destroy());
  sendAll(peer, 0);
  await allRead(peer);
  return { stopped: await scenario.stop(), peer };
}

/** All was served, the report is as given, and it took no less than `least` and no more than `most`. */
function expectEnd(
  { stopped }: Run,
  report: ReturnType<typeof reportWith>,
  least: number,
  most: number,
): void {
  expect(outcomeOf(stopped)).toEqual(ended(report.messages.served, report));
  expect(stopped.report.duration).toBeGreaterThanOrEqual(least);
  expect(stopped.report.duration).toBeLessThan(bound(most));
}

function tell(what: string, runs: readonly Run[]): void {
  tellTimes(
    what,
    runs.map(({ stopped }) => stopped.report.duration),
  );
}

const answered = { messages: repliesTo(0), close: RESTART, ended: "FIN", violation: undefined };

const unconfirmed = reportWith("unconfirmed", { total: 1, unconfirmed: 1 }, { served: REQUESTS }, [
  "unconfirmed",
]);

it("ends with FIN a peer that reads its replies and never answers Close, and reports it as unconfirmed", async () => {
  const runs = await eachAtOnce(() => run({ answersClose: false }));
  for (const one of runs) {
    expectEnd(one, unconfirmed, CLOSE_TIMEOUT, ALL_WORK + CLOSE_TIMEOUT + LINGER_TIMEOUT);
    expect(await seenBy(one.peer)).toEqual(answered);
  }
  tell("Close unanswered", runs);
});

it("lets go of a peer that answers neither Close nor FIN, after both timeouts", async () => {
  const runs = await eachAtOnce(() => run({ answersClose: false, answersEnd: false }));
  for (const one of runs) {
    const timeouts = CLOSE_TIMEOUT + LINGER_TIMEOUT;
    expectEnd(one, unconfirmed, timeouts, ALL_WORK + timeouts);
    const { messages, close, ended, violation, gone } = one.peer;
    expect({ messages, close, ended, violation, gone }).toEqual({ ...answered, gone: false });
    one.peer.destroy();
  }
  tell("Close and FIN unanswered", runs);
});

it("lets go of a peer that never ends TCP after both Close frames, and counts it as closed", async () => {
  const runs = await eachAtOnce(() => run({ answersEnd: false }));
  for (const one of runs) {
    const report = reportWith("clean", { total: 1, closed: 1 }, { served: REQUESTS });
    expectEnd(one, report, LINGER_TIMEOUT, ALL_WORK + LINGER_TIMEOUT);
    const { messages, close, ended, violation, gone } = one.peer;
    expect({ messages, close, ended, violation, gone }).toEqual({ ...answered, gone: false });
    one.peer.destroy();
  }
  tell("FIN unanswered", runs);
});

it("serves a peer that never answers Ping, and takes its Close for the proof that all was read", async () => {
  const runs = await eachAtOnce(() => run({ answersPing: false }));
  for (const one of runs) {
    const report = reportWith("clean", { total: 1, closed: 1 }, { served: REQUESTS });
    expectEnd(one, report, BARRIER_TIMEOUT, ALL_WORK + BARRIER_TIMEOUT);
    expect(await seenBy(one.peer)).toEqual(answered);
  }
  tell("Ping unanswered", runs);
});

it("hands back what a peer keeps sending through Close, and does not reset it", async () => {
  const LATE = 100;
  const runs = await eachAtOnce(async () => {
    const scenario = await Scenario.listen({ drain });
    // Answers Close by itself, behind what it still sends.
    const peer = await openRaw(scenario.port, { answersClose: false });
    onTestFinished(() => peer.destroy());
    sendAll(peer, 0);
    await allRead(peer);
    const stopping = scenario.stop();
    await peer.until(() => peer.close !== undefined);
    for (let index = 0; index < LATE; index++) peer.send(request("late", index));
    peer.sendClose(1012);
    return { stopped: await stopping, peer, started: scenario.started };
  });
  for (const one of runs) {
    const report = reportWith("partial", { total: 1, closed: 1 }, { served: REQUESTS, handedBack: LATE });
    expectEnd(one, report, 0, ALL_WORK + CLOSE_TIMEOUT);
    expect(one.started).toEqual(requestsOf(0));
    expect(await seenBy(one.peer)).toEqual(answered);
  }
  tell("sending through Close", runs);
});

it("loses no connection but the one that resets in the middle of its work", async () => {
  const runs = await eachAtOnce(async () => {
    const scenario = await Scenario.listen({ drain });
    const [resetting, peer] = [await openRaw(scenario.port), await openRaw(scenario.port)];
    onTestFinished(() => {
      resetting.destroy();
      peer.destroy();
    });
    sendAll(resetting, 0);
    sendAll(peer, 1);
    await Promise.all([allRead(resetting), allRead(peer)]);
    const stopping = scenario.stop();
    await resetting.received(2);
    resetting.reset();
    return { stopped: await stopping, peer, got: resetting.messages.length };
  });
  for (const one of runs) {
    const messages = { served: 2 * REQUESTS, undelivered: REQUESTS - one.got };
    const report = reportWith("unconfirmed", { total: 2, closed: 1, left: 1 }, messages, ["reset"]);
    expectEnd(one, report, 0, ALL_WORK);
    expect(await seenBy(one.peer)).toEqual({ ...answered, messages: repliesTo(1) });
  }
  tell("one of two resets", runs);
});
