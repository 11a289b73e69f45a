import { once, EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { isAbortOf } from "../../src/base/abort.js";

/** What this work is rejected with when it is told to stop. */
async function stopped(work: (signal: AbortSignal) => Promise<unknown>): Promise<[AbortSignal, unknown]> {
  const controller = new AbortController();
  const failed = work(controller.signal).then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );
  controller.abort(new Error("nobody hears it"));
  return [controller.signal, await failed];
}

describe("an error is the abort of a signal", () => {
  test.for<[string, (signal: AbortSignal) => Promise<unknown>]>([
    ["fetch", (signal) => fetch("http://127.0.0.1:9/", { signal })],
    ["a timer of Node's", (signal) => sleep(60_000, undefined, { signal, ref: false })],
    ["an event that is awaited", (signal) => once(new EventEmitter(), "never", { signal })],
    ["a signal made of it", (signal) => fetch("http://127.0.0.1:9/", { signal: AbortSignal.any([signal]) })],
  ])("when %s was told to stop by it", async ([, work]) => {
    const [signal, error] = await stopped(work);
    expect(isAbortOf(signal, error)).toBe(true);
    expect(isAbortOf(signal, new Error("and so did we", { cause: error }))).toBe(true);
  });

  test("and no other error is, nor the same one before the signal has aborted", () => {
    const aborted = AbortSignal.abort(new Error("gone"));
    const loop = new Error("a loop");
    loop.cause = loop;
    for (const error of [new Error("gone"), undefined, null, "gone", loop, AbortSignal.abort().reason]) {
      expect(isAbortOf(aborted, error)).toBe(false);
    }
    expect(isAbortOf(new AbortController().signal, undefined)).toBe(false);
  });
});
