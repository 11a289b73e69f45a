/** When what happens in a shutdown, and how many connections start to drain by when. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EndingMachine } from "../../src/drain/ending-machine.js";
import { drainDefaults } from "../../src/drain/options.js";
import { hastenDrain, Pacing, planDrain, type DrainPlan } from "../../src/drain/plan.js";
import { ReportLedger } from "../../src/drain/report.js";

const time = fc.nat(60_000);
const plan: fc.Arbitrary<DrainPlan> = fc
  .record({ lameDuck: time, lastCall: time, more: time, startedAt: time, spread: time })
  .map(({ lameDuck, lastCall, more, startedAt, spread }) =>
    planDrain({ lameDuck, lastCall, deadline: lastCall + more, spread }, startedAt),
  );

interface LaterCall {
  given: { lameDuck?: number; lastCall?: number; deadline?: number; spread?: number };
  after: number;
}

const laterCall: fc.Arbitrary<LaterCall> = fc.record({
  given: fc.record({ lameDuck: time, lastCall: time, deadline: time, spread: time }, { requiredKeys: [] }),
  after: time,
});

describe("the plan of a shutdown", () => {
  it("counts every moment from the call, lame duck included", () => {
    expect(planDrain({ lameDuck: 5_000, lastCall: 20_000, deadline: 25_000, spread: 9_000 }, 1_000)).toEqual({
      startedAt: 1_000,
      lameDuckUntil: 6_000,
      lastCallAt: 21_000,
      deadlineAt: 26_000,
      lastCallShare: 0.8,
      spread: 9_000,
    });
  });

  it("Rule 8, idempotent: a later call may bring each moment nearer and never moves one away", () => {
    fc.assert(
      fc.property(plan, laterCall, (first, { given, after }) => {
        const now = first.startedAt + after;
        const hastened = hastenDrain(first, given, now);
        const deadlineAt = Math.min(first.deadlineAt, now + (given.deadline ?? Infinity));
        const share = first.lastCallAt < first.deadlineAt ? 0.8 : 1;
        const lastCall = given.lastCall ?? share * (given.deadline ?? Infinity);
        const lastCallAt = Math.min(first.lastCallAt, now + lastCall, deadlineAt);
        const middle = lastCallAt < first.lastCallAt ? now + (lastCallAt - now) / 2 : Infinity;
        expect(hastened).toEqual({
          startedAt: first.startedAt,
          lameDuckUntil: Math.min(first.lameDuckUntil, now + (given.lameDuck ?? Infinity), middle),
          lastCallAt,
          deadlineAt,
          lastCallShare: share,
          spread: Math.min(first.spread, given.spread ?? Infinity),
        });
      }),
    );
  });

  it("a deadline that comes nearer brings the last call nearer, and that the end of the lame duck: half of the time is left to serve", () => {
    const first = planDrain({ lameDuck: 20_000, lastCall: 24_000, deadline: 30_000, spread: 0 }, 0);
    expect(hastenDrain(first, { deadline: 1_500 }, 100)).toMatchObject({
      lameDuckUntil: 700,
      lastCallAt: 1_300,
      deadlineAt: 1_600,
    });
    expect(hastenDrain(first, { deadline: 40_000 }, 100)).toEqual(first);
  });

  it("a shutdown without a last call has none after a later call either, unless that gives one", () => {
    const first = planDrain({ lameDuck: 0, lastCall: 30_000, deadline: 30_000, spread: 0 }, 0);
    expect(hastenDrain(first, { deadline: 5_000 }, 0)).toMatchObject({
      lastCallAt: 5_000,
      deadlineAt: 5_000,
    });
    expect(hastenDrain(first, { lastCall: 50 }, 0)).toMatchObject({ lastCallAt: 50, deadlineAt: 30_000 });
  });

  it("Rule 8, idempotent: a later call that gives nothing changes nothing", () => {
    fc.assert(
      fc.property(plan, time, (first, after) => {
        expect(hastenDrain(first, {}, first.startedAt + after)).toEqual(first);
      }),
    );
  });

  it("Rule 8, idempotent: the order and the number of later calls at one moment do not matter", () => {
    fc.assert(
      fc.property(plan, fc.array(laterCall, { minLength: 1, maxLength: 5 }), time, (first, later, after) => {
        const hasten = (one: DrainPlan, { given }: LaterCall): DrainPlan =>
          hastenDrain(one, given, first.startedAt + after);
        const forth = later.reduce(hasten, first);
        expect(later.toReversed().reduce(hasten, first)).toEqual(forth);
        expect([...later, ...later].reduce(hasten, first)).toEqual(forth);
      }),
    );
  });
});

interface Pace {
  connections: number;
  pace: number;
  startsAt: number;
  left: number;
}

const pace: fc.Arbitrary<Pace> = fc.record({
  connections: fc.oneof(fc.nat(20), fc.nat(2_000_000)),
  pace: fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.constant(Infinity)),
  startsAt: fc.double({ min: 0, max: 1e9, noNaN: true }),
  left: fc.integer({ min: -100, max: 60_000 }),
});

const pacingOf = ({ connections, pace, startsAt, left }: Pace): Pacing =>
  paced(connections, pace, startsAt, startsAt + left);

/** Without a spread, nothing is random. */
function paced(connections: number, pace: number, startsAt: number, lastCallAt: number): Pacing {
  const limits = { pace, spreadUntil: startsAt, lastCallAt };
  return new Pacing(connections, startsAt, limits, () => expect.unreachable());
}

