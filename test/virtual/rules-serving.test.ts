/** The rules of the contract about what is served and what is sent, on random peers in virtual time. */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { repetitions } from "../tools/effort.js";
import { anyWorld, LIVELY, loyalWorld, type OneWorld } from "./arbitraries.js";
import type { WatchedConnection } from "./watched-connection.js";
import { runWorld } from "./world.js";

// So many worlds take their time where the machine is busy.
vi.setConfig({ testTimeout: 240_000 });

const RUNS = { numRuns: repetitions.worlds };

async function run(script: OneWorld): Promise<WatchedConnection> {
  return (await runWorld(script)).watched[0]!;
}

function performedAt(
  connection: WatchedConnection,
  type: "cut" | "close" | "drop-queue" | "destroy",
): number {
  return connection.performedFirst(type)?.at ?? Infinity;
}

describe("Rule 1, order", () => {
  it("messages reach the handler in the order received, none is left out between two", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const { delivered, received } = await run(script);
        expect(delivered.map(({ id }) => id)).toEqual(
          received.slice(0, delivered.length).map(({ id }) => id),
        );
      }),
      RUNS,
    );
  });

  it("the peer's Close is answered when what came before it is served, or after closeReplyTimeout, to the millisecond", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const connection = await run(script);
        const asked = connection.firstAt("peer-close", "violation");
        const close = connection.performedFirst("close");
        const answerBy = Math.min(connection.settledAt, asked + script.closeReplyTimeout!);
        if (close !== undefined && close.at <= asked) return; // ours came first
        const closedByApplication = Math.max(script.connections[0].closesAt ?? Infinity, asked);
        const end = Math.min(
          connection.forcedAt,
          connection.socketClosedAt,
          performedAt(connection, "destroy"),
        );
        if (close === undefined) expect(end).toBeLessThanOrEqual(answerBy);
        else if (asked < Infinity) expect(close.at).toBe(Math.min(answerBy, closedByApplication));
      }),
      RUNS,
    );
  });
});

describe("Rule 2, received is served", () => {
  it("what was received before the cut is delivered, unless one of the five named exceptions came exactly then", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const connection = await run(script);
        const before = connection.received.filter(({ beforeCut }) => beforeCut).length;
        const dropped = before - connection.delivered.length;
        expect(dropped).toBeGreaterThanOrEqual(0);
        if (dropped === 0) return;
        const gone = connection.firstAt("peer-close", "peer-end", "socket-closed") + script.goneTimeout!;
        const { lastCallAt, forcedAt, settledAt } = connection;
        const exceptions = [
          gone,
          lastCallAt,
          forcedAt,
          settledAt,
          script.connections[0].closesAt ?? Infinity,
        ];
        // Nothing was dropped and yet not delivered: then its handler held the queue up to the end.
        expect(exceptions).toContain(performedAt(connection, "drop-queue"));
      }),
      RUNS,
    );
  });

  it("a peer that stays gets everything served that it sent before it learned of the drain", async () => {
    await fc.assert(
      fc.asyncProperty(loyalWorld, async (script) => {
        const [{ peer }] = script.connections;
        const slow = peer!.readTime! > 0 || script.drain!.barrierTimeout! <= 2 * peer!.delay!;
        const connection = await run({ ...script, drain: { ...script.drain, patience: 100_000 } });
        const learns = script.shutdownAt! + peer!.delay!;
        const known = connection.peer.sent.filter(({ at }) => at <= learns);
        if (!slow) expect(connection.delivered.length).toBeGreaterThanOrEqual(known.length);
      }),
      RUNS,
    );
  });
});

describe("Rule 3, replies before Close", () => {
  it("whoever reads our Close has read every reply that send() took", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const { peer, accepted } = await run(script);
        if (peer.closedBy !== undefined) expect(peer.closedBy.repliesBefore).toBe(accepted);
      }),
      RUNS,
    );
  });

  it("Close waits for the handler, last words included, unless the application or a timeout asks for it", async () => {
    await fc.assert(
      fc.asyncProperty(loyalWorld, fc.nat(3_000), async (script, lastWords) => {
        script.connections[0].handler!.lastWords = lastWords;
        const connection = await run(script);
        expect(performedAt(connection, "close")).toBe(connection.settledAt);
        expect(connection.accepted).toBe(connection.delivered.length + 1);
        expect(connection.peer.replies.length).toBe(connection.accepted);
      }),
      RUNS,
    );
  });
});

