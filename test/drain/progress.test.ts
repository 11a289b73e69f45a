import { describe, expect, test } from "vitest";
import type { EndingState } from "../../src/drain/events.js";
import { Progress, UNHURRIED, type ProgressLimits } from "../../src/drain/progress.js";

/** When the peer is given up if the kernel, looked at in time, shows nothing. */
function giveUpAt(progress: Progress, state: EndingState, within: ProgressLimits): number {
  progress.looked({ acknowledged: 0, unacknowledged: 0 }, progress.lookAt(state, within));
  return progress.lookAt(state, within);
}

const limits = { barrierTimeout: 60, closeTimeout: 100, lingerTimeout: 10 };

describe("a peer that shows nothing", () => {
  test("is not given up while nothing is expected of it", () => {
    const progress = new Progress();
    progress.unsent(5);
    for (const state of ["open", "forced", "closed"] as const) {
      expect(giveUpAt(progress, state, limits)).toBe(Infinity);
    }
  });

  test("has `barrierTimeout` as long as more may come of it", () => {
    const progress = new Progress();
    progress.seen(5);
    expect(progress.lookAt("draining", limits)).toBe(20);
    expect(giveUpAt(progress, "draining", limits)).toBe(65);
  });

  test("is given up while a handler finishes only when bytes wait: the handler may wait for room", () => {
    const progress = new Progress();
    progress.seen(5);
    expect(giveUpAt(progress, "ending", limits)).toBe(Infinity);
    progress.unsent(7);
    expect([progress.hasUnsent, giveUpAt(progress, "ending", limits)]).toEqual([true, 107]);
    progress.sent(20);
    expect([progress.hasUnsent, giveUpAt(progress, "ending", limits)]).toEqual([false, Infinity]);
  });

  test("has `closeTimeout` to answer Close, counted from whatever showed that it goes on", () => {
    const progress = new Progress();
    progress.seen(10);
    expect(giveUpAt(progress, "closing", limits)).toBe(110);
    progress.unsent(20);
    expect(giveUpAt(progress, "closing", limits)).toBe(120);
    progress.seen(30);
    expect(giveUpAt(progress, "closing", limits)).toBe(130);
    progress.sent(40);
    expect(giveUpAt(progress, "closing", limits)).toBe(140);
  });

  test("has read nothing when its kernel has acknowledged what it was asked with", () => {
    const progress = new Progress();
    progress.looked({ acknowledged: 100, unacknowledged: 0 }, 5);
    progress.asked(10);
    expect(progress.lookAt("closing", limits)).toBe(35);
    progress.looked({ acknowledged: 119, unacknowledged: 0 }, 35);
    expect(progress.lookAt("closing", limits)).toBe(110);
    progress.looked({ acknowledged: 119, unacknowledged: 0 }, 110);
    expect(progress.giveUpAt("closing", limits)).toBe(110);
  });
});

describe("a peer whose FIN is waited for", () => {
  test("has `lingerTimeout` from ours on", () => {
    const progress = new Progress();
    progress.seen(1);
    progress.linger(50);
    expect(giveUpAt(progress, "lingering", limits)).toBe(60);
  });

  test("has `closeTimeout` instead while bytes wait, and `lingerTimeout` from the last of them", () => {
    const progress = new Progress();
    progress.unsent(40);
    progress.linger(50);
    expect(giveUpAt(progress, "lingering", limits)).toBe(140);
    progress.sent(90);
    expect(giveUpAt(progress, "lingering", limits)).toBe(100);
  });

  test("that shows meanwhile that it still reads has as long again from there", () => {
    const progress = new Progress();
    progress.linger(50);
    progress.seen(50);
    expect(giveUpAt(progress, "lingering", limits)).toBe(60);
    progress.seen(55);
    expect(giveUpAt(progress, "lingering", limits)).toBe(155);
    // Never less than the time to linger.
    expect(giveUpAt(progress, "lingering", { ...limits, closeTimeout: 1 })).toBe(60);
  });
});

test("a shutdown begins its limits anew for what was under way unhurried", () => {
  const progress = new Progress();
  progress.linger(50);
  expect(giveUpAt(progress, "lingering", UNHURRIED)).toBe(30_050);
  progress.restart(1_000);
  expect(giveUpAt(progress, "lingering", limits)).toBe(1_010);
  expect(giveUpAt(progress, "closing", limits)).toBe(1_100);
});

describe("the kernel", () => {
  const held = { acknowledged: 5, unacknowledged: 7 };

  test("is looked at early in a wait, and once more before the peer is given up", () => {
    const progress = new Progress();
    progress.seen(100);
    expect(progress.lookAt("closing", limits)).toBe(125);
    expect(progress.lookAt("open", limits)).toBe(Infinity);
    progress.look(125);
    expect(progress.lookAt("closing", limits)).toBe(Infinity);
    progress.looked(held, 130);
    expect(progress.lookAt("closing", limits)).toBe(200);
    expect(progress.giveUpAt("closing", limits)).toBe(Infinity);
    progress.looked(held, 201);
    expect(progress.giveUpAt("closing", limits)).toBe(200);
  });

  test("that does not answer is waited for, for a second", () => {
    const progress = new Progress();
    progress.seen(0);
    progress.look(100);
    expect(progress.giveUpAt("closing", limits)).toBe(1_100);
    expect([progress.hasLookedSince(100), progress.hasLookedSince(101)]).toEqual([true, false]);
  });

  test("that holds bytes for a peer gives it `closeTimeout` to end TCP, and more if it reads", () => {
    const progress = new Progress();
    progress.seen(50);
    progress.linger(50);
    progress.looked(held, 60);
    expect([progress.lookAt("lingering", limits), progress.hasUndelivered]).toEqual([150, true]);
    progress.looked({ acknowledged: 12, unacknowledged: 0 }, 150);
    expect([progress.lookAt("lingering", limits), progress.hasUndelivered]).toEqual([250, false]);
  });
});
