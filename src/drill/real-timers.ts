/** Node's timers, as they were when this was loaded: a test that drills a server may have faked its own. */
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate } = globalThis;

/** The monotonic clock. */
export const performance = { now: globalThis.performance.now.bind(globalThis.performance) };
