/** The rules of the contract about how it all ends, on random peers in virtual time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { repetitions } from "../tools/effort.js";
import { FORCED_FLUSH_TIMEOUT } from "../../src/drain/connection.js";
import { anyConnection, anyWorld, crowdedWorld, loyalWorld, type OneWorld } from "./arbitraries.js";
import type { VirtualConnection } from "./virtual-connection.js";
import { goodPeer } from "./virtual-peer.js";
import { runWorld, World } from "./world.js";

const RUNS = { numRuns: repetitions.worlds };

function run(script: OneWorld): { connection: VirtualConnection; world: World } {
  const world = runWorld(script);
  return { connection: world.connections[0]!, world };
}

/** When the peer was last seen to read, or the wait for it began, up to `until`. */
function lastProgress({ events, performed }: VirtualConnection, until: number): number {
  const signs = ["unsent", "sent", "progress", "pong", "drain"];
  const seen = events.filter(({ type, at }) => at <= until && signs.includes(type));
  const begun = performed.filter(({ type, at }) => at <= until && (type === "cut" || type === "close"));
  return Math.max(...[...seen, ...begun].map(({ at }) => at));
}

describe("Rule 5, no reset", () => {
  it("a peer that stays, reads and answers is never destroyed, however slow its handler or its line is", () => {
    fc.assert(
      fc.property(loyalWorld, (script) => {
        const { connection, world } = run(script);
        expect(connection.performedFirst("destroy")).toBeUndefined();
        expect(connection.machine!.end).toBe("closed");
        expect(connection.peer.resetAt).toBeUndefined();
        expect(connection.peer.replies.length).toBe(connection.accepted);
        expect(world.writeReport().outcome).toBe("clean");
      }),
      RUNS,
    );
  });

  it("no socket is destroyed with unread input, nor before Close and FIN were given their time", () => {
    fc.assert(
      fc.property(anyWorld, (script) => {
        const { connection } = run(script);
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
          // Who is seen to read meanwhile gets more time.
          const read = lastProgress(connection, destroyed.at);
          expect(destroyed.at).toBe(
            Math.max(lingering + lingerTimeout, read > lingering ? read + closeTimeout : 0),
          );
        }
      }),
      RUNS,
    );
  });
});

describe("Rule 6, bounded", () => {
  it("sockets are gone 200 ms after the deadline at the latest, whatever peers and handlers do", () => {
    fc.assert(
      fc.property(anyWorld, (script) => {
        const { connection, world } = run(script);
        expect(connection.socketClosedAt).toBeLessThanOrEqual(
          world.hastened.deadlineAt + FORCED_FLUSH_TIMEOUT,
        );
        if (connection.settledAt === Infinity) {
          expect(world.writeReport().troubled[0]).toMatchObject({ id: "1", reason: "handler" });
        }
      }),
      RUNS,
    );
  });

  it("a later call brings the bound nearer", () => {
    fc.assert(
      fc.property(anyWorld, fc.nat(4_000), fc.nat(2_000), (script, after, deadline) => {
        const at = script.shutdownAt! + after;
        const { connection, world } = run({ ...script, laterCalls: [{ at, deadline }] });
        const bound = Math.min(world.plan.deadlineAt, at + deadline);
        expect(world.hastened.deadlineAt).toBe(bound);
        // After its end a connection is no longer forced.
        if (connection.closedAt > bound) expect(connection.forcedAt).toBe(bound);
        expect(connection.socketClosedAt).toBeLessThanOrEqual(bound + FORCED_FLUSH_TIMEOUT);
      }),
      RUNS,
    );
  });

  it("a dead peer holds us for closeTimeout and lingerTimeout once its handler is done", () => {
    fc.assert(
      fc.property(anyWorld, (script) => {
        const [{ peer }] = script.connections;
        Object.assign(peer!, { readTime: Infinity, answersPing: false, answersClose: false, endsTcp: false });
        const { connection } = run(script);
        const { closeTimeout, lingerTimeout } = connection.script.options;
        const bound = Math.max(connection.settledAt, connection.drainedAt) + closeTimeout + lingerTimeout;
        if (connection.forcedAt > bound) expect(connection.socketClosedAt).toBeLessThanOrEqual(bound);
      }),
      RUNS,
    );
  });
});

