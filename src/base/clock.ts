/** Milliseconds of the monotonic clock that every limit is measured with. */
export function now(): number {
  return performance.now();
}

/** Milliseconds that Node's timers can wait at most. */
export const MAX_TIMEOUT = 2 ** 31 - 1;
