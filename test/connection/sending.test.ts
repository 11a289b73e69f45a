/** What is sent on a connection, to one and to all, and what becomes of what cannot be delivered. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, onTestFinished, test } from "vitest";
import { ConnectionGoneError, InvalidOptionError, type DropEvent } from "../../src/index.js";
import { openRaw } from "../tools/raw-client.js";
import { eventually, serve } from "../tools/serve.js";
import { pair } from "./pair.js";

/** The drops that are published while the test runs. */
function recordDrops(): DropEvent[] {
  const drops: DropEvent[] = [];
  const onDrop = (message: unknown): void => void drops.push(message as DropEvent);
  subscribe("lastcall:drop", onDrop);
  onTestFinished(() => void unsubscribe("lastcall:drop", onDrop));
  return drops;
}

describe("send()", () => {
  const words = new Uint16Array([1, 2, 3, 4]);
  const bytes = Buffer.from(words.buffer);

  test.for([
    ["a string", "grüße", "grüße"],
    ["an empty string", "", ""],
    ["a Buffer", Buffer.from([1, 2]), Buffer.from([1, 2])],
    ["a Uint8Array", new Uint8Array([1, 2]), Buffer.from([1, 2])],
    ["a typed array", words, bytes],
    ["a part of a typed array", words.subarray(1, 3), bytes.subarray(2, 6)],
    ["a DataView", new DataView(words.buffer, 3, 2), bytes.subarray(3, 5)],
    ["an ArrayBuffer", words.buffer, bytes],
    ["an empty ArrayBuffer", new ArrayBuffer(0), Buffer.alloc(0)],
  ] as const)("takes %s", async ([, data, received]) => {
    const { client, connection } = await pair();
    expect(connection.send(data)).toBe(true);
    await client.received(1);
    expect(client.messages).toEqual([received]);
  });

  test.for([undefined, null, 5, {}, ["a"], Promise.resolve("a")])(
    "throws for %s: that is a mistake",
    async (data) => {
      const { client, connection } = await pair();
      expect(() => connection.send(data as never)).toThrow(InvalidOptionError);
      connection.send("fine");
      await client.received(1);
      expect(client.messages).toEqual(["fine"]);
    },
  );

  test("copies what is small: the caller may reuse its buffer at once", async () => {
    const { client, connection } = await pair();
    const buffer = Buffer.alloc(100, "a");
    connection.send(buffer);
    buffer.fill("b");
    connection.send(buffer);
    await client.received(2);
    expect(client.messages.map(String)).toEqual(["a".repeat(100), "b".repeat(100)]);
  });

  test("keeps messages of all kinds and sizes in order", async () => {
    const { client, connection } = await pair();
    const sizes = [0, 10, 9000, 3, 300_000, 1, 70_000, 0];
    for (const size of sizes) connection.send("x".repeat(size));
    await client.received(sizes.length);
    expect(client.messages.map((message) => message.length)).toEqual(sizes);
  });

  test("after the peer is gone returns false, and the drop is counted and published", async () => {
    const drops = recordDrops();
    const { server, client, connection, finish } = await pair();
    const shutdown = server.shutdown({ quiet: Infinity, patience: Infinity });
    client.reset();
    await connection.closed;
    expect(connection.send("a")).toBe(false);
    expect(connection.send(Buffer.from("b"))).toBe(false);
    await expect(connection.flushed()).rejects.toBeInstanceOf(ConnectionGoneError);
    await expect(connection.ping()).rejects.toBeInstanceOf(ConnectionGoneError);
    finish();
    expect((await shutdown).messages.undelivered).toBe(2);
    expect(drops).toEqual([
      { event: "dropped", connection, messages: 1 },
      { event: "dropped", connection, messages: 1 },
    ]);
  });

  test("after our Close returns false: nothing may follow it", async () => {
    const drops = recordDrops();
    const { client, connection } = await pair();
    connection.send("before");
    connection.close();
    expect(connection.send("after")).toBe(false);
    await client.closed();
    expect(client.messages).toEqual(["before"]);
    expect(drops).toMatchObject([{ messages: 1 }]);
  });

  test("counts what was accepted but not delivered when the socket dies", async () => {
    const drops = recordDrops();
    const { server, client, connection, finish } = await pair();
    client.socket.pause();
    const large = Buffer.alloc(8 * 1024 * 1024);
    expect(connection.send(large)).toBe(true);
    expect(connection.send("behind it")).toBe(true);
    expect(connection.bufferedAmount).toBeGreaterThan(large.length);
    const shutdown = server.shutdown();
    client.reset();
    await connection.closed;
    finish();
    expect((await shutdown).messages.undelivered).toBe(2);
    expect(drops.reduce((sum, { messages }) => sum + messages, 0)).toBe(2);
  });
});

