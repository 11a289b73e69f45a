/** When what happens in a shutdown: its fixed moments, and how many connections start to drain by when. */
import { LAME_DUCK_SHARE, LAST_CALL_SHARE, type DrainOptions } from "./options.js";

/** The moments of a shutdown, on the clock that `startedAt` was read from. */
export interface DrainPlan {
  startedAt: number;
  /** Until when accepting goes on. */
  lameDuckUntil: number;
  /** Never behind the deadline; at it, there is none. */
  lastCallAt: number;
  deadlineAt: number;
  /** After which part of a nearer deadline the last call comes: 1 where there is none. */
  lastCallShare: number;
  /** Over how many ms connections begin to drain; 0 for as fast as the pace allows. */
  spread: number;
}

/** The moments of a shutdown that was asked for at `startedAt`. */
export function planDrain(
  options: Pick<DrainOptions, "lameDuck" | "lastCall" | "deadline" | "spread">,
  startedAt: number,
): DrainPlan {
  return {
    startedAt,
    lameDuckUntil: startedAt + options.lameDuck,
    lastCallAt: startedAt + options.lastCall,
    deadlineAt: startedAt + options.deadline,
    lastCallShare: options.lastCall < options.deadline ? LAST_CALL_SHARE : 1,
    spread: options.spread,
  };
}

/**
 * The plan after a later call at `now`. What that call gives may bring a moment nearer, never move it away, and brings
 * nearer what hangs on it: a deadline the last call, and a last call the end of the lame duck. All else stays.
 */
export function hastenDrain(
  plan: DrainPlan,
  { lameDuck = Infinity, lastCall, deadline = Infinity, spread = Infinity }: Partial<DrainOptions>,
  now: number,
): DrainPlan {
  const deadlineAt = Math.min(plan.deadlineAt, now + deadline);
  const lastCallAt = Math.min(plan.lastCallAt, now + (lastCall ?? plan.lastCallShare * deadline), deadlineAt);
  const timeToServe = lastCallAt < plan.lastCallAt ? lastCallAt - now : Infinity;
  return {
    ...plan,
    lameDuckUntil: Math.min(plan.lameDuckUntil, now + lameDuck, now + LAME_DUCK_SHARE * timeToServe),
    lastCallAt,
    deadlineAt,
    spread: Math.min(plan.spread, spread),
  };
}

/** Until when connections may begin to drain, and how fast. */
export interface PacingLimits {
  /** Per second, at most, unless they are spread. */
  pace: number;
  /** When the last one should have begun, if they are spread over time; in the past if not. */
  spreadUntil: number;
  lastCallAt: number;
}

/**
 * Spreads the start of many drains over time, so that a fleet is not stormed by reconnecting clients.
 *
 * By `t` ms after the start at most `1 + t × pace / 1000` connections have started, unless that would leave some
 * unstarted when half of the time to the last call is over: then the pace is what just reaches all of them.
 *
 * Spread until a moment, each connection has a slot of its own, all of the same length, and starts at a random moment
 * of it: servers that go down together do not send their clients away in step. Where there is no time for that before
 * the last call, half of that time has to be enough.
 */
export class Pacing {
  readonly connections: number;
  readonly #startsAt: number;
  readonly #perMillisecond: number;
  /** Which part of its slot a connection waits. */
  readonly #delay: () => number;
  /** The slot that was last looked at, and its delay. */
  #slot = -1;
  #slotDelay = 0;

  /** `random` gives numbers from 0 to below 1. */
  constructor(connections: number, startsAt: number, limits: PacingLimits, random: () => number) {
    const { pace, spreadUntil, lastCallAt } = limits;
    const half = (lastCallAt - startsAt) / 2;
    const spread = spreadUntil - startsAt;
    const isSpread = spread > 0;
    const time = isSpread && spreadUntil <= lastCallAt ? spread : half;
    const slowest = time > 0 ? connections / time : Infinity;
    this.connections = connections;
    this.#startsAt = startsAt;
    this.#perMillisecond = isSpread || slowest === Infinity ? slowest : Math.max(pace / 1000, slowest);
    this.#delay = isSpread ? random : () => 0;
  }

  /** How many connections should have started by `now`. */
  dueBy(now: number): number {
    if (this.#perMillisecond === Infinity) return this.connections;
    // What is due exactly now must count: a product of floats may lie just below it.
    const slots = (now - this.#startsAt) * this.#perMillisecond + 1e-6;
    const slot = Math.floor(slots);
    if (slot >= this.connections) return this.connections;
    return slots - slot >= this.#delayIn(slot) ? slot + 1 : slot;
  }

  /** When the connection with this index (from 0) should start. */
  startOf(index: number): number {
    return this.#startsAt + (index + this.#delayIn(index)) / this.#perMillisecond;
  }

  #delayIn(slot: number): number {
    if (slot !== this.#slot) {
      this.#slot = slot;
      this.#slotDelay = this.#delay();
    }
    return this.#slotDelay;
  }
}
