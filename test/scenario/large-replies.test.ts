/** Replies of many megabytes that are on their way when the server is told to stop. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { hasOpenssl } from "../tools/debian.js";
import { faults, type FaultyPeer } from "../tools/faults/index.js";
import { bound, ms } from "../tools/timing.js";
import { Company, FAULTY_PATH, OTHERS, started, type Transport } from "./company.js";
import { RESTART } from "./raw-peers.js";

const path = FAULTY_PATH;
const MEGABYTE = 1024 * 1024;

/** More than an outbox may hold: it is taken all the same, as the outbox was empty. */
const REPLY_LENGTH = 20 * MEGABYTE;
const READ_PER_SECOND = 4 * MEGABYTE;

/** No place in it looks like another. */
const reply = Buffer.alloc(REPLY_LENGTH);
for (let offset = 0; offset < REPLY_LENGTH; offset += 4)
  reply.writeUInt32LE(Math.imul(offset, 2654435761) >>> 0, offset);

const LARGE = "a large reply, please";
const answer = (message: string | Buffer): string | Buffer => (message === LARGE ? reply : message);

/** Less than a third of what the whole reply takes to be read. */
const CLOSE_TIMEOUT = ms(1500);
const drain = {
  closeTimeout: CLOSE_TIMEOUT,
  // Nobody is cut by it: the others become quiet, and so does who waits for a reply.
  patience: ms(15_000),
  barrierTimeout: ms(500),
  deadline: ms(25_000),
};

function hash(bytes: string | Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const TRANSPORTS: Transport[] = hasOpenssl ? ["TCP", "TLS"] : ["TCP"];

/** On each transport, at the same time: what is tested is mostly waiting. */
function onEach<Outcome>(play: (transport: Transport) => Promise<Outcome>): Promise<Outcome[]> {
  return Promise.all(TRANSPORTS.map(play));
}

/** A reply is on its way to a peer, and the server is told to stop. */
async function stopBeside(company: Company, starting: Promise<FaultyPeer>) {
  const peer = await started(starting);
  await company.stuck();
  const stopped = await company.stop();
  await company.expectOthersServed();
  company.expectBounded(stopped, drain.deadline);
  return { peer, ...stopped };
}

describe("A reply of 20 MB that is on its way at shutdown", () => {
  it("arrives whole at a reader of 4 MB/s, before Close and FIN, and the report is clean", async () => {
    const outcomes = await onEach(async (transport) => {
      const company = await Company.gather(transport, { drain }, answer);
      return stopBeside(
        company,
        faults.readsSlowly.start(company.target, {
          path,
          bytesPerSecond: READ_PER_SECOND,
          requests: 1,
          request: () => LARGE,
        }),
      );
    });
    for (const { peer, report } of outcomes) {
      await peer.done;
      const { messages, messagesAtClose, close, ended, violation } = peer.client;
      expect(messages.map(hash)).toEqual([hash(reply)]);
      expect({ messagesAtClose, close, ended, violation }).toEqual({
        messagesAtClose: 1,
        close: RESTART,
        ended: "FIN",
        violation: undefined,
      });
      expect(report).toMatchObject({
        outcome: "clean",
        connections: { total: OTHERS + 1, closed: OTHERS + 1 },
        messages: { handedBack: 0, undelivered: 0, abandoned: 0 },
        troubled: [],
      });
      // It was read as slowly as it was meant to be, beyond any closeTimeout.
      expect(report.duration).toBeGreaterThan(2 * CLOSE_TIMEOUT);
    }
  });

  it("is given up after closeTimeout without progress when its reader stops, and is reported as unsent", async () => {
    const outcomes = await onEach(async (transport) => {
      const company = await Company.gather(transport, { drain }, answer);
      const stopped = await stopBeside(
        company,
        faults.stopsReading.start(company.target, { path, requests: 1, request: () => LARGE }),
      );
      return { ...stopped, id: company.faulty!.id };
    });
    for (const { report, id } of outcomes) {
      expect(report).toMatchObject({
        outcome: "forced",
        connections: { total: OTHERS + 1, closed: OTHERS, forced: 1, unproven: 1 },
        messages: { handedBack: 0, undelivered: 1, abandoned: 0 },
      });
      expect(report.troubled).toEqual([
        {
          id,
          remoteAddress: "127.0.0.1",
          reason: "unsent",
          cause: "stalled",
          detail: "",
          queued: 0,
          running: 0,
          unsentBytes: expect.any(Number),
          unreadUnknown: false,
        },
      ]);
      // The kernel has taken some megabytes.
      expect(report.troubled[0]!.unsentBytes).toBeGreaterThan(MEGABYTE);
      expect(report.duration).toBeGreaterThanOrEqual(CLOSE_TIMEOUT);
      expect(report.duration).toBeLessThan(bound(drain.barrierTimeout + CLOSE_TIMEOUT));
    }
  });
});
