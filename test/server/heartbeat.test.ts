import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Heartbeat, type Beating } from "../../src/server/heartbeat.js";

vi.mock("../../src/base/real-timers.js", () => import("../tools/fakeable-timers.js"));

/** Connections that count their beats. */
class Counted implements Beating {
  readonly beats: number[] = [];

  heartbeat(elapsed: number): void {
    this.beats.push(elapsed);
  }
}

function beating(options: { interval: number; timeout: number }): {
  heart: Heartbeat;
  connections: Set<Counted>;
} {
  vi.useFakeTimers();
  const connections = new Set([new Counted(), new Counted()]);
  const heart = new Heartbeat(connections, options);
  onTestFinished(() => {
    heart.stop();
    vi.useRealTimers();
  });
  return { heart, connections };
}

describe("the heartbeat", () => {
  test("looks at all connections four times in the shorter of its times, and tells how long that is", () => {
    for (const [options, elapsed] of [
      [{ interval: 400, timeout: 100 }, 25],
      [{ interval: 100, timeout: 400 }, 25],
    ] as const) {
      const { heart, connections } = beating(options);
      heart.start();
      vi.advanceTimersByTime(elapsed * 3);
      expect([...connections].map(({ beats }) => beats)).toEqual(Array(2).fill(Array(3).fill(elapsed)));
      heart.stop();
    }
  });

  test("gives each the options, and finds who came and who went", () => {
    const options = { interval: 100, timeout: 100 };
    const { heart, connections } = beating(options);
    const [first] = connections;
    const given: unknown[] = [];
    const late = new Counted();
    late.heartbeat = (...args: unknown[]) => given.push(args);
    heart.start();
    vi.advanceTimersByTime(25);
    connections.delete(first!);
    connections.add(late);
    vi.advanceTimersByTime(25);
    expect([first!.beats.length, given]).toEqual([1, [[25, options]]]);
  });

  test("has one timer however often it is started, and none when it was stopped", () => {
    const { heart, connections } = beating({ interval: 100, timeout: 100 });
    expect(vi.getTimerCount()).toBe(0);
    heart.start();
    heart.start();
    expect(vi.getTimerCount()).toBe(1);
    heart.stop();
    heart.stop();
    vi.advanceTimersByTime(1_000);
    expect([...connections].map(({ beats }) => beats.length)).toEqual([0, 0]);
    heart.start();
    vi.advanceTimersByTime(25);
    expect([...connections].map(({ beats }) => beats.length)).toEqual([1, 1]);
  });

  test("looks once in a millisecond at most, and does not keep the process alive", () => {
    const unreferenced: boolean[] = [];
    const timer = { unref: () => unreferenced.push(true) } as unknown as NodeJS.Timeout;
    const set = vi.spyOn(globalThis, "setInterval").mockReturnValue(timer);
    onTestFinished(() => void vi.restoreAllMocks());
    new Heartbeat([], { interval: 2, timeout: 2 }).start();
    expect(set.mock.lastCall![1]).toBe(1);
    expect(unreferenced).toEqual([true]);
  });
});
