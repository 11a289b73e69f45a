import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Doorway } from "../../src/listen/doorway.js";
import { Refusals } from "../../src/listen/refusal.js";
import { MemorySocket } from "../tools/memory-socket.js";

interface Scene {
  doorway: Doorway;
  refusals: Refusals;
  /** How often it was told that a guest is gone. */
  gone: () => number;
  socket: () => MemorySocket;
}

function scene(timeout = Infinity): Scene {
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
    expect([doorway.accepted, doorway.silent]).toEqual([2, 2]);
    expect(doorway.leave(one)).toBe(acceptedAt);
    expect(doorway.leave(two)).toBe(acceptedAt + 50);
    expect([doorway.leave(one), doorway.leave(socket())]).toEqual([undefined, undefined]);
    expect([doorway.accepted, doorway.silent, gone()]).toEqual([2, 0, 0]);
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

  test("has all the time that somebody else gives it when there is no limit of ours", () => {
    const { doorway, socket } = scene(Infinity);
    doorway.enter(socket());
    expect(vi.getTimerCount()).toBe(0);
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

describe("a socket that comes back after a request", () => {
  test("is silent again without a timer, and counts as accepted only once", () => {
    const { doorway, socket } = scene(1_000);
    const one = socket();
    const older = socket();
    doorway.enter(one);
    doorway.leave(one);
    doorway.comeBack(one);
    doorway.comeBack(older);
    doorway.comeBack(older);
    expect([doorway.accepted, doorway.silent, vi.getTimerCount()]).toEqual([1, 2, 0]);
    expect(older.listenerCount("close")).toBe(socket().listenerCount("close") + 1);
  });
});

describe("a doorway that is closed", () => {
  test("refuses with 503 who is silent, and leaves the others alone", () => {
    const { doorway, socket, refusals } = scene();
    const [silent, back, asked] = [socket(), socket(), socket()];
    doorway.enter(silent);
    doorway.comeBack(back);
    doorway.enter(asked);
    doorway.leave(asked);
    doorway.refuseSilent();
    expect([silent, back, asked].map(status)).toEqual(["503", "503", undefined]);
    expect(refusals.open).toBe(2);
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

describe("who destroys idle sockets", () => {
  test("cannot destroy those that have never asked, and destroys all others", () => {
    const { doorway, socket } = scene();
    const [fresh, back, stranger] = [socket(), socket(), socket()];
    doorway.enter(fresh);
    doorway.comeBack(back);
    const all = [fresh, back, stranger];
    doorway.sparingNew(() => all.forEach((one) => one.destroy()));
    expect(all.map((one) => one.destroyed)).toEqual([false, true, true]);
  });

  test("finds them as they were afterwards, also when it fails", () => {
    const { doorway, socket } = scene();
    const [plain, own] = [socket(), socket()];
    const destroy = own.destroy.bind(own);
    own.destroy = destroy;
    doorway.enter(plain);
    doorway.enter(own);
    const fail = (): never => {
      throw new Error("on purpose");
    };
    expect(() => doorway.sparingNew(fail)).toThrow("on purpose");
    expect(Object.hasOwn(plain, "destroy")).toBe(false);
    expect(Object.getOwnPropertyDescriptor(own, "destroy")?.value).toBe(destroy);
    plain.destroy();
    own.destroy();
    expect([plain.destroyed, own.destroyed]).toEqual([true, true]);
  });
});
