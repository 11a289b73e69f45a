/** The rules of the contract about how it all ends, on random peers in virtual time. */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { repetitions } from "../tools/effort.js";
import { FORCED_FLUSH_TIMEOUT } from "../../src/drain/ending-machine.js";
import { anyConnection, anyWorld, crowdedWorld, loyalWorld, tens, type OneWorld } from "./arbitraries.js";
import type { WatchedConnection } from "./watched-connection.js";
import { goodPeer } from "./virtual-peer.js";
import { runOne, runWorld, sends, World } from "./world.js";

// So many worlds take their time where the machine is busy.
vi.setConfig({ testTimeout: 240_000 });

const RUNS = { numRuns: repetitions.worlds };

async function run(script: OneWorld): Promise<{ connection: WatchedConnection; world: World }> {
  const world = await runWorld(script);
  return { connection: world.watched[0]!, world };
}

/** When the peer was last seen to read, or the wait for it began, up to `until`. */
function lastProgress({ events, performed }: WatchedConnection, until: number): number {
  const signs = ["unsent", "sent", "progress", "pong", "drain"];
  const looks = events.filter((event) => event.type === "looked");
  // A Ping or Close of ours is acknowledged by a kernel: the first look behind it shows nothing.
  const asked = performed.filter(({ type }) => type === "ping" || type === "close");
  const read = looks.filter((look, index) => {
    const before = looks.slice(0, index);
    const isFirst = asked.some(({ order }) => order < look.order && before.every((one) => one.order < order));
    return !isFirst && before.length > 0 && look.acknowledged > mostAcknowledged(before);
  });
  const seen = [...events.filter(({ type }) => signs.includes(type)), ...read].filter(
    ({ at }) => at <= until,
  );
  const begun = performed.filter(({ type, at }) => at <= until && (type === "cut" || type === "close"));
  return Math.max(...[...seen, ...begun].map(({ at }) => at));
}

function mostAcknowledged(looks: readonly { acknowledged: number }[]): number {
  return Math.max(...looks.map(({ acknowledged }) => acknowledged));
}

describe("Rule 5, no reset", () => {
  it("a peer that stays, reads and answers is never destroyed, however slow its handler or its line is", async () => {
    await fc.assert(
      fc.asyncProperty(loyalWorld, async (script) => {
        const { connection, world } = await run(script);
        expect(connection.performedFirst("destroy")).toBeUndefined();
        expect(connection.machine!.end).toBe("closed");
        expect(connection.peer.resetAt).toBeUndefined();
        expect(connection.peer.replies.length).toBe(connection.accepted);
        const { handedBack } = world.report!.messages;
        expect(world.report!.outcome).toBe(handedBack > 0 ? "partial" : "clean");
      }),
      RUNS,
    );
  });

  it("no socket is destroyed with unread input, nor before Close and FIN were given their time", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const { connection } = await run(script);
        const { closeTimeout, lingerTimeout } = connection.script.options;
        const destroyed = connection.performedFirst("destroy");
        if (destroyed === undefined || destroyed.at >= connection.forcedAt) return;
        expect(connection.unreadAtDestroy).toBe(0);
        const fin = connection.performedFirst("fin");
        const sentAt = connection.events.findLast(({ type }) => type === "sent" || type === "unsent");
        if (sentAt?.type === "unsent") {
          expect(destroyed.at).toBe(lastProgress(connection, destroyed.at) + closeTimeout);
        } else {
          expect(connection.performedFirst("close")!.at).toBeLessThanOrEqual(fin!.at);
          const drained = connection.drainedAt <= destroyed.at ? connection.drainedAt : 0;
          const lingering = Math.max(fin!.at, sentAt?.at ?? 0, drained);
          // Who is seen to read meanwhile gets more time, and so does one for whom the kernel still holds replies.
          const read = lastProgress(connection, destroyed.at);
          const [held, look] = connection.events
            .filter((event) => event.type === "looked")
            .filter(({ at }) => at <= destroyed.at)
            .slice(-2);
          const isReading = read > lingering || ((look ?? held)?.unacknowledged ?? 0) > 0;
          // And where the kernel has held some, it is looked at again before.
          const lookedAgain = held !== undefined && held.unacknowledged > 0 ? (look?.at ?? 0) : 0;
          const end = isReading ? read + closeTimeout : lookedAgain;
          expect(destroyed.at).toBe(Math.max(lingering + lingerTimeout, end));
        }
      }),
      RUNS,
    );
  });
});

