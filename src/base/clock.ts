/** The clock that every limit is measured with, and how one waits for a moment. */
import { performance, setTimeout, clearTimeout, setImmediate, clearImmediate } from "./real-timers.js";

/** A call that is to come: whatever the clock knows it by. */
export type Timer = object;

/** What keeps time. Times are milliseconds of a monotonic clock. */
export interface Clock {
  now(): number;
  /**
   * Calls back after so many milliseconds, at most `MAX_TIMEOUT`, when the sockets have been looked at once more. After a
   * busy loop Node's timers come before the sockets: what has arrived meanwhile must be seen first, or a peer would be
   * taken for late because we were.
   */
  after(milliseconds: number, act: () => void): Timer;
  /** Takes back a call that is to come; one that has come or was never asked for is fine. */
  cancel(timer: Timer | undefined): void;
  /** Calls back when the sockets have been looked at once more. */
  afterPoll(act: () => void): void;
}

/** Milliseconds of the monotonic clock. */
export function now(): number {
  return performance.now();
}

/** Milliseconds that Node's timers can wait at most. */
export const MAX_TIMEOUT = 2 ** 31 - 1;

/** A timer that looks at the sockets before it acts. */
class LookingTimer {
  readonly #timeout: NodeJS.Timeout;
  #look: NodeJS.Immediate | undefined;

  constructor(milliseconds: number, act: () => void) {
    this.#timeout = setTimeout(() => {
      this.#look = setImmediate(act);
    }, milliseconds);
  }

  static stop(this: void, timer: Timer | undefined): void {
    if (!(timer instanceof LookingTimer)) return;
    clearTimeout(timer.#timeout);
    clearImmediate(timer.#look);
  }
}

/** The time of the machine. */
export const systemClock: Clock = {
  now,
  after: (milliseconds, act) => new LookingTimer(milliseconds, act),
  cancel: (timer) => LookingTimer.stop(timer),
  afterPoll: (act) => void setImmediate(act),
};