describe("Rule 7, told", () => {
  it("every message received is served, handed back or abandoned, and every connection is counted once", () => {
    fc.assert(
      fc.property(crowdedWorld, (script) => {
        const world = runWorld(script);
        const report = world.writeReport();
        const { served, handedBack, abandoned, undelivered } = report.messages;
        const sum = (of: (connection: VirtualConnection) => number): number =>
          world.connections.reduce((total, connection) => total + of(connection), 0);
        expect(served + handedBack + abandoned).toBe(sum(({ received }) => received.length));
        expect(undelivered).toBe(sum(({ accepted, refused, carried }) => accepted + refused - carried));
        const { total, closed, left, unconfirmed, forced } = report.connections;
        expect(total).toBe(world.connections.length);
        expect(closed + left + unconfirmed + forced).toBe(total);
      }),
      RUNS,
    );
  });

  it("a clean report is true: every peer that stayed has read all replies and our Close, and confirmed it", () => {
    fc.assert(
      fc.property(crowdedWorld, (script) => {
        const world = runWorld(script);
        const report = world.writeReport();
        expect(report.outcome === "clean").toBe(
          report.troubled.length === 0 && report.messages.undelivered === 0,
        );
        for (const { id } of report.troubled) expect(report.outcome, `connection ${id}`).not.toBe("clean");
        if (report.outcome !== "clean") return;
        for (const { machine, peer, accepted, closedAt } of world.connections) {
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

  it("what was not clean is told by connection, with the reason that the world knows", () => {
    fc.assert(
      fc.property(anyWorld, (script) => {
        const { connection, world } = run(script);
        const { troubled, connections } = world.writeReport();
        const { machine, undelivered, forcedAt, settledAt } = connection;
        const reason = troubled[0]?.reason;
        if (machine!.end === "closed" && undelivered === 0) expect(reason).toBeUndefined();
        const accounted = script.connections[0].handler!.strays!.every((at) => at < connection.closedAt);
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
  it("further calls that ask for nothing sooner change nothing at all", () => {
    fc.assert(
      fc.property(anyWorld, fc.array(fc.nat(9_000), { maxLength: 3 }), (script, times) => {
        const alone = runWorld(script);
        const laterCalls = times.map((after) => ({ at: script.shutdownAt! + after, deadline: 20_000 }));
        const repeated = runWorld({ ...script, laterCalls });
        expect(repeated.hastened).toEqual(alone.plan);
        expect(repeated.connections[0]!.performed).toEqual(alone.connections[0]!.performed);
        expect(repeated.connections[0]!.counts).toEqual(alone.connections[0]!.counts);
      }),
      { numRuns: 500 },
    );
  });

  it("draining or forcing a connection twice does nothing the second time, in whatever state it is", () => {
    fc.assert(
      fc.property(anyWorld, fc.nat(9_000), fc.constantFrom("drain", "force"), (script, at, type) => {
        runUntil(script, at, (connection) => {
          connection[type]();
          expect(connection.machine!.handle({ type }, at)).toEqual([]);
        });
      }),
      { numRuns: 500 },
    );
  });

  it("close() escalates a shutdown, and shutdown() afterwards softens nothing", () => {
    fc.assert(
      fc.property(anyWorld, fc.nat(9_000), (script, at) => {
        let forced: VirtualConnection | undefined;
        runUntil(script, at, (connection) => {
          connection.force();
          connection.drain();
          connection.lastCall();
          forced = connection;
        });
        expect(forced!.socketClosedAt).toBeLessThanOrEqual(at + FORCED_FLUSH_TIMEOUT);
      }),
      { numRuns: 500 },
    );
  });

  /** Runs a world and does something to its connection at a time. */
  function runUntil(script: OneWorld, at: number, act: (connection: VirtualConnection) => void): World {
    const world = new World(script);
    world.time.at(at, () => act(world.connections[0]!));
    world.time.run();
    return world;
  }
});

describe("Rule 10, done means done", () => {
  it("a connection is over when its socket is gone and its handler has settled, neither before nor later", () => {
    fc.assert(
      fc.property(anyWorld, (script) => {
        const { connection } = run(script);
        expect(connection.closedAt).toBe(Math.max(connection.settledAt, connection.socketClosedAt));
        if (connection.closedAt < Infinity) expect(connection.performed.at(-1)!.type).toBe("closed");
      }),
      RUNS,
    );
  });
});

describe("Rule 11, nothing left", () => {
  it("afterwards nothing waits, not even for a handler that never returns", () => {
    fc.assert(
      fc.property(anyWorld, (script) => {
        const { connection, world } = run(script);
        expect(connection.machine!.wakeAt).toBe(Infinity);
        expect(connection.machine!.state).toBe(connection.settledAt < Infinity ? "closed" : "forced");
        if (connection.closedAt === Infinity) return;
        expect(connection.machine!.handle({ type: "force" }, world.time.now)).toEqual([]);
        expect(connection.machine!.handle({ type: "drain" }, world.time.now)).toEqual([]);
      }),
      RUNS,
    );
  });

  it("outside a shutdown a connection that someone ends is gone in time as well", () => {
    fc.assert(
      fc.property(anyConnection, (connection) => {
        const world = runWorld({
          connections: [{ ...connection, peer: { ...goodPeer, ...connection.peer }, closesAt: 3_000 }],
          shutdownAt: Infinity,
        });
        const { socketClosedAt, peer } = world.connections[0]!;
        const slowest = 30_000 * 2 + 700 * (peer.sent.length + 100);
        expect(socketClosedAt).toBeLessThan(3_000 + slowest);
      }),
      { numRuns: 500 },
    );
  });
});