/** What a clock of doubles may be off by, in ms. */
const ROUNDING = 1e-5;

describe("pacing", () => {
  it("starts one at once and then `pace` per second at most, where that is enough", () => {
    fc.assert(
      fc.property(pace, fc.nat(60_000), (given, elapsed) => {
        const half = given.left / 2;
        fc.pre(half > 0 && given.connections / half <= given.pace / 1000);
        const due = pacingOf(given).dueBy(given.startsAt + elapsed);
        expect(due).toBeLessThanOrEqual(1 + ((elapsed + ROUNDING) * given.pace) / 1000);
        expect(due).toBeGreaterThanOrEqual(
          Math.min(given.connections, Math.floor(((elapsed - ROUNDING) * given.pace) / 1000)),
        );
      }),
      { numRuns: 5_000 },
    );
  });

  it("has started all within half of the time to the last call, and no faster than that takes", () => {
    fc.assert(
      fc.property(pace, fc.double({ min: 0, max: 1, noNaN: true }), (given, part) => {
        const half = given.left / 2;
        const pacing = pacingOf(given);
        expect(pacing.dueBy(given.startsAt + Math.max(0, half) + ROUNDING)).toBe(given.connections);
        if (half <= 0) return;
        const perMillisecond = Math.max(given.pace / 1000, given.connections / half);
        const due = pacing.dueBy(given.startsAt + part * half);
        expect(due).toBeLessThanOrEqual(1 + perMillisecond * (part * half + ROUNDING));
      }),
      { numRuns: 5_000 },
    );
  });

  it("never takes back what was due", () => {
    fc.assert(
      fc.property(pace, fc.nat(60_000), fc.nat(60_000), (given, one, other) => {
        const pacing = pacingOf(given);
        const [earlier, later] = [Math.min(one, other), Math.max(one, other)];
        expect(pacing.dueBy(given.startsAt + earlier)).toBeLessThanOrEqual(
          pacing.dueBy(given.startsAt + later),
        );
        expect(pacing.dueBy(given.startsAt + later)).toBeLessThanOrEqual(given.connections);
      }),
      { numRuns: 5_000 },
    );
  });

  it("says when each connection's turn is, in agreement with how many are due", () => {
    fc.assert(
      fc.property(pace, fc.nat(), (given, any) => {
        fc.pre(given.connections > 0);
        const index = any % given.connections;
        const pacing = pacingOf(given);
        const startsAt = pacing.startOf(index);
        expect(startsAt).toBeGreaterThanOrEqual(given.startsAt);
        expect(startsAt).toBeLessThanOrEqual(given.startsAt + Math.max(0, given.left / 2) + ROUNDING);
        expect(pacing.dueBy(startsAt + ROUNDING)).toBeGreaterThan(index);
      }),
      { numRuns: 5_000 },
    );
  });

  it("lets 10 000 connections leave over 2 s with the defaults", () => {
    const pacing = paced(10_000, drainDefaults.pace, 0, drainDefaults.lastCall);
    expect(pacing.dueBy(0)).toBe(1);
    expect(pacing.dueBy(1_000)).toBe(5_001);
    expect(pacing.dueBy(1_999)).toBeLessThan(10_000);
    expect(pacing.dueBy(2_000)).toBe(10_000);
  });

  it("starts all at once with a pace of Infinity, and when no time is left", () => {
    expect(paced(1_000, Infinity, 5, 100).dueBy(5)).toBe(1_000);
    expect(paced(1_000, 1, 5, 5).dueBy(5)).toBe(1_000);
    expect(paced(1_000, 1, 5, 5).startOf(999)).toBe(5);
    expect(paced(0, 5_000, 5, 100).dueBy(50)).toBe(0);
  });
});

