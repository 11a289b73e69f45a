/** When what happens in a shutdown: its fixed moments, and how many connections start to drain by when. */
import { LAST_CALL_SHARE, type DrainOptions } from "./options.js";

/** The moments of a shutdown, on the clock that `startedAt` was read from. */
export interface DrainPlan {
  startedAt: number;
  /** Until when accepting goes on. */
  lameDuckUntil: number;
  lastCallAt: number;
  deadlineAt: number;
}

/** The moments of a shutdown that was asked for at `startedAt`. */
export function planDrain(
  options: Pick<DrainOptions, "lameDuck" | "lastCall" | "deadline">,
  startedAt: number,
): DrainPlan {
  return {
    startedAt,
    lameDuckUntil: startedAt + options.lameDuck,
    lastCallAt: startedAt + options.lastCall,
    deadlineAt: startedAt + options.deadline,
  };
}

/**
 * The plan after a later call at `now`. What that call gives may bring a moment nearer, never move it away; what it
 * does not give stays.
 */
export function hastenDrain(
  plan: DrainPlan,
  { lameDuck = Infinity, lastCall, deadline = Infinity }: Partial<DrainOptions>,
  now: number,
): DrainPlan {
  return {
    startedAt: plan.startedAt,
    lameDuckUntil: Math.min(plan.lameDuckUntil, now + lameDuck),
    lastCallAt: Math.min(plan.lastCallAt, now + (lastCall ?? LAST_CALL_SHARE * deadline)),
    deadlineAt: Math.min(plan.deadlineAt, now + deadline),
  };
}

/**
 * Spreads the start of many drains over time, so that a fleet is not stormed by reconnecting clients.
 *
 * By `t` ms after the start at most `1 + t × pace / 1000` connections have started, unless that would leave some
 * unstarted when half of the remaining time is over: then the pace is what just reaches all of them.
 */
export class Pacing {
  readonly #connections: number;
  readonly #startsAt: number;
  readonly #perMillisecond: number;

  constructor(connections: number, pace: number, startsAt: number, deadlineAt: number) {
    const half = (deadlineAt - startsAt) / 2;
    this.#connections = connections;
    this.#startsAt = startsAt;
    this.#perMillisecond = half > 0 ? Math.max(pace / 1000, connections / half) : Infinity;
  }

  /** How many connections should have started by `now`. */
  dueBy(now: number): number {
    const elapsed = now - this.#startsAt;
    if (this.#perMillisecond === Infinity) return this.#connections;
    // What is due exactly now must count: a product of floats may lie just below it.
    return Math.min(this.#connections, Math.floor(elapsed * this.#perMillisecond + 1e-6) + 1);
  }

  /** When the connection with this index (from 0) should start. */
  startOf(index: number): number {
    return this.#startsAt + index / this.#perMillisecond;
  }
}
