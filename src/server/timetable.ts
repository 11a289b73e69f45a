/** Moments that are to come, each of a name: one that is set anew takes the place of the one before. */
import type { Clock, Timer } from "../base/clock.js";

export class Timetable<Moment> {
  readonly #clock: Clock;
  readonly #timers = new Map<Moment, { time: number; timer: Timer }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  at(moment: Moment, time: number, act: () => void): void {
    this.cancel(moment);
    if (time === Infinity) return;
    const timer = this.#clock.after(Math.max(0, time - this.#clock.now()), act);
    this.#timers.set(moment, { time, timer });
  }

  /** A moment that stays where it is keeps its place among those of the same time. */
  move(moment: Moment, time: number, act: () => void): void {
    if (this.#timers.get(moment)?.time !== time) this.at(moment, time, act);
  }

  cancel(moment: Moment): void {
    this.#clock.cancel(this.#timers.get(moment)?.timer);
    this.#timers.delete(moment);
  }

  cancelAll(): void {
    for (const moment of this.#timers.keys()) this.cancel(moment);
  }
}
