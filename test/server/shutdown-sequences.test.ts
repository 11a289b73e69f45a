/**
 * Any sequence of `shutdown` and `close`, with any options, while guests arrive: what moves one moment moves all that
 * hang on it. In virtual time, with real connections.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { DrainOptions } from "../../src/drain/options.js";
import type { DrainPlan } from "../../src/drain/plan.js";
import { completeDrainOptions } from "../../src/server/option-checks.js";
import { repetitions } from "../tools/effort.js";
import { tens } from "../virtual/arbitraries.js";
import { runWorld, sends, type World, type WorldConnection, type WorldScript } from "../virtual/world.js";

/** Times that fit each other, as they must in one call: a lame duck is over before the last call. */
const times: fc.Arbitrary<Partial<DrainOptions>> = fc
  .record(
    {
      deadline: tens(3_000, 20_000),
      lastCallShare: fc.constantFrom(0.1, 0.5, 0.8),
      lameDuckShare: fc.constantFrom(0, 0.3, 0.6, 0.9),
      spreadShare: fc.constantFrom(0, 0.5),
    },
    { requiredKeys: [] },
  )
  .map(({ deadline, lastCallShare, lameDuckShare, spreadShare = 0 }) => {
    const lastCall = lastCallShare === undefined ? undefined : lastCallShare * (deadline ?? 3_000);
    const atMost = lastCall ?? 0.8 * (deadline ?? 25_000);
    const lameDuck = lameDuckShare === undefined ? undefined : Math.floor(lameDuckShare * atMost);
    const spread = spreadShare === 0 ? undefined : Math.floor(spreadShare * (atMost - (lameDuck ?? atMost)));
    const given = { deadline, lastCall, lameDuck, spread };
    return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  });

const pace = fc.constantFrom(Infinity, 5_000, 5, 1);
const serverDrain = fc
  .record({ times, pace, handshakeGrace: tens(0, 5_000) })
  .map(({ times, ...others }): Partial<DrainOptions> => ({ quiet: 20, ...others, ...times }));

/** Knocks at any time, is let in a while later, asks for a few things, and does all that a client should. */
const guest: fc.Arbitrary<WorldConnection> = fc
  .record({
    knocksAt: fc.nat(10_000),
    handshake: fc.oneof(fc.constant(0), fc.nat(2_000)),
    after: fc.array(fc.nat(1_000), { maxLength: 6 }),
    work: fc.array(fc.nat(200), { minLength: 1, maxLength: 3 }),
    delay: fc.nat(15),
  })
  .map(({ knocksAt, handshake, after, work, delay }) => {
    const opensAt = knocksAt + handshake;
    const peer = { delay, steps: sends(...after.map((wait) => opensAt + wait)) };
    return { knocksAt, opensAt, peer, handler: { work } };
  });

const SHUTDOWN_AT = 1_000;
const duringShutdown = fc.integer({ min: SHUTDOWN_AT, max: 10_000 });
const laterCall = fc.record({ at: duringShutdown, times }).map(({ at, times }) => ({ at, ...times }));

/** Whether the call is not refused: what it gives itself must fit the server's options. */
function fits({ call, drain }: Pick<WorldScript, "call" | "drain">): boolean {
  try {
    completeDrainOptions(call, "", drain);
    return true;
  } catch {
    return false;
  }
}

const script: fc.Arbitrary<Partial<WorldScript>> = fc
  .record({
    connections: fc.array(guest, { minLength: 4, maxLength: 20 }),
    shutdownAt: fc.constant(SHUTDOWN_AT),
    drain: serverDrain,
    call: times,
    laterCalls: fc.array(laterCall, { maxLength: 3 }),
    closeAt: fc.oneof({ weight: 3, arbitrary: fc.constant(Infinity) }, duringShutdown),
  })
  .filter(fits)
  .map(({ laterCalls, ...others }) => ({
    ...others,
    laterCalls: laterCalls.toSorted((one, other) => one.at - other.at),
  }));

function holds(rule: (world: World, script: Partial<WorldScript>) => void): Promise<void> {
  return fc.assert(
    fc.asyncProperty(script, async (given) => rule(await runWorld(given), given)),
    { numRuns: repetitions.worlds },
  );
}

test("nobody who was let in is abandoned, unless close() was called", async () => {
  await holds((world, { closeAt }) => {
    const { report } = world;
    // What comes too late may be handed back.
    if (closeAt === Infinity) expect(["clean", "partial"]).toContain(report!.outcome);
    for (const { peer, forcedAt, counts } of world.watched) {
      if (forcedAt === Infinity) expect([peer.closedBy?.code, counts.abandoned]).toEqual([1012, 0]);
    }
  });
});

test("nobody is let in at last call or later, and the door is closed by then", async () => {
  await holds((world) => {
    const lastCallAt = world.toldAt("last call");
    if (lastCallAt === Infinity) return;
    expect(world.toldAt("door closed")).toBeLessThanOrEqual(lastCallAt);
    for (const { openedAt } of world.watched) expect(openedAt).toBeLessThanOrEqual(lastCallAt);
  });
});

test("a call that brings the last call nearer leaves half of the time to it behind the closed door", async () => {
  await holds((world, { laterCalls }) => {
    laterCalls!.forEach(({ at }, index) => {
      const [before, after] = [world.plans[index]!, world.plans[index + 1]!];
      if (after.lastCallAt === before.lastCallAt) return;
      expect(after.lameDuckUntil).toBeLessThanOrEqual(at + (after.lastCallAt - at) / 2);
    });
  });
});

test("moments only come nearer, and stay in their order", async () => {
  await holds(({ plans }) => {
    const momentsOf = ({ lameDuckUntil, lastCallAt, deadlineAt }: DrainPlan): number[] => [
      lameDuckUntil,
      lastCallAt,
      deadlineAt,
    ];
    plans.forEach((plan, index) => {
      const moments = momentsOf(plan);
      const before = momentsOf(plans[index - 1] ?? plan);
      moments.forEach((moment, which) => expect(moment).toBeLessThanOrEqual(before[which]!));
      expect(moments).toEqual(moments.toSorted((one, other) => one - other));
    });
  });
});

test("the shutdown is over within a second of the nearest deadline, or of close()", async () => {
  await holds((world, { closeAt }) => {
    const bound = Math.min(world.hastened.deadlineAt, closeAt!);
    expect(world.reportedAt).toBeLessThanOrEqual(bound + 1_000);
  });
});

test("the counts add up to what has happened", async () => {
  await holds((world) => {
    const { messages, connections } = world.report!;
    expect(messages).toEqual(world.countedMeanwhile);
    const { total, closed, left, unconfirmed, forced } = connections;
    expect(closed + left + unconfirmed + forced).toBe(total);
    expect(total).toBe(world.watched.filter((one) => world.tellsOf(one)).length);
  });
});
