/**
 * One peer misbehaves beside four that do not: those are not delayed and lose nothing, the shutdown keeps its bound,
 * and the report names the one, and only it, for what it did.
 */
import { describe, expect, it } from "vitest";
import type { Connection, DrainReport, TroubledConnection } from "../../src/index.js";
import { hasOpenssl } from "../tools/debian.js";
import { faults, type FaultyPeer } from "../tools/faults/index.js";
import type { Target } from "../tools/connect.js";
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

/** Requests of a peer that has only a few. */
const REQUESTS = 3;

/** What the report says of it. */
interface Expected {
  /** How its connection ends, as the report counts it; undefined when it never became one. */
  end?: "closed" | "left" | "unconfirmed" | "forced";
  unproven?: true;
  /** Why it is named. Default: it is not. */
  reason?: TroubledConnection["reason"];
  unreadUnknown?: true;
  /** Bytes are left that it did not read, and with them replies that it will never see. */
  unsent?: "much" | "a Ping at most";
  /** Replies that nobody could get. */
  undelivered?: number;
}

interface Case extends Expected {
  does: string;
  start: (target: Target, company: Company) => Promise<FaultyPeer>;
  /** The handler is in the middle of its first message when the server is told to stop. */
  held?: true;
  /** When the handler may go on, if it is held. Default: when the drain has reached the connection. */
  releasedWhen?: (connection: Connection) => boolean;
  /** What is waited for before the server is told to stop. Default: its requests were started. */
  inEffect?: (company: Company, peer: FaultyPeer) => Promise<void>;
  /** What the shutdown waits for at least. */
  least?: number;
  /** What the peer has seen in the end. */
  seen?: (peer: FaultyPeer) => void;
}

/** It got all its replies in spite of its fault, and was told why it is closed. */
function sawItsReplies({ client }: FaultyPeer): void {
  expect(client.messages).toEqual(["0", "1", "2"]);
  expect([client.close, client.ended, client.violation]).toEqual([RESTART, "FIN", undefined]);
}

function sawRefusal({ client }: FaultyPeer): void {
  expect([client.response?.status, client.ended]).toEqual([503, "FIN"]);
}

/** Nobody can hear its handler any more. */
function isGone(connection: Connection): boolean {
  return connection.signal.aborted;
}

/** A frame with the number of the drain's Ping. */
const PING_LENGTH = 6;

const KILOBYTES_64 = Buffer.alloc(64 * 1024);

const CASES: Case[] = [
  {
    does: "asks for more than fits and never reads",
    // No more of its requests is started than it gets replies for: it hangs in both directions.
    start: (target) => faults.neverReads.start(target, { path, requests: 1000, request: () => KILOBYTES_64 }),
    inEffect: (company) => company.stuck(),
    end: "forced",
    unproven: true,
    reason: "unsent",
    unsent: "much",
    least: TIMES.closeTimeout,
  },
  {
    does: "never reads, though all it would have to read fits into the kernel",
    start: (target) => faults.neverReads.start(target, { path }),
    end: "unconfirmed",
    unproven: true,
    reason: "unconfirmed",
    least: TIMES.barrierTimeout + TIMES.closeTimeout + TIMES.lingerTimeout,
  },
  {
    does: "reads 1 kB/s of little",
    start: (target) => faults.readsSlowly.start(target, { path, bytesPerSecond: 1000 }),
    end: "closed",
    seen: sawItsReplies,
  },
  {
    does: "reads 1 kB/s of so much that nothing is seen to move",
    start: (target) =>
      faults.readsSlowly.start(target, {
        path,
        bytesPerSecond: 1000,
        requests: 300,
        request: () => KILOBYTES_64,
      }),
    inEffect: (company) => company.stuck(),
    end: "forced",
    unproven: true,
    reason: "unsent",
    unsent: "much",
    least: TIMES.closeTimeout,
  },
  {
    does: "never answers Ping",
    start: (target) => faults.neverAnswersPing.start(target, { path }),
    // Its Close proves what no Pong has.
    end: "closed",
    least: TIMES.barrierTimeout,
    seen: sawItsReplies,
  },
  {
    does: "never answers Close",
    start: (target) => faults.neverAnswersClose.start(target, { path }),
    end: "unconfirmed",
    reason: "unconfirmed",
    least: TIMES.closeTimeout,
    seen: sawItsReplies,
  },
  {
    does: "answers every Ping late",
    start: (target) => faults.answersPingsLate.start(target, { path, delay: ms(150) }),
    end: "closed",
    // The wait for quiet is twice the round trip.
    least: ms(300),
    seen: sawItsReplies,
  },
  {
    does: "answers every Ping when nobody waits for it any more",
    start: (target) => faults.answersPingsLate.start(target, { path, delay: ms(20_000) }),
    // Its Close proves what no Pong has.
    end: "closed",
    least: TIMES.barrierTimeout,
    seen: sawItsReplies,
  },
  {
    does: "ends its side of TCP without Close and waits for its replies",
    start: (target) => faults.halfCloses.start(target, { path }),
    held: true,
    end: "left",
    unproven: true,
    seen: sawItsReplies,
  },
  {
    does: "resets while its requests are worked on",
    start: (target) => faults.resets.start(target, { path }),
    held: true,
    releasedWhen: isGone,
    end: "left",
    unproven: true,
    reason: "reset",
    undelivered: REQUESTS,
  },
  {
    does: "resets while so much waits to be served that it is not read",
    // More than an inbox takes.
    start: (target, company) =>
      faults.resets.start(target, { path, requests: 1500, when: company.started(1) }),
    held: true,
    releasedWhen: isGone,
    end: "left",
    unproven: true,
    reason: "reset",
    unreadUnknown: true,
    // The drain's Ping may be what finds out.
    unsent: "a Ping at most",
  },
  {
    does: "stops in the middle of a frame",
    start: (target) => faults.stopsInFrame.start(target, { path }),
    end: "unconfirmed",
    unproven: true,
    reason: "unconfirmed",
    // Never quiet: patience cuts it.
    least: TIMES.patience + TIMES.closeTimeout,
    seen: sawItsReplies,
  },
  {
    does: "stops in the middle of a fragmented message",
    start: (target) => faults.stopsInMessage.start(target, { path }),
    end: "closed",
    least: TIMES.patience,
    seen: sawItsReplies,
  },
  {
    does: "sends half of its upgrade request",
    start: (target) => faults.holdsUpgrade.start(target, { path }),
    inEffect: () => Promise.resolve(),
    least: TIMES.handshakeGrace,
    seen: sawRefusal,
  },
  {
    does: "connects and says nothing",
    start: (target) => faults.saysNothing.start(target, { path }),
    inEffect: () => Promise.resolve(),
    least: TIMES.handshakeGrace,
    seen: sawRefusal,
  },
];