describe("Rule 4, never started", () => {
  it("what comes after the cut, or still waits at last call, is never delivered", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const connection = await run(script);
        const cut = new Set(connection.received.filter(({ beforeCut }) => !beforeCut).map(({ id }) => id));
        expect(connection.delivered.filter(({ id }) => cut.has(id))).toEqual([]);
        const late = connection.delivered.filter(
          ({ at }) => at > Math.min(connection.lastCallAt, connection.forcedAt),
        );
        expect(late).toEqual([]);
      }),
      RUNS,
    );
  });

  it("a peer that is ended with the drain's code knows that each unanswered request was never started", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        Object.assign(script.connections[0].handler!, { lastWords: undefined, strays: [] });
        const { peer, delivered } = await run(script);
        if (peer.closedBy?.code === 1012) expect(delivered.length).toBe(peer.closedBy.repliesBefore);
      }),
      RUNS,
    );
  });

  it("a handler that failed, a peer that closed first and a broken stream get other codes", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const connection = await run(script);
        const close = connection.performedFirst("close");
        if (close === undefined) return;
        const before = connection.events.filter(({ order }) => order < close.order);
        const failed = before.some((event) => event.type === "handler-settled" && event.failed);
        const peerFirst = before.some(({ type }) => type === "peer-close" || type === "violation");
        if (failed || peerFirst) expect(close.code).not.toBe(1012);
        else if (close.code !== 3000)
          expect(close.code).toBe(before.some(({ type }) => type === "drain") ? 1012 : 1000);
      }),
      RUNS,
    );
  });
});

describe("Rule 9, no refused guest", () => {
  it("who comes in while the others drain is served what it sends within one round trip", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ opensAt: fc.nat(1_000), delay: fc.nat(100), messages: fc.nat(6), work: fc.nat(50) }),
        fc.record({ quiet: fc.nat(200), lameDuck: fc.nat(500) }),
        async ({ opensAt, delay, messages, work }, drain) => {
          const steps = Array.from({ length: messages }, () => ({ at: opensAt, what: "send" as const }));
          const world = await runWorld({
            connections: [{}, { opensAt, peer: { delay, steps }, handler: { work: [work] } }],
            drain,
          });
          const guest = world.watched[1]!;
          expect(guest.counts.served).toBe(messages);
          expect(guest.peer.replies.length).toBe(messages);
          expect(guest.peer.closedBy?.code).toBe(1012);
          expect(guest.drainedAt).toBe(Math.max(opensAt, drain.lameDuck));
          expect(world.report!.outcome).toBe("clean");
        },
      ),
      RUNS,
    );
  });

  it("a guest that comes after last call is not let in: nothing of it could be started", async () => {
    const world = await runWorld({
      connections: [{ opensAt: LIVELY, peer: { steps: [{ at: LIVELY, what: "send" }] } }],
      drain: { deadline: 10_000, lastCall: LIVELY - 1 },
    });
    expect(world.watched).toEqual([]);
    expect(world.report).toMatchObject({ outcome: "clean", connections: { total: 0 } });
  });
});

describe("Rule 12, no silent drop", () => {
  it("send() takes a message that goes out before Close, or says no and counts it; nothing else becomes of it", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const connection = await run(script);
        const { accepted, refused, carried, counts, forcedAt } = connection;
        expect(carried + counts.undelivered).toBeGreaterThanOrEqual(accepted + refused);
        // Of a write that was torn nobody knows how much the kernel has taken: then too many count as undelivered.
        const torn = forcedAt < Infinity || connection.performedFirst("destroy") !== undefined;
        if (!torn && !connection.endedByReset) expect(carried + counts.undelivered).toBe(accepted + refused);
        expect(connection.peer.framesAfterClose).toBe(0);
      }),
      RUNS,
    );
  });
});
