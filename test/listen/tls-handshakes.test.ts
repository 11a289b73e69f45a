import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { LastcallError } from "../../src/base/errors.js";
import { TlsHandshakes } from "../../src/listen/tls-handshakes.js";
import { MemorySocket } from "../tools/memory-socket.js";

function scene(): {
  handshakes: TlsHandshakes;
  gone: () => number;
  errors: LastcallError[];
  /** A socket whose other end has this port; the plain and the encrypted one are two. */
  socket: (remotePort: number) => Socket;
} {
  let gone = 0;
  const errors: LastcallError[] = [];
  const handshakes = new TlsHandshakes(
    () => gone++,
    (error) => errors.push(error),
  );
  const socket = (remotePort: number): Socket => {
    const one = Object.assign(new MemorySocket(), { remoteAddress: "192.0.2.1", remotePort });
    onTestFinished(() => void one.destroy());
    return one as unknown as Socket;
  };
  return { handshakes, gone: () => gone, errors, socket };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a TLS handshake", () => {
  test("is under way from the plain socket to the encrypted one from the same other end", () => {
    const { handshakes, socket } = scene();
    handshakes.begin(socket(1));
    handshakes.begin(socket(2));
    expect(handshakes.size).toBe(2);
    handshakes.end(socket(1));
    expect(handshakes.size).toBe(1);
    handshakes.end(socket(3));
    expect(handshakes.size).toBe(1);
  });

  test("is told as gone when its socket is before it was encrypted, and not afterwards", async () => {
    const { handshakes, socket, gone } = scene();
    const [fails, succeeds] = [socket(1), socket(2)];
    handshakes.begin(fails);
    handshakes.begin(succeeds);
    handshakes.end(socket(2));
    fails.destroy();
    succeeds.destroy();
    await turn();
    expect([handshakes.size, gone()]).toEqual([0, 1]);
  });

  test("ends with all others when they are destroyed, and those that are encrypted live on", () => {
    const { handshakes, socket } = scene();
    const [one, two] = [socket(1), socket(2)];
    handshakes.begin(one);
    handshakes.begin(two);
    handshakes.end(socket(2));
    handshakes.destroyAll();
    expect([one.destroyed, two.destroyed]).toEqual([true, false]);
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
