/**
 * Node's timers, as they were when this was loaded: a test of an application that fakes its own timers does not stop
 * ours, or `shutdown()` would never settle. Everything that waits takes them from here; lint sees to that.
 */

export const {
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  setImmediate,
  clearImmediate,
  queueMicrotask,
} = globalThis;

export const nextTick = process.nextTick.bind(process);

/** The monotonic clock. */
export const performance = { now: globalThis.performance.now.bind(globalThis.performance) };
