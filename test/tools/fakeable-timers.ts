/**
 * The timers of the moment, in the place of those that the library took when it was loaded: for a test of ours that
 * fakes them. `vi.mock("../../src/base/real-timers.js", () => import("../tools/fakeable-timers.js"))`.
 */
type Timers = typeof import("../../src/base/real-timers.js");

export const setTimeout = ((act: () => void, delay?: number) =>
  globalThis.setTimeout(act, delay)) as Timers["setTimeout"];
export const clearTimeout: Timers["clearTimeout"] = (timer) => globalThis.clearTimeout(timer);
export const setInterval = ((act: () => void, delay?: number) =>
  globalThis.setInterval(act, delay)) as Timers["setInterval"];
export const clearInterval: Timers["clearInterval"] = (timer) => globalThis.clearInterval(timer);
export const setImmediate = ((...given: Parameters<Timers["setImmediate"]>) =>
  globalThis.setImmediate(...given)) as Timers["setImmediate"];
export const clearImmediate: Timers["clearImmediate"] = (timer) => globalThis.clearImmediate(timer);
export const queueMicrotask: Timers["queueMicrotask"] = (act) => globalThis.queueMicrotask(act);
export const nextTick: Timers["nextTick"] = (...given) => process.nextTick(...given);
export const performance: Timers["performance"] = { now: () => globalThis.performance.now() };
