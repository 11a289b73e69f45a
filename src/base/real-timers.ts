/**
 * Node's timers, as they were when this was loaded: a test of an application that fakes its own timers does not stop
 * ours, or `shutdown()` would never settle. Everything that waits takes them from here; lint sees to that. From Node's
 * modules, and not from the globals: those a test tool may have replaced before anything is loaded.
 */
import perfHooks from "node:perf_hooks";
import process from "node:process";
import timers from "node:timers";

export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = timers;
export const { queueMicrotask } = globalThis;
export const nextTick = process.nextTick.bind(process);

/** The monotonic clock. */
export const performance = { now: perfHooks.performance.now.bind(perfHooks.performance) };