describe("Rule 6, bounded", () => {
  it("sockets are gone 200 ms after the deadline at the latest, whatever peers and handlers do", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const { connection, world } = await run(script);
        expect(connection.socketClosedAt).toBeLessThanOrEqual(
          world.hastened.deadlineAt + FORCED_FLUSH_TIMEOUT,
        );
        if (connection.settledAt === Infinity) {
          expect(world.report!.troubled[0]).toMatchObject({ id: "1", reason: "handler" });
        }
      }),
      RUNS,
    );
  });

  it("a later call brings the bound nearer", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, fc.nat(4_000), tens(0, 2_000), async (script, after, deadline) => {
        const at = script.shutdownAt! + after;
        const { connection, world } = await run({ ...script, laterCalls: [{ at, deadline }] });
        const bound = Math.min(world.plan.deadlineAt, at + deadline);
        expect(world.hastened.deadlineAt).toBe(bound);
        // After its end a connection is no longer forced.
        if (connection.closedAt > bound) expect(connection.forcedAt).toBe(bound);
        expect(connection.socketClosedAt).toBeLessThanOrEqual(bound + FORCED_FLUSH_TIMEOUT);
      }),
      RUNS,
    );
  });

  it("a peer that vanishes, whenever it does, holds us for a Ping, Close and FIN once it is served", async () => {
    const LAST_SERVED = 650;
    for (let at = 0; at <= 2_000; at += 10) {
      const steps = [...sends(0, 100, 150), { at, what: "vanish" as const }];
      const { connection, world } = await runOne(
        { peer: { delay: 50, steps }, handler: { work: [200] } },
        { shutdownAt: 200 },
      );
      const { barrierTimeout, closeTimeout, lingerTimeout } = connection.script.options;
      const quiet = 200;
      const bound = LAST_SERVED + barrierTimeout + quiet + closeTimeout + lingerTimeout;
      expect(world.reportedAt, `vanished at ${at} ms`).toBeLessThanOrEqual(bound);
      expect(connection.counts.handedBack).toBe(0);
    }
  });

  it("a dead peer holds us for closeTimeout and lingerTimeout once its handler is done", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const [{ peer }] = script.connections;
        Object.assign(peer!, { readTime: Infinity, answersPing: false, answersClose: false, endsTcp: false });
        // What it sends while a Ping of ours is unanswered would be taken for a sign of life.
        const alive = script.shutdownAt! - peer!.delay!;
        peer!.steps = peer!.steps!.filter(({ at, unfinished = 0 }) => at + unfinished <= alive);
        const { connection } = await run(script);
        const { closeTimeout, lingerTimeout } = connection.script.options;
        const bound = Math.max(connection.settledAt, connection.drainedAt) + closeTimeout + lingerTimeout;
        if (connection.forcedAt > bound) expect(connection.socketClosedAt).toBeLessThanOrEqual(bound);
      }),
      RUNS,
    );
  });
});

describe("Rule 7, told", () => {
  it("every message received is served, handed back or abandoned, and every connection is counted once", async () => {
    await fc.assert(
      fc.asyncProperty(crowdedWorld, async (script) => {
        const world = await runWorld(script);
        for (const { counts, received, accepted, refused, carried } of world.watched) {
          expect(counts.served + counts.handedBack + counts.abandoned).toBe(received.length);
          expect(counts.undelivered).toBeGreaterThanOrEqual(accepted + refused - carried);
        }
        // The report tells of that what happened between its beginning and its end.
        const report = world.report!;
        expect(report.messages).toEqual(world.countedMeanwhile);
        const { total, closed, left, unconfirmed, forced } = report.connections;
        expect(total).toBe(world.watched.filter((connection) => world.tellsOf(connection)).length);
        expect(closed + left + unconfirmed + forced).toBe(total);
      }),
      RUNS,
    );
  });

  it("a clean report is true: every peer that stayed has read all replies and our Close, and confirmed it", async () => {
    await fc.assert(
      fc.asyncProperty(crowdedWorld, async (script) => {
        const world = await runWorld(script);
        const report = world.report!;
        const isTold = report.troubled.length > 0 || report.messages.undelivered > 0;
        expect(report.outcome === "clean").toBe(!isTold && report.messages.handedBack === 0);
        expect(report.outcome === "partial").toBe(!isTold && report.messages.handedBack > 0);
        if (isTold) return;
        for (const connection of world.watched.filter((one) => world.tellsOf(one))) {
          const { machine, peer, accepted, closedAt } = connection;
          expect(closedAt).toBeLessThan(Infinity);
          if (machine!.end === "left") continue;
          expect(machine!.end).toBe("closed");
          // Two Close frames that cross confirm each other; nobody can tell them from an answer.
          if (peer.closedFirst) continue;
          expect(peer.replies.length).toBe(accepted);
          expect(peer.closedBy).toBeDefined();
        }
      }),
      RUNS,
    );
  });

  it("what was not clean is told by connection, with the reason that the world knows", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const { connection, world } = await run(script);
        const { troubled, connections } = world.report!;
        const { machine, forcedAt, settledAt } = connection;
        const { undelivered } = connection.counts;
        if (!world.tellsOf(connection)) return;
        const reason = troubled[0]?.reason;
        if (machine!.end === "closed" && undelivered === 0) expect(reason).toBeUndefined();
        const accountedAt = Math.min(connection.closedAt, world.reportedAt);
        const accounted = script.connections[0].handler!.strays!.every((at) => at < accountedAt);
        if (undelivered > 0 && accounted) expect(reason).toBeDefined();
        if (reason === "reset")
          expect(connection.events).toContainEqual(expect.objectContaining({ reset: true }));
        if (reason === "unsent") expect(troubled[0]!.unsentBytes).toBeGreaterThan(0);
        if (reason === "handler") {
          expect(forcedAt).toBeLessThan(Infinity);
          expect(settledAt).toBeGreaterThanOrEqual(forcedAt);
        }
        if (connections.forced === 0 && troubled.length === 0)
          expect(connection.peer.replies.length).toBeLessThanOrEqual(connection.accepted);
      }),
      RUNS,
    );
  });
});

