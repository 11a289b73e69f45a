import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Doorway } from "../../src/listen/doorway.js";
import { Refusals } from "../../src/listen/refusal.js";
import { MemorySocket } from "../tools/memory-socket.js";

vi.mock("../../src/base/real-timers.js", () => import("../tools/fakeable-timers.js"));

interface Scene {
  doorway: Doorway;
  refusals: Refusals;
  /** How often it was told that a guest is gone. */
  gone: () => number;
  socket: () => MemorySocket;
}

function scene(timeout = 60_000): Scene {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  let gone = 0;
  const refusals = new Refusals(() => {});
  const doorway = new Doorway({ refusals, onGuestGone: () => gone++ }, timeout);
  const socket = (): MemorySocket => {
    const one = new MemorySocket({ allowHalfOpen: true });
    onTestFinished(() => void one.destroy());
    return one;
  };
  return { doorway, refusals, gone: () => gone, socket };
}

function status(socket: MemorySocket): string | undefined {
  return Buffer.concat(socket.writes.flat()).toString().split(" ")[1];
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a socket that has not asked for anything", () => {
  test("counts as silent until it asks, which tells when it was accepted", () => {
    const { doorway, socket, gone } = scene();
    const [one, two] = [socket(), socket()];
    const acceptedAt = performance.now();
    doorway.enter(one);
    vi.advanceTimersByTime(50);
    doorway.enter(two);
    vi.advanceTimersByTime(50);
    expect(doorway.silent).toBe(2);
    expect(doorway.leave(one)).toBe(acceptedAt);
    expect(doorway.leave(two)).toBe(acceptedAt + 50);
    expect([doorway.leave(one), doorway.leave(socket())]).toEqual([undefined, undefined]);
    expect([doorway.silent, gone()]).toEqual([0, 0]);
  });

  test("is refused when its time is over, and one that has asked is not", async () => {
    const { doorway, socket } = scene(1_000);
    const [silent, asked] = [socket(), socket()];
    doorway.enter(silent);
    doorway.enter(asked);
    doorway.leave(asked);
    vi.advanceTimersByTime(999);
    await turn();
    expect(status(silent)).toBe(undefined);
    vi.advanceTimersByTime(1);
    await turn();
    expect([status(silent), status(asked)]).toEqual(["408", undefined]);
    silent.destroy();
  });

  test("is not late when its request lies in the kernel: the sockets are looked at before it is refused", async () => {
    const { doorway, socket } = scene(1_000);
    const one = socket();
    doorway.enter(one);
    vi.advanceTimersByTime(2_000);
    // What a look at the sockets brings.
    doorway.leave(one);
    await turn();
    expect(status(one)).toBe(undefined);
  });

  test("has the time that is left when being encrypted took some of it, and is as old as that", async () => {
    const { doorway, socket } = scene(1_000);
    const [one, late] = [socket(), socket()];
    const acceptedAt = performance.now();
    vi.advanceTimersByTime(600);
    doorway.enter(one, acceptedAt);
    vi.advanceTimersByTime(400);
    await turn();
    expect(status(one)).toBe("408");
    doorway.enter(late, acceptedAt);
    expect(doorway.leave(late)).toBe(acceptedAt);
    one.destroy();
  });

  test("that leaves is told as gone, once, and its timer with it; one that has asked is no guest of ours", async () => {
    const { doorway, socket, gone } = scene(1_000);
    const [silent, asked] = [socket(), socket()];
    doorway.enter(silent);
    doorway.enter(asked);
    doorway.leave(asked);
    silent.destroy();
    asked.destroy();
    await turn();
    expect([doorway.silent, gone(), vi.getTimerCount()]).toEqual([0, 1, 0]);
  });

  test("leaves nothing of ours on the socket when it asks: it may live for long", () => {
    const { doorway, socket } = scene(1_000);
    const one = socket();
    const before = one.listenerCount("close");
    doorway.enter(one);
    doorway.leave(one);
    expect(one.listenerCount("close")).toBe(before);
  });
});

describe("a doorway that is closed", () => {
  test("refuses with 503 who is silent, and leaves the others alone", () => {
    const { doorway, socket, refusals } = scene();
    const [silent, asked] = [socket(), socket()];
    doorway.enter(silent);
    doorway.enter(asked);
    doorway.leave(asked);
    doorway.refuseSilent();
    expect([silent, asked].map(status)).toEqual(["503", undefined]);
    expect(refusals.open).toBe(1);
    refusals.destroyAll();
  });

  test("destroys who is silent when it must, and nobody else", () => {
    const { doorway, socket } = scene();
    const [silent, asked] = [socket(), socket()];
    doorway.enter(silent);
    doorway.enter(asked);
    doorway.leave(asked);
    doorway.destroySilent();
    expect([silent.destroyed, asked.destroyed]).toEqual([true, false]);
  });
});
