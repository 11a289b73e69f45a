import { describe, expect, test } from "vitest";
import { Progress, UNHURRIED } from "../../src/drain/progress.js";

const limits = { closeTimeout: 100, lingerTimeout: 10 };

describe("a peer that shows nothing", () => {
  test("is not given up while nothing is expected of it", () => {
    const progress = new Progress();
    progress.unsent(5);
    for (const state of ["open", "draining", "forced", "closed"] as const) {
      expect(progress.giveUpAt(state, limits)).toBe(Infinity);
    }
  });

  test("is given up while a handler finishes only when bytes wait: the handler may wait for room", () => {
    const progress = new Progress();
    progress.seen(5);
    expect(progress.giveUpAt("ending", limits)).toBe(Infinity);
    progress.unsent(7);
    expect([progress.hasUnsent, progress.giveUpAt("ending", limits)]).toEqual([true, 107]);
    progress.sent(20);
    expect([progress.hasUnsent, progress.giveUpAt("ending", limits)]).toEqual([false, Infinity]);
  });

  test("has `closeTimeout` to answer Close, counted from whatever showed that it goes on", () => {
    const progress = new Progress();
    progress.seen(10);
    expect(progress.giveUpAt("closing", limits)).toBe(110);
    progress.unsent(20);
    expect(progress.giveUpAt("closing", limits)).toBe(120);
    progress.seen(30);
    expect(progress.giveUpAt("closing", limits)).toBe(130);
    progress.sent(40);
    expect(progress.giveUpAt("closing", limits)).toBe(140);
  });
});

describe("a peer whose FIN is waited for", () => {
  test("has `lingerTimeout` from ours on", () => {
    const progress = new Progress();
    progress.seen(1);
    progress.linger(50);
    expect(progress.giveUpAt("lingering", limits)).toBe(60);
  });

  test("has `closeTimeout` instead while bytes wait, and `lingerTimeout` from the last of them", () => {
    const progress = new Progress();
    progress.unsent(40);
    progress.linger(50);
    expect(progress.giveUpAt("lingering", limits)).toBe(140);
    progress.sent(90);
    expect(progress.giveUpAt("lingering", limits)).toBe(100);
  });

  test("that shows meanwhile that it still reads has as long again from there", () => {
    const progress = new Progress();
    progress.linger(50);
    progress.seen(50);
    expect(progress.giveUpAt("lingering", limits)).toBe(60);
    progress.seen(55);
    expect(progress.giveUpAt("lingering", limits)).toBe(155);
    // Never less than the time to linger.
    expect(progress.giveUpAt("lingering", { closeTimeout: 1, lingerTimeout: 10 })).toBe(60);
  });
});

test("a shutdown begins its limits anew for what was under way unhurried", () => {
  const progress = new Progress();
  progress.linger(50);
  expect(progress.giveUpAt("lingering", UNHURRIED)).toBe(30_050);
  progress.restart(1_000);
  expect(progress.giveUpAt("lingering", limits)).toBe(1_010);
  expect(progress.giveUpAt("closing", limits)).toBe(1_100);
});