/** What the report must say of it, derived from what it did. */
function expectReport({ report, served }: Stopped, company: Company, one: Expected): void {
  const { end, unproven, reason, unsent, unreadUnknown = false } = one;
  const ends: Partial<DrainReport["connections"]> = { total: OTHERS, closed: OTHERS };
  if (end !== undefined) {
    ends.total!++;
    ends[end] = (ends[end] ?? 0) + 1;
  }
  expect(report).toMatchObject({
    outcome: reason === undefined ? "clean" : end === "forced" ? "forced" : "unconfirmed",
    connections: { left: 0, unconfirmed: 0, forced: 0, ...ends, unproven: unproven ? 1 : 0 },
    // A message that the server has read is served, also when its sender is gone or does not read.
    messages: { served, abandoned: 0 },
    troubledOmitted: 0,
  });
  expect(report.troubled).toEqual(
    reason === undefined
      ? []
      : [
          {
            id: company.faulty!.id,
            remoteAddress: "127.0.0.1",
            reason,
            cause: reason === "reset" ? "reset" : reason === "unsent" ? "stalled" : "shutdown",
            detail: reason === "reset" ? "ECONNRESET" : "",
            queued: 0,
            running: 0,
            unsentBytes: unsent === undefined ? 0 : expect.any(Number),
            unreadUnknown,
          },
        ],
  );
  if (unsent === "a Ping at most") expect([0, PING_LENGTH]).toContain(report.troubled[0]!.unsentBytes);
  if (unsent === "much") {
    expect(report.troubled[0]!.unsentBytes).toBeGreaterThanOrEqual(KILOBYTES_64.length);
    expect(report.messages.undelivered).toBeGreaterThan(0);
  }
  if (one.undelivered !== undefined) expect(report.messages.undelivered).toBe(one.undelivered);
}

async function play(one: Case, transport: Transport): Promise<void> {
  const company = await Company.gather(transport);
  if (one.held) company.hold();
  const peer = await started(one.start(company.target, company));
  const { inEffect = () => company.started(one.held ? 1 : REQUESTS) } = one;
  await inEffect(company, peer);
  await company.rounds(20);
  const stopped = await company.stop(one.releasedWhen);
  await company.expectOthersServed();
  company.expectBounded(stopped);
  expect(stopped.report.duration).toBeGreaterThanOrEqual(Math.floor(one.least ?? 0));
  expectReport(stopped, company, one);
  expect(company.mostOvertaken).toBeLessThanOrEqual(MOST_OVERTAKEN);
  if (one.seen !== undefined) {
    await peer.done;
    one.seen(peer);
  }
}

type OnEach = Partial<Record<Transport, Promise<void>>>;

const playedOnEach = new Map<Case, OnEach>();

/** On each transport, at the same time: what is tested is mostly waiting. Settles when all is over. */
async function playOnEach(one: Case): Promise<OnEach> {
  const transports: Transport[] = hasOpenssl ? ["TCP", "TLS"] : ["TCP"];
  const playing = Object.fromEntries(transports.map((transport) => [transport, play(one, transport)]));
  await Promise.allSettled(Object.values(playing));
  return playing;
}

function playEach(transport: Transport): void {
  it.each(CASES)("one that $does", async (one) => {
    const played = playedOnEach.get(one) ?? (await playOnEach(one));
    playedOnEach.set(one, played);
    await played[transport];
  });
}

describe("On TCP, a shutdown beside", () => {
  playEach("TCP");
});

describe.skipIf(!hasOpenssl)("Over TLS, a shutdown beside", () => {
  playEach("TLS");

  it("one that connects and says nothing, not even TLS", async () => {
    const company = await Company.gather("TLS");
    const { port } = company.target as { port: number };
    const peer = await started(faults.saysNothing.start(port));
    await company.rounds(20);
    const stopped = await company.stop();
    await company.expectOthersServed();
    company.expectBounded(stopped);
    expect(stopped.report.duration).toBeGreaterThanOrEqual(TIMES.handshakeGrace);
    expectReport(stopped, company, {});
    await peer.done;
  });
});
