/** The clock that every limit is measured with, and how one waits for a moment. */

/** A call that is to come: whatever the clock knows it by. */
export type Timer = object;

/** What keeps time. Times are milliseconds of a monotonic clock. */
export interface Clock {
  now(): number;
  /** Calls back after so many milliseconds, at most `MAX_TIMEOUT`. */
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

/** The time of the machine. */
export const systemClock: Clock = {
  now,
  after: (milliseconds, act) => setTimeout(act, milliseconds),
  cancel: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
  afterPoll: (act) => void setImmediate(act),
};
