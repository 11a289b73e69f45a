import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { LastcallError } from "../../src/base/errors.js";
import { TlsHandshakes } from "../../src/listen/tls-handshakes.js";
import { MemorySocket } from "../tools/memory-socket.js";

vi.mock("../../src/base/real-timers.js", () => import("../tools/fakeable-timers.js"));

function scene(timeout = 1_000): {
  handshakes: TlsHandshakes;
  gone: () => number;
  errors: LastcallError[];
  /** A plain socket; without a port it is one of a Unix socket. */
  plain: (remotePort?: number) => Socket;
  /** The encrypted one above it: another object, with the same other end. */
  above: (plain: Socket) => Socket;
} {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  let gone = 0;
  const errors: LastcallError[] = [];
  const handshakes = new TlsHandshakes(
    () => timeout,
    () => gone++,
    (error) => errors.push(error),
  );
  const socket = (properties: object): Socket => {
    const one = Object.assign(new MemorySocket(), properties);
    onTestFinished(() => void one.destroy());
    return one as unknown as Socket;
  };
  const endOf = (remotePort?: number): object =>
    remotePort === undefined ? {} : { remoteAddress: "192.0.2.1", remotePort };
  return {
    handshakes,
    gone: () => gone,
    errors,
    plain: (remotePort) => socket(endOf(remotePort)),
    above: (plain) => socket({ ...endOf(plain.remotePort), _parent: plain }),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a TLS handshake", () => {
  test("is under way from the plain socket to the encrypted one above it, which is as old", () => {
    const { handshakes, plain, above } = scene();
    const [one, two, stranger] = [plain(1), plain(2), plain(3)];
    handshakes.begin(one);
    const acceptedAt = performance.now();
    handshakes.begin(two);
    vi.advanceTimersByTime(50);
    expect(handshakes.size).toBe(2);
    expect(handshakes.end(above(one))).toBe(acceptedAt);
    expect(handshakes.end(above(one))).toBe(undefined);
    expect(handshakes.end(above(stranger))).toBe(undefined);
    expect(handshakes.size).toBe(1);
  });

  test("on a Unix socket is one of many without a port, and each is its own", () => {
    const { handshakes, plain, above } = scene();
    const [one, two, three] = [plain(), plain(), plain()];
    for (const socket of [one, two, three]) handshakes.begin(socket);
    handshakes.end(above(two));
    expect(handshakes.size).toBe(2);
    handshakes.destroyAll();
    expect([one.destroyed, two.destroyed, three.destroyed]).toEqual([true, false, true]);
  });

  test("where Node does not say whose it is belongs to whoever has the same other end; nobody is cut by mistake", () => {
    const { handshakes, plain } = scene();
    const open = [plain(1), plain(2), plain(), plain()];
    for (const socket of open) handshakes.begin(socket);
    handshakes.end(plain(2));
    expect(handshakes.size).toBe(3);
    handshakes.end(plain());
    handshakes.destroyAll();
    expect(open.map(({ destroyed }) => destroyed)).toEqual([true, false, false, false]);
  });

  test("is told as gone when its socket is before it was encrypted, and not afterwards", async () => {
    const { handshakes, plain, above, gone } = scene();
    const [fails, succeeds] = [plain(1), plain(2)];
    const before = succeeds.listenerCount("close");
    handshakes.begin(fails);
    handshakes.begin(succeeds);
    handshakes.end(above(succeeds));
    expect(succeeds.listenerCount("close")).toBe(before);
    fails.destroy();
    succeeds.destroy();
    await turn();
    expect([handshakes.size, gone(), vi.getTimerCount()]).toEqual([0, 1, 0]);
  });

  test("that takes too long is destroyed, when the sockets have been looked at once more", async () => {
    const { handshakes, plain, above, gone } = scene(1_000);
    const [slow, justInTime] = [plain(1), plain(2)];
    handshakes.begin(slow);
    handshakes.begin(justInTime);
    vi.advanceTimersByTime(1_000);
    expect(slow.destroyed).toBe(false);
    handshakes.end(above(justInTime));
    await turn();
    expect([slow.destroyed, justInTime.destroyed]).toEqual([true, false]);
    await turn();
    expect([handshakes.size, gone()]).toEqual([0, 1]);
  });

  test("ends with all others when they are destroyed, and those that are encrypted live on", () => {
    const { handshakes, plain, above } = scene();
    const [one, two] = [plain(1), plain(2)];
    handshakes.begin(one);
    handshakes.begin(two);
    handshakes.end(above(two));
    handshakes.destroyAll();
    expect([one.destroyed, two.destroyed]).toEqual([true, false]);
  });

  test("is somebody else's again when it is let go: nothing of ours is left on it", () => {
    const { handshakes, plain } = scene();
    const one = plain(1);
    const before = one.listenerCount("close");
    handshakes.begin(one);
    handshakes.letGo();
    expect([one.listenerCount("close"), handshakes.size, vi.getTimerCount()]).toEqual([before, 0, 0]);
  });
});

describe("a failure", () => {
  test("is told once for each code, with its cause", () => {
    const { handshakes, errors } = scene();
    const failure = (code?: string): NodeJS.ErrnoException =>
      Object.assign(new Error("failed"), code === undefined ? {} : { code });
    const first = failure("ERR_SSL_NO_SHARED_CIPHER");
    handshakes.onFailed(first);
    handshakes.onFailed(failure("ERR_SSL_NO_SHARED_CIPHER"));
    handshakes.onFailed(failure("ERR_SSL_WRONG_VERSION_NUMBER"));
    handshakes.onFailed(failure());
    handshakes.onFailed(failure());
    expect(errors.map(({ code, message }) => [code, /\((\w+)\)/.exec(message)![1]])).toEqual([
      ["LASTCALL_TLS_HANDSHAKE", "ERR_SSL_NO_SHARED_CIPHER"],
      ["LASTCALL_TLS_HANDSHAKE", "ERR_SSL_WRONG_VERSION_NUMBER"],
      ["LASTCALL_TLS_HANDSHAKE", "unknown"],
    ]);
    expect(errors[0]!.cause).toBe(first);
  });

  test("of a client that left says nothing about the server", () => {
    const { handshakes, errors } = scene();
    handshakes.onFailed(Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }));
    expect(errors).toEqual([]);
  });
});