describe("pacing that is spread over a time", () => {
  interface Spread {
    connections: number;
    startsAt: number;
    spread: number;
    lastCall: number;
    seed: number;
  }

  const spread: fc.Arbitrary<Spread> = fc.record({
    connections: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2_000_000 })),
    startsAt: fc.nat(1e9),
    spread: fc.integer({ min: 1, max: 60_000 }),
    lastCall: fc.integer({ min: 1, max: 60_000 }),
    seed: fc.integer(),
  });

  /** Numbers from 0 to below 1, the same ones each time. */
  function randomOf(seed: number): () => number {
    let state = seed;
    return () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      return (state >>> 0) / 2 ** 32;
    };
  }

  function pacingOf({ connections, startsAt, spread, lastCall, seed }: Spread): Pacing {
    const lastCallAt = startsAt + lastCall;
    const limits = { pace: 1, spreadUntil: startsAt + spread, lastCallAt };
    return new Pacing(connections, startsAt, limits, randomOf(seed));
  }

  /** Over how long they begin. */
  const lengthOf = ({ spread, lastCall }: Spread): number => (spread <= lastCall ? spread : lastCall / 2);

  it("starts each in a slot of its own, and all within the time, whatever the pace", () => {
    fc.assert(
      fc.property(spread, fc.nat(), (given, any) => {
        const index = any % given.connections;
        const slot = lengthOf(given) / given.connections;
        const startsAt = pacingOf(given).startOf(index) - given.startsAt;
        expect(startsAt).toBeGreaterThanOrEqual(index * slot - ROUNDING);
        expect(startsAt).toBeLessThanOrEqual((index + 1) * slot + ROUNDING);
      }),
      { numRuns: 5_000 },
    );
  });

  it("never takes back what was due, and has started all at its end", () => {
    fc.assert(
      fc.property(spread, fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (given, parts) => {
        const pacing = pacingOf(given);
        const length = lengthOf(given);
        let before = 0;
        for (const part of parts.sort((one, other) => one - other)) {
          const due = pacing.dueBy(given.startsAt + part * length);
          expect(due).toBeGreaterThanOrEqual(before);
          expect(Math.abs(due - part * given.connections)).toBeLessThanOrEqual(1.01);
          before = due;
        }
        expect(pacing.dueBy(given.startsAt + length + ROUNDING)).toBe(given.connections);
      }),
      { numRuns: 2_000 },
    );
  });

  it("says when a turn is, in agreement with how many are due then", () => {
    const limits = { pace: 5_000, spreadUntil: 60_000, lastCallAt: 80_000 };
    const pacing = new Pacing(6, 0, limits, randomOf(7));
    let due = 0;
    const starts: number[] = [];
    while (due < 6) {
      const startsAt = pacing.startOf(due);
      expect(pacing.dueBy(startsAt - 1)).toBe(due);
      expect(pacing.dueBy(startsAt)).toBe(++due);
      starts.push(startsAt);
    }
    const gaps = starts.slice(1).map((start, index) => Math.round(start - starts[index]!));
    expect(new Set(gaps).size).toBe(5);
  });
});

describe("a million connections in virtual time", () => {
  it("drain by the plan, all of them clean", { timeout: 240_000 }, () => {
    const connections = 1_000_000;
    const plan = planDrain(drainDefaults, 0);
    const pacing = paced(connections, drainDefaults.pace, 0, plan.lastCallAt);
    const options = { ...drainDefaults, closeReplyTimeout: 5_000, goneTimeout: 30_000 };
    const ledger = new ReportLedger();
    const roundTrip = 20;
    let lastClosedAt = 0;
    const startedAt = performance.now();
    for (let index = 0; index < connections; index++) {
      const machine = new EndingMachine(options, { idle: true, reading: true });
      let now = pacing.startOf(index);
      machine.handle({ type: "drain", options }, now);
      machine.handle({ type: "pinged", nonce: 1 }, now);
      machine.handle({ type: "pong", nonce: 1 }, (now += roundTrip));
      machine.handle({ type: "tick" }, (now = machine.wakeAt));
      machine.handle({ type: "handler-settled", failed: false }, now);
      machine.handle({ type: "peer-close", code: 1012, reason: "" }, (now += roundTrip));
      machine.handle({ type: "peer-end" }, (now += roundTrip));
      machine.handle({ type: "socket-closed", reset: false }, now);
      if (machine.state !== "closed") throw new Error(`connection ${index} is still ${machine.state}`);
      lastClosedAt = Math.max(lastClosedAt, now);
      const { end, unproven, reset, gaveUp } = machine;
      ledger.enter({
        id: "",
        remoteAddress: "",
        end,
        unproven,
        reset,
        gaveUp,
        handlerRuns: false,
        queued: 0,
        unsentBytes: 0,
        running: 0,
        undelivered: 0,
        unreadUnknown: false,
        ...machine.why!,
      });
    }
    const took = performance.now() - startedAt;
    const report = ledger.close(new Date(0), lastClosedAt);
    expect(report.outcome).toBe("clean");
    expect(report.connections).toMatchObject({ total: connections, closed: connections, unproven: 0 });
    // Half of the time to last call to start them all, then each its quiet and three round trips.
    expect(lastClosedAt).toBeLessThanOrEqual(10_000 + 100 + 3 * roundTrip);
    console.log(`a million connections in ${(took / 1_000).toFixed(1)} s of real time`);
  });
});