describe("flushed()", () => {
  test("resolves at once below the mark, and otherwise when the peer has read", async () => {
    const { client, connection } = await pair();
    await connection.flushed();
    client.socket.pause();
    connection.send(Buffer.alloc(8 * 1024 * 1024));
    let flushed = false;
    const waiting = connection.flushed().then(() => (flushed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(flushed).toBe(false);
    expect(connection.bufferedAmount).toBeGreaterThan(64 * 1024);
    client.socket.resume();
    await waiting;
    expect(connection.bufferedAmount).toBeLessThan(64 * 1024);
    await client.received(1);
  });

  test("rejects when the connection is gone before", async () => {
    const { client, connection } = await pair();
    client.socket.pause();
    connection.send(Buffer.alloc(8 * 1024 * 1024));
    const waiting = connection.flushed();
    client.reset();
    await expect(waiting).rejects.toMatchObject({ code: "LASTCALL_CONNECTION_GONE" });
  });
});

describe("broadcast()", () => {
  test("reaches every connection and tells how many took it", async () => {
    const { server, port } = await serve((connection) => connection.closed);
    const clients = await Promise.all([openRaw(port), openRaw(port), openRaw(port)]);
    await eventually(() => server.connections.size === 3);
    expect(server.broadcast("text")).toBe(3);
    expect(server.broadcast(new Uint16Array([258]))).toBe(3);
    expect(server.broadcast(Buffer.alloc(300_000, 7))).toBe(3);
    await Promise.all(clients.map((client) => client.received(3)));
    for (const client of clients) {
      expect(client.messages[0]).toBe("text");
      expect(client.messages[1]).toEqual(Buffer.from(new Uint16Array([258]).buffer));
      expect((client.messages[2] as Buffer).equals(Buffer.alloc(300_000, 7))).toBe(true);
      client.destroy();
    }
  });

  test("reaches only those that `where` picks", async () => {
    const { server, port } = await serve((connection) => connection.closed);
    const clients = await Promise.all(["/a", "/b", "/a"].map((path) => openRaw(port, { path })));
    await eventually(() => server.connections.size === 3);
    expect(server.broadcast("for a", { where: ({ request }) => request.url === "/a" })).toBe(2);
    expect(server.broadcast("for all")).toBe(3);
    await Promise.all(clients.map((client, index) => client.received(index === 1 ? 1 : 2)));
    expect(clients.map(({ messages }) => messages)).toEqual([
      ["for a", "for all"],
      ["for all"],
      ["for a", "for all"],
    ]);
    for (const client of clients) client.destroy();
  });

  test("does not count connections that can no longer deliver", async () => {
    const { server, connection } = await pair();
    connection.close();
    expect(server.broadcast("late")).toBe(0);
  });

  test("encodes once: what is large is the same memory for all", async () => {
    const { server, port } = await serve((connection) => connection.closed);
    const clients = await Promise.all(Array.from({ length: 20 }, () => openRaw(port)));
    await eventually(() => server.connections.size === clients.length);
    for (const client of clients) client.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    const size = 4 * 1024 * 1024;
    expect(server.broadcast("x".repeat(size))).toBe(clients.length);
    // One encoded copy, and not twenty.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(3 * size);
    for (const client of clients) client.destroy();
  });

  test("to nobody is 0, and what is no message throws all the same", async () => {
    const { server } = await serve((connection) => connection.closed);
    expect(server.broadcast("anyone?")).toBe(0);
    expect(() => server.broadcast(5 as never)).toThrow(InvalidOptionError);
  });
});
