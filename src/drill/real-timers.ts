/** Node's timers, as they were when this was loaded: a test that drills a server may have faked its own. */
import perfHooks from "node:perf_hooks";
import timers from "node:timers";

export const { setTimeout, clearTimeout, setInterval, clearInterval } = timers;

/** The monotonic clock. */
export const performance = { now: perfHooks.performance.now.bind(perfHooks.performance) };
