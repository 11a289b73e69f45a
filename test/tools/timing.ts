/**
 * The one constant by which every time in a test is scaled. Raise it on a slow machine: TEST_TIME_SCALE=3 npm test.
 */
const SCALE = Number(process.env["TEST_TIME_SCALE"] ?? 1);

/** Milliseconds, scaled. */
export function ms(duration: number): number {
  return duration * SCALE;
}

/**
 * What a test on real sockets allows for a bound of the contract: three times the bound, scaled. The exact bounds are
 * tested in virtual time.
 */
export function bound(duration: number): number {
  return 3 * duration * SCALE;
}

/**
 * What a wait of `duration` milliseconds has lasted at least. Node's timers count whole milliseconds, from a time that
 * was read before they were set: one may act a little early.
 */
export function atLeast(duration: number): number {
  return duration * SCALE - 2;
}

/** Resolves after `duration` ms, unscaled: only for work that a handler does, never to wait for something. */
export function work(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}
