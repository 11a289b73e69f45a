/** Timers that go together, in virtual time. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Timers } from "../../src/drill/timers.js";

vi.mock("../../src/drill/real-timers.js", () => import("../tools/fakeable-timers.js"));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("acts and resolves after its time, in order", async () => {
  const timers = new Timers();
  const acted: string[] = [];
  timers.later(20, () => acted.push("later"));
  void timers.after(10).then(() => acted.push("after"));
  await vi.advanceTimersByTimeAsync(9);
  expect(acted).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(acted).toEqual(["after"]);
  await vi.advanceTimersByTimeAsync(10);
  expect(acted).toEqual(["after", "later"]);
  expect(timers.isCut).toBe(false);
});

it("does nothing any more once it is cut, also what is asked for later or by what acts", async () => {
  const timers = new Timers();
  const acted: string[] = [];
  timers.later(10, () => {
    acted.push("first");
    timers.cut();
    timers.later(1, () => acted.push("asked for at the cut"));
  });
  timers.later(10, () => acted.push("second"));
  void timers.after(30).then(() => acted.push("after"));
  await vi.advanceTimersByTimeAsync(100);
  timers.later(0, () => acted.push("asked for late"));
  await vi.advanceTimersByTimeAsync(100);
  expect(acted).toEqual(["first"]);
  expect(timers.isCut).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});
