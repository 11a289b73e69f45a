/** While the event loop stands, Node tells of no signal; then of all at once, and not when they came. */
import { now, systemClock } from "../base/clock.js";
import { clearInterval, setInterval } from "../base/real-timers.js";

/** How often it is looked whether the loop turns. */
const LOOK_EVERY = 250;

/** A look that is later than this has been kept by a standstill. */
const LATE = 100;

export class Deafness {
  #turnedAt = now();
  /** Since when the loop had stood in whose next turn we are. */
  #stoodSince: number | undefined;
  readonly #timer = setInterval(() => this.#turn(), LOOK_EVERY);

  constructor() {
    // Whoever waits for signals keeps the process alive, or does not want to.
    this.#timer.unref();
  }

  /** Since when a signal may have been waiting that is told of now. */
  get since(): number {
    return this.#stoodSince ?? Math.min(now(), this.#turnedAt + LOOK_EVERY);
  }

  #turn(): void {
    const { since } = this;
    this.#turnedAt = now();
    if (this.#turnedAt - since < LATE) return;
    // Signals are told of in the poll that comes next.
    this.#stoodSince = since;
    systemClock.afterPoll(() => (this.#stoodSince = undefined));
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