describe("Rule 8, idempotent", () => {
  it("further calls that ask for nothing sooner change nothing at all", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, fc.array(fc.nat(9_000), { maxLength: 3 }), async (script, times) => {
        const alone = await runWorld(script);
        const laterCalls = times.map((after) => ({ at: script.shutdownAt! + after, deadline: 20_000 }));
        const repeated = await runWorld({ ...script, laterCalls });
        expect(repeated.hastened).toEqual(alone.plan);
        const done = (world: World): unknown[] =>
          world.watched[0]!.performed.map((action) => ({ ...action, order: 0 }));
        expect(done(repeated)).toEqual(done(alone));
        expect(repeated.watched[0]!.counts).toEqual(alone.watched[0]!.counts);
      }),
      RUNS,
    );
  });

  it("draining or forcing a connection twice does nothing the second time, in whatever state it is", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyWorld,
        fc.nat(9_000),
        fc.constantFrom("drain", "force"),
        async (script, at, type) => {
          await runUntil(script, at, (connection) => {
            connection.endpoint[type]();
            expect(connection.machine!.handle({ type }, at)).toEqual([]);
          });
        },
      ),
      RUNS,
    );
  });

  it("close() escalates a shutdown, and shutdown() afterwards softens nothing", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, fc.nat(9_000), async (script, at) => {
        let forced: WatchedConnection | undefined;
        await runUntil(script, at, (connection) => {
          connection.endpoint.force();
          connection.endpoint.drain();
          connection.endpoint.lastCall();
          forced = connection;
        });
        expect(forced!.socketClosedAt).toBeLessThanOrEqual(at + FORCED_FLUSH_TIMEOUT);
      }),
      RUNS,
    );
  });

  /** Runs a world and does something to its connection at a time. */
  async function runUntil(
    script: OneWorld,
    at: number,
    act: (connection: WatchedConnection) => void,
  ): Promise<void> {
    const world = new World(script);
    world.time.at(at, () => act(world.watched[0]!));
    await world.time.run();
  }
});

describe("Rule 10, done means done", () => {
  it("a connection is over when its socket is gone and its handler has settled, neither before nor later", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const { connection } = await run(script);
        expect(connection.closedAt).toBe(Math.max(connection.settledAt, connection.socketClosedAt));
        if (connection.closedAt < Infinity) expect(connection.performed.at(-1)!.type).toBe("closed");
      }),
      RUNS,
    );
  });
});

describe("Rule 11, nothing left", () => {
  it("afterwards nothing waits, not even for a handler that never returns", async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (script) => {
        const { connection, world } = await run(script);
        expect(connection.machine!.wakeAt).toBe(Infinity);
        expect(connection.machine!.state).toBe(connection.settledAt < Infinity ? "closed" : "forced");
        if (connection.closedAt === Infinity) return;
        expect(connection.machine!.handle({ type: "force" }, world.time.now)).toEqual([]);
        expect(connection.machine!.handle({ type: "drain" }, world.time.now)).toEqual([]);
      }),
      RUNS,
    );
  });

  it("outside a shutdown a connection that someone ends is gone in time as well", async () => {
    await fc.assert(
      fc.asyncProperty(anyConnection, async (connection) => {
        const world = await runWorld({
          connections: [{ ...connection, peer: { ...goodPeer, ...connection.peer }, closesAt: 3_000 }],
          shutdownAt: Infinity,
        });
        const { socketClosedAt, peer } = world.watched[0]!;
        const slowest = 30_000 * 2 + 700 * (peer.sent.length + 100);
        expect(socketClosedAt).toBeLessThan(3_000 + slowest);
      }),
      RUNS,
    );
  });
});
