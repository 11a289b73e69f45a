/** Peers that send more than anybody has asked for: others are served between, and no message is unaccounted for. */
import { describe, expect, it } from "vitest";
import { hasOpenssl } from "../tools/debian.js";
import { repetitions, spoken } from "../tools/effort.js";
import { faults, type FaultyPeer } from "../tools/faults/index.js";
import { ms } from "../tools/timing.js";
import {
  Company,
  FAULTY_PATH,
  MOST_OVERTAKEN,
  OTHERS,
  started,
  TIMES,
  type Stopped,
  type Transport,
} from "./company.js";
import { RESTART } from "./raw-peers.js";

const path = FAULTY_PATH;

/** As short as a message can be that has a payload: a frame of seven bytes. */
const tiny = (): Buffer => Buffer.alloc(1);
const kilobyte = (): Buffer => Buffer.alloc(1024);

/** Longer than the others go on asking while the loop is as busy as it can be. */
const PATIENCE = ms(2000);

/** The answer to Close stands behind megabytes that a flood has in the kernel by then. */
const drain = { patience: PATIENCE, closeTimeout: ms(2000), deadline: ms(25_000) };
const LONGEST = drain.patience + drain.closeTimeout + TIMES.lingerTimeout;

/** Longer than anything here takes: no flood ends by itself. */
const DURATION = ms(25_000);

/** Messages of one who leaves. */
const FLOOD = repetitions.flood;

/** Rounds of the others beside a flood, and messages of it that are served before they begin. */
const ROUNDS = 15;
const UNDER_WAY = 2000;

/** Everything that it sent was started or handed back, and every message that was started is counted as served. */
function expectAccountedFor(peer: FaultyPeer, company: Company, { report, served }: Stopped): void {
  expect(report.messages).toEqual({
    served,
    handedBack: peer.sent - company.faultyStarted,
    undelivered: 0,
    abandoned: 0,
  });
}

function playFloods(transport: Transport): void {
  it("a flood of tiny messages delays nobody, is cut when patience is over, and its peer is closed cleanly", async () => {
    const company = await Company.gather(transport, { drain });
    const peer = await started(
      faults.floods.start(company.target, { path, request: tiny, duration: DURATION }),
    );
    await company.started(UNDER_WAY);
    await company.rounds(ROUNDS);
    expect(company.mostOvertaken).toBeLessThanOrEqual(MOST_OVERTAKEN);
    const stopped = await company.stop();
    await company.expectOthersServed();
    company.expectBounded(stopped, LONGEST);
    await peer.done;
    const { report } = stopped;
    expect(report).toMatchObject({
      outcome: "partial",
      connections: { total: OTHERS + 1, closed: OTHERS + 1 },
      troubled: [],
    });
    expect(report.duration).toBeGreaterThanOrEqual(PATIENCE);
    expectAccountedFor(peer, company, stopped);
    expect([peer.client.close, peer.client.ended]).toEqual([RESTART, "FIN"]);
    expect(peer.received).toBe(company.faultyStarted);
    expect(company.mostOvertaken).toBeLessThanOrEqual(MOST_OVERTAKEN);
  });

  it("a flood that its handler cannot keep up with stops at the limit of the inbox", async () => {
    const company = await Company.gather(transport, { drain });
    company.hold();
    const peer = await started(
      faults.floods.start(company.target, { path, request: tiny, duration: DURATION }),
    );
    await company.started(1);
    await company.rounds(ROUNDS);
    const stopped = await company.stop();
    await company.expectOthersServed();
    company.expectBounded(stopped, LONGEST);
    await peer.done;
    expect(stopped.report).toMatchObject({
      outcome: "partial",
      connections: { closed: OTHERS + 1 },
      troubled: [],
    });
    expectAccountedFor(peer, company, stopped);
    expect(company.mostOvertaken).toBeLessThanOrEqual(MOST_OVERTAKEN);
  });

  it("what is sent through the Close is handed back, and its sender reads every reply, Close and FIN", async () => {
    const company = await Company.gather(transport, { drain });
    const late = 1000;
    const peer = await started(
      faults.sendsThroughClose.start(company.target, {
        path,
        request: kilobyte,
        duration: DURATION,
        afterClose: late,
      }),
    );
    await company.started(UNDER_WAY);
    await company.rounds(ROUNDS);
    const stopped = await company.stop();
    await company.expectOthersServed();
    company.expectBounded(stopped, LONGEST);
    await peer.done;
    expect(stopped.report).toMatchObject({
      outcome: "partial",
      connections: { closed: OTHERS + 1 },
      troubled: [],
    });
    expectAccountedFor(peer, company, stopped);
    expect(stopped.report.messages.handedBack).toBeGreaterThanOrEqual(late);
    expect([peer.client.close, peer.client.ended]).toEqual([RESTART, "FIN"]);
    expect(peer.received).toBe(company.faultyStarted);
  });

  it("one that never stops sending is let go after closeTimeout and lingerTimeout, as unconfirmed", async () => {
    const company = await Company.gather(transport, {
      drain: { ...drain, closeTimeout: TIMES.closeTimeout },
    });
    await started(
      faults.sendsThroughClose.start(company.target, {
        path,
        request: kilobyte,
        duration: DURATION,
        afterClose: Infinity,
      }),
    );
    await company.started(UNDER_WAY);
    await company.rounds(ROUNDS);
    const stopped = await company.stop();
    await company.expectOthersServed();
    company.expectBounded(stopped, LONGEST);
    const { report } = stopped;
    const { id } = company.faulty!;
    expect(report).toMatchObject({
      outcome: "unconfirmed",
      connections: { closed: OTHERS, unconfirmed: 1 },
      messages: { served: stopped.served, undelivered: 0, abandoned: 0 },
      troubled: [{ id, reason: "unconfirmed", queued: 0, running: 0, unsentBytes: 0, unreadUnknown: false }],
    });
    expect(report.duration).toBeGreaterThanOrEqual(PATIENCE + TIMES.closeTimeout);
  });

  it(`${spoken(FLOOD)} tiny messages of one who has left with a Close are all served`, async () => {
    // Its Close, which proves the barrier, stands behind all that it has sent.
    const unhurried = { ...drain, patience: ms(15_000), barrierTimeout: ms(15_000) };
    const company = await Company.gather(transport, { drain: unhurried });
    const peer = await started(faults.sendsAndLeaves.start(company.target, { path, count: FLOOD }));
    await company.started(UNDER_WAY);
    await company.rounds(5);
    const stopped = await company.stop();
    await company.expectOthersServed();
    expect(stopped.report).toMatchObject({
      outcome: "clean",
      connections: { total: OTHERS + 1, closed: OTHERS, left: 1, unproven: 0 },
      troubled: [],
    });
    expectAccountedFor(peer, company, stopped);
    expect([peer.sent, company.faultyStarted]).toEqual([FLOOD, FLOOD]);
    expect(company.mostOvertaken).toBeLessThanOrEqual(MOST_OVERTAKEN);
  });
}

describe("On TCP", () => {
  playFloods("TCP");
});

describe.skipIf(!hasOpenssl)("Over TLS", () => {
  playFloods("TLS");
});
