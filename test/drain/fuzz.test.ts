/** Any events in any order, also such as no connection ever sees: the machine keeps its own laws. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EndingMachine, FORCED_FLUSH_TIMEOUT } from "../../src/drain/ending-machine.js";
import type { EndingOptions, EndingAction, EndingEvent, EndingState } from "../../src/drain/events.js";
import { UNHURRIED } from "../../src/drain/progress.js";
import { repetitions } from "../tools/effort.js";

const ORDER: readonly EndingState[] = [
  "open",
  "draining",
  "ending",
  "closing",
  "lingering",
  "forced",
  "closed",
];

const duration = fc.oneof(fc.nat(50), fc.nat(5_000));

const options: fc.Arbitrary<EndingOptions> = fc.record({
  patience: fc.oneof(duration, fc.constant(Infinity)),
  quiet: fc.oneof(duration, fc.constant(Infinity), fc.constant(0)),
  barrierTimeout: duration,
  closeTimeout: duration,
  lingerTimeout: duration,
  closeReplyTimeout: duration,
  goneTimeout: duration,
  code: fc.constant(1012),
  reason: fc.constant("service restart"),
});

const plainEvents = fc.constantFrom<EndingEvent>(
  { type: "drain" },
  { type: "idle" },
  { type: "busy" },
  { type: "paused" },
  { type: "resumed" },
  { type: "peer-close", code: 1001, reason: "away" },
  { type: "peer-end" },
  { type: "violation", code: 1002, reason: "reserved bits" },
  { type: "close", code: 3000, reason: "" },
  { type: "handler-settled", failed: false },
  { type: "handler-settled", failed: true },
  { type: "unsent" },
  { type: "sent" },
  { type: "progress" },
  { type: "compressing" },
  { type: "last-call" },
  { type: "force" },
  { type: "fail", cause: "heartbeat" },
  { type: "slow-consumer", code: 1008, reason: "", detail: "" },
  { type: "socket-closed", reset: false },
  { type: "socket-closed", reset: true },
  { type: "tick" },
);

const numberedEvents = fc.record({
  type: fc.constantFrom<"pinged" | "ping-sent" | "pong">("pinged", "ping-sent", "pong"),
  nonce: fc.integer({ min: 1, max: 6 }),
});

const bytes = fc.nat(9);
const lookedEvents = fc.record({
  type: fc.constant<"looked">("looked"),
  acknowledged: bytes,
  unacknowledged: bytes,
});

const event = fc.oneof({ weight: 5, arbitrary: plainEvents }, numberedEvents, lookedEvents);

interface Moment {
  event: EndingEvent;
  /** Since the moment before; `"due"`: a tick, when the machine asks for it. */
  after: number | "due";
}

const moments: fc.Arbitrary<Moment[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ event, after: fc.oneof(fc.constant(0), duration) }) },
    fc.record({ event: fc.constant<EndingEvent>({ type: "tick" }), after: fc.constant<"due">("due") }),
  ),
  { maxLength: 30 },
);

interface Run {
  machine: EndingMachine;
  now: number;
  actions: EndingAction["type"][];
  states: EndingState[];
}

function play(options: EndingOptions, initially: { idle: boolean; reading: boolean }, script: Moment[]): Run {
  const run: Run = {
    machine: new EndingMachine(options, initially),
    now: 0,
    actions: [],
    states: ["open"],
  };
  for (const { event, after } of script) {
    if (after !== "due") run.now += after;
    else if (run.machine.wakeAt < Infinity) run.now = Math.max(run.now, run.machine.wakeAt);
    take(run, event);
  }
  return run;
}

function take(run: Run, event: EndingEvent): void {
  const before = run.machine.state;
  const actions = run.machine.handle(event, run.now);
  if (before === "closed") expect(actions).toEqual([]);
  run.actions.push(...actions.map(({ type }) => type));
  run.states.push(run.machine.state);
  look(run);
  // With times of 0 one thing may be due right behind another, but it comes to rest.
  for (let ticks = 0; event.type === "tick" && run.machine.wakeAt <= run.now; ticks++) {
    expect(ticks, "what was due is done").toBeLessThan(4);
    run.actions.push(...run.machine.handle(event, run.now).map(({ type }) => type));
    run.states.push(run.machine.state);
    look(run);
  }
}

/** Every look is answered: the kernel holds nothing. */
function look(run: Run): void {
  if (run.actions.at(-1) !== "look") return;
  const looked = run.machine.handle({ type: "looked", acknowledged: 0, unacknowledged: 0 }, run.now);
  run.actions.push(...looked.map(({ type }) => type));
  run.states.push(run.machine.state);
}

const initially = fc.record({ idle: fc.boolean(), reading: fc.boolean() });

