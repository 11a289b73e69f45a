/** One direction of a slow link, in virtual time. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DelayLine } from "../../src/drill/delay.js";

vi.mock("../../src/drill/real-timers.js", () => import("../tools/fakeable-timers.js"));

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

/** What arrives, and when. */
function line(delay: number) {
  const link = new DelayLine(delay);
  const arrived: [what: string, at: number][] = [];
  const began = performance.now();
  const send = (what: string): void => link.send(() => arrived.push([what, performance.now() - began]));
  return { link, arrived, send };
}

describe("a link without delay", () => {
  it("delivers at once", () => {
    const { arrived, send } = line(0);
    send("a");
    expect(arrived).toEqual([["a", 0]]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a link with a delay", () => {
  it("delivers everything that much later, with one timer", () => {
    const { arrived, send } = line(75);
    send("a");
    vi.advanceTimersByTime(10);
    send("b");
    send("c");
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(64);
    expect(arrived).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(arrived).toEqual([["a", 75]]);
    vi.advanceTimersByTime(10);
    expect(arrived.slice(1)).toEqual([
      ["b", 85],
      ["c", 85],
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("loses nothing, delivers nothing early and lets nothing overtake, whenever it is sent", () => {
    const pauses = fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 30 });
    fc.assert(
      fc.property(pauses, fc.integer({ min: 1, max: 50 }), (all, delay) => {
        const { arrived, send } = line(delay);
        let now = 0;
        const sent = all.map((pause, index): [string, number] => {
          vi.advanceTimersByTime(pause);
          now += pause;
          send(String(index));
          return [String(index), now + delay];
        });
        vi.runAllTimers();
        expect(arrived).toEqual(sent);
      }),
      { numRuns: 200 },
    );
  });

  it("delivers what is sent at a delivery as much later again", () => {
    const { link, arrived, send } = line(75);
    link.send(() => send("answer"));
    vi.advanceTimersByTime(75);
    expect(arrived).toEqual([]);
    vi.advanceTimersByTime(75);
    expect(arrived).toEqual([["answer", 150]]);
  });
});

describe("a link that is cut", () => {
  it("delivers nothing of what is on its way, and takes no more", () => {
    const { link, arrived, send } = line(75);
    send("a");
    link.cut();
    expect(vi.getTimerCount()).toBe(0);
    send("b");
    expect(vi.getTimerCount()).toBe(0);
    vi.runAllTimers();
    expect(arrived).toEqual([]);
  });

  it("by a delivery delivers nothing behind that", () => {
    const { link, arrived, send } = line(75);
    send("a");
    link.send(() => link.cut());
    send("b");
    vi.runAllTimers();
    expect(arrived.map(([what]) => what)).toEqual(["a"]);
  });

  it("takes nothing, without delay either", () => {
    const { link, arrived, send } = line(0);
    link.cut();
    send("a");
    expect(arrived).toEqual([]);
  });
});
