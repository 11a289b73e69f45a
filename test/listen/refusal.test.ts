import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { CLOSING, NOTHING_HERE, Refusals, unavailable, type Refusal } from "../../src/listen/refusal.js";
import { MemorySocket } from "../tools/memory-socket.js";

vi.mock("../../src/base/real-timers.js", () => import("../tools/fakeable-timers.js"));

/** A refused socket, and how often it was told that one is gone. */
function refused(refusal: Refusal, prepare = (_socket: MemorySocket): void => {}) {
  let gone = 0;
  const refusals = new Refusals(() => gone++);
  const socket = new MemorySocket({ allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  prepare(socket);
  refusals.refuse(socket, refusal);
  return { refusals, socket, gone: () => gone };
}

function answer(socket: MemorySocket): string {
  return Buffer.concat(socket.writes.flat()).toString();
}

const closed = (socket: MemorySocket): Promise<unknown> =>
  new Promise((resolve) => socket.once("close", resolve));

describe("a refusal", () => {
  test("is an HTTP answer with a sentence, and FIN behind it", async () => {
    const { socket } = refused(unavailable(CLOSING));
    await socket.sentEnd();
    expect(answer(socket).split("\r\n")).toEqual([
      "HTTP/1.1 503 Service Unavailable",
      "Retry-After: 1",
      "Connection: close",
      "Content-Type: text/plain; charset=utf-8",
      "Content-Length: 23",
      "",
      `${CLOSING}\n`,
    ]);
  });

  test("has the length of its body in bytes, none without a sentence, and a reason for any status", async () => {
    const umlauts = refused({ status: 499, message: "Grüße" });
    await umlauts.socket.sentEnd();
    expect(answer(umlauts.socket)).toContain("HTTP/1.1 499 Refused\r\n");
    expect(answer(umlauts.socket)).toContain("Content-Length: 8\r\n");
    const empty = refused({ status: 401, message: "" });
    await empty.socket.sentEnd();
    expect(answer(empty.socket)).toMatch(/Content-Length: 0\r\n\r\n$/);
  });

  test("brings headers of its own, but not those that frame the answer", async () => {
    const headers = {
      "WWW-Authenticate": "Bearer",
      "content-length": "0",
      CONNECTION: "keep-alive",
      "transfer-encoding": "chunked",
      "Content-Type": "text/html",
    };
    const { socket } = refused({ status: 401, message: "Sign in.", headers });
    await socket.sentEnd();
    expect(answer(socket)).toContain("WWW-Authenticate: Bearer\r\n");
    expect(answer(socket)).not.toMatch(/keep-alive|chunked|html/i);
    expect(answer(socket).match(/content-length/gi)).toHaveLength(1);
  });

  test("reads and drops what the client still sends, so that nothing of it lies unread", async () => {
    const { socket } = refused(unavailable(CLOSING), (socket) => {
      socket.pause();
      socket.receive("what it still sends");
    });
    await socket.sentEnd();
    socket.receive("and more");
    socket.receiveEnd();
    await closed(socket);
    expect(socket.readableLength).toBe(0);
  });

  test("is published with its status, its reason and what was asked for, once for each socket that was open still", async () => {
    const events: unknown[] = [];
    const listener = (event: unknown): void => void events.push(event);
    subscribe("lastcall:upgrade", listener);
    onTestFinished(() => void unsubscribe("lastcall:upgrade", listener));
    const { refusals, socket } = refused(unavailable(CLOSING));
    const head = {
      method: "GET",
      url: "/chat?room=1",
      httpVersion: "1.1",
      headers: { origin: "http://a.example" },
    };
    refusals.refuse(socket, { status: 404, message: "" });
    const gone = new MemorySocket();
    gone.destroy();
    refusals.refuse(gone, { status: 404, message: "" });
    expect(refusals.open).toBe(1);
    const other = Object.assign(new MemorySocket(), { remoteAddress: "192.0.2.7" });
    refusals.refuse(other, NOTHING_HERE, head);
    other.destroy();
    socket.destroy();
    const nothing = { url: undefined, origin: undefined };
    expect(events).toEqual([
      { event: "refused", status: 503, reason: CLOSING, remoteAddress: "", ...nothing },
      {
        event: "refused",
        status: 404,
        reason: NOTHING_HERE.message,
        remoteAddress: "192.0.2.7",
        url: "/chat?room=1",
        origin: "http://a.example",
      },
    ]);
    await closed(socket);
  });
});

describe("who was refused", () => {
  test("counts as open until the socket is closed, and then it is told", async () => {
    const { refusals, socket, gone } = refused(unavailable(CLOSING));
    await socket.sentEnd();
    expect([refusals.open, gone()]).toEqual([1, 0]);
    socket.receiveEnd();
    await closed(socket);
    expect([refusals.open, gone()]).toEqual([0, 1]);
  });

  test("may reset the connection: that is its end and no error", async () => {
    const { refusals, socket, gone } = refused(unavailable(CLOSING));
    socket.destroy(new Error("read ECONNRESET"));
    await closed(socket);
    expect([refusals.open, gone()]).toEqual([0, 1]);
  });

  test("gets a second to read the answer and to end TCP", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const quick = refused(unavailable(CLOSING));
    quick.socket.destroy();
    await closed(quick.socket);
    expect(vi.getTimerCount()).toBe(0);
    const { socket } = refused(unavailable(CLOSING));
    vi.advanceTimersByTime(999);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    // Not before the sockets have been looked at: with his answer unread he would be reset.
    expect(socket.destroyed).toBe(false);
    await closed(socket);
  });

  test("is gone at once when all are destroyed", async () => {
    const { refusals, socket, gone } = refused(unavailable(CLOSING));
    refusals.destroyAll();
    await closed(socket);
    expect([refusals.open, gone()]).toEqual([0, 1]);
  });
});
