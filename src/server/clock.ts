/** Milliseconds of the monotonic clock that every limit is measured with. */
export function now(): number {
  return performance.now();
}