describe("whatever events come, in whatever order", () => {
  const runs = { numRuns: repetitions.events };

  it("the state only moves forward", () => {
    fc.assert(
      fc.property(options, initially, moments, (...given) => {
        const ranks = play(...given).states.map((state) => ORDER.indexOf(state));
        expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
      }),
      runs,
    );
  });

  it("each action that ends something comes once, and in an order that makes sense", () => {
    fc.assert(
      fc.property(options, initially, moments, (...given) => {
        const { actions } = play(...given);
        for (const type of ["cut", "close", "fin", "flush", "destroy", "abort", "closed"] as const) {
          expect(actions.filter((action) => action === type).length, type).toBeLessThanOrEqual(1);
        }
        const last = (type: EndingAction["type"]): number => actions.lastIndexOf(type);
        expect(actions.indexOf("closed") === -1 || last("closed") === actions.length - 1).toBe(true);
        if (last("ping") >= 0 && last("cut") >= 0) expect(last("ping")).toBeLessThan(last("cut"));
        if (last("close") >= 0) {
          expect(actions.slice(0, last("close"))).toContain("cut");
          for (const over of ["flush", "destroy", "closed"] as const) {
            if (last(over) >= 0) expect(last(over)).toBeGreaterThan(last("close"));
          }
        }
        if (last("fin") >= 0) expect(actions.slice(0, last("fin"))).toContain("close");
      }),
      runs,
    );
  });

  it("a Ping is asked for while draining only", () => {
    fc.assert(
      fc.property(options, initially, moments, (given, initial, script) => {
        const run = play(given, initial, []);
        for (const { event, after } of script) {
          run.now += after === "due" ? 1 : after;
          const before = run.machine.state;
          const pings = run.machine.handle(event, run.now).some(({ type }) => type === "ping");
          const begins = before === "open" && (event.type === "drain" || event.type === "last-call");
          if (pings) expect(before === "draining" || begins, `${event.type} while ${before}`).toBe(true);
        }
      }),
      runs,
    );
  });

  it("once it is forced, its socket is given up within 200 ms, and with the handler settled it is over", () => {
    fc.assert(
      fc.property(options, initially, moments, moments, (given, initial, before, after) => {
        const run = play(given, initial, before);
        take(run, { type: "force" });
        const forcedAt = run.now;
        // Nothing moves the bound, whatever else happens.
        for (const moment of after) {
          if (moment.event.type === "handler-settled" || moment.event.type === "socket-closed") continue;
          take(run, moment.event);
        }
        if (run.machine.wakeAt < Infinity) {
          expect(run.machine.wakeAt).toBeLessThanOrEqual(forcedAt + FORCED_FLUSH_TIMEOUT);
          // One look, and then the end.
          for (let ticks = 0; ticks < 2 && run.machine.wakeAt < Infinity; ticks++) {
            run.now = run.machine.wakeAt;
            take(run, { type: "tick" });
          }
          expect(run.actions).toContain("destroy");
        }
        take(run, { type: "socket-closed", reset: false });
        take(run, { type: "handler-settled", failed: false });
        expect(run.machine.state).toBe("closed");
        expect(run.machine.wakeAt).toBe(Infinity);
        expect(run.actions.at(-1)).toBe("closed");
      }),
      runs,
    );
  });

  it("a socket that is gone and a handler that has settled are enough to be over, without any force", () => {
    fc.assert(
      fc.property(options, initially, moments, fc.boolean(), (given, initial, script, handlerFirst) => {
        const run = play(given, initial, script);
        const ends: EndingEvent[] = [
          { type: "handler-settled", failed: false },
          { type: "socket-closed", reset: false },
        ];
        for (const end of handlerFirst ? ends : ends.toReversed()) take(run, end);
        expect(run.machine.state).toBe("closed");
        expect(["closed", "left", "unconfirmed", "forced"]).toContain(run.machine.end);
        expect(run.machine.why).toBeDefined();
      }),
      runs,
    );
  });

  it("every state has an end, with a peer that does nothing more: a limit, or its handler's", () => {
    fc.assert(
      fc.property(options, initially, moments, (given, initial, script) => {
        const run = play(given, initial, script);
        const happened = (...types: EndingEvent["type"][]): boolean =>
          script.some(({ event }) => types.includes(event.type));
        stayAlone(run);
        // An open one is the heartbeat's, and one that may stay for ever is last call's.
        if (run.machine.state === "open") take(run, { type: "drain" });
        stayAlone(run);
        if (run.machine.state === "draining") {
          expect(given.patience).toBe(Infinity);
          take(run, { type: "last-call" });
          stayAlone(run);
        }
        const isGone = run.actions.includes("destroy") || happened("socket-closed");
        if (!isGone && run.machine.state !== "closed") {
          expect(run.machine.awaitsHandler).toBe(true);
          // Who has closed is answered all the same, and who has left is let go.
          expect(happened("peer-close", "violation")).toBe(false);
          if (happened("peer-end")) expect(isIdle(initial, script)).toBe(false);
        }
        const settledAt = run.now;
        take(run, { type: "handler-settled", failed: false });
        stayAlone(run);
        expect(run.machine.state).toBe("closed");
        const longest = Math.max(given.closeTimeout, UNHURRIED.closeTimeout);
        expect(run.now - settledAt).toBeLessThanOrEqual(3 * longest + given.lingerTimeout);
      }),
      runs,
    );
  });
});

/** Nothing happens any more but what the machine does by itself. A socket that is destroyed is gone. */
function stayAlone(run: Run): void {
  for (let ticks = 0; run.machine.wakeAt < Infinity; ticks++) {
    expect(ticks, "it comes to rest").toBeLessThan(40);
    run.now = Math.max(run.now, run.machine.wakeAt);
    take(run, { type: "tick" });
  }
  if (run.actions.includes("destroy")) take(run, { type: "socket-closed", reset: false });
}

function isIdle({ idle }: { idle: boolean }, script: Moment[]): boolean {
  const last = script.findLast(({ event }) => event.type === "idle" || event.type === "busy");
  return last === undefined ? idle : last.event.type === "idle";
}
