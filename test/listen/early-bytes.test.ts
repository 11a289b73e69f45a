import { describe, expect, onTestFinished, test } from "vitest";
import { EarlyBytes } from "../../src/listen/early-bytes.js";
import { MemorySocket } from "../tools/memory-socket.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function waiting(head = ""): { early: EarlyBytes; socket: MemorySocket } {
  const socket = new MemorySocket({ allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  return { early: new EarlyBytes(socket, Buffer.from(head)), socket };
}

describe("what a client sends while its handshake waits", () => {
  test("is kept in order, behind what came with the request", async () => {
    const { early, socket } = waiting("with the request, ");
    socket.receive("one, ");
    socket.receive("two");
    await turn();
    expect(String(early.take())).toBe("with the request, one, two");
  });

  test("is read, so that its FIN is seen", async () => {
    const { socket } = waiting();
    let ended = false;
    socket.on("end", () => (ended = true));
    socket.receive("something");
    socket.receiveEnd();
    await turn();
    expect(ended).toBe(true);
  });

  test("is left to who comes next from the moment that it is taken", async () => {
    const { early, socket } = waiting();
    const later: string[] = [];
    socket.receive("before");
    await turn();
    expect(String(early.take())).toBe("before");
    socket.on("data", (chunk: Buffer) => later.push(String(chunk)));
    socket.receive("behind");
    await turn();
    expect(later).toEqual(["behind"]);
    expect(String(early.take())).toBe("before");
  });

  test("is read up to 64 KiB and no further, what came with the request included", async () => {
    const { early, socket } = waiting("x".repeat(1_024));
    socket.receive(Buffer.alloc(62 * 1024));
    await turn();
    expect(socket.isPaused()).toBe(false);
    socket.receive(Buffer.alloc(1_024));
    await turn();
    expect(socket.isPaused()).toBe(true);
    socket.receive("not read");
    await turn();
    expect(early.take()).toHaveLength(64 * 1024);
  });

  test("costs little more than its bytes when it comes a byte at a time", async () => {
    const { early, socket } = waiting();
    for (let byte = 0; byte < 40_000; byte++) socket.emit("data", Buffer.from([byte % 251]));
    const taken = early.take();
    expect(taken).toHaveLength(40_000);
    expect(taken.every((value, index) => value === index % 251)).toBe(true);
    expect(taken.buffer.byteLength).toBeLessThan(2 * 40_000);
  });
});
