/** Back-pressure in both directions, the limits behind it, and the heartbeat, on real sockets. */
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import type { Connection } from "../../src/index.js";
import { MessageQueue } from "../../src/connection/message-queue.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { openRaw } from "../tools/raw-client.js";
import { startNode } from "../tools/run-process.js";
import { eventually, gate, serve } from "../tools/serve.js";
import { bound, ms, work } from "../tools/timing.js";

const mask = Buffer.from([9, 8, 7, 6]);

describe("a handler that is slower than its peer", () => {
  test("stops the peer after inboxLimit, and then gets everything in order", async () => {
    const hold = gate();
    const seen: number[] = [];
    const { port } = await serve(
      async (connection) => {
        await hold.passed;
        for await (const message of connection) {
          seen.push((message as Buffer).readUInt32BE());
          if (seen.length === 4000) connection.send("all");
        }
      },
      { inboxLimit: { bytes: 256 * 1024 } },
    );
    const client = await openRaw(port);
    // 64 MB, far more than the kernel's buffers take.
    for (let index = 0; index < 4000; index++) {
      const payload = Buffer.alloc(16 * 1024);
      payload.writeUInt32BE(index);
      client.write(encodeFrame(Opcode.binary, payload, { mask }));
    }
    let before = -1;
    await eventually(() => {
      const stalled = client.socket.bytesWritten - client.socket.writableLength;
      const same = stalled === before;
      before = stalled;
      return same && client.socket.writableLength > 0;
    });
    await work(ms(100));
    expect(client.socket.writableLength).toBeGreaterThan(32 * 1024 * 1024);
    hold.open();
    await client.received(1);
    expect(seen).toEqual(Array.from({ length: 4000 }, (_, index) => index));
    client.destroy();
  });

  test("is paused by the number of messages too, and a drain reads on behind the cut", async () => {
    const hold = gate();
    let served = 0;
    const { server, port } = await serve(
      async (connection) => {
        for await (const _ of connection) {
          served++;
          await hold.passed;
        }
      },
      { inboxLimit: { messages: 10 } },
    );
    const client = await openRaw(port);
    const tiny = encodeFrame(Opcode.text, "x", { mask });
    client.write(Buffer.concat(Array<Buffer>(200_000).fill(tiny)));
    await eventually(() => served === 1);
    // The barrier's clock stands while our back-pressure holds the socket: the cut comes by patience.
    const shutdown = server.shutdown({ patience: ms(200), barrierTimeout: ms(20) });
    await work(ms(250));
    hold.open();
    const report = await shutdown;
    expect(report.connections).toEqual({
      total: 1,
      closed: 1,
      left: 0,
      unconfirmed: 0,
      forced: 0,
      // The Close of a peer proves that all was read that it had sent before.
      unproven: 0,
    });
    expect(report.messages.served).toBe(served);
    expect(report.messages.served + report.messages.handedBack).toBe(200_000);
    expect(client.ended).toBe("FIN");
    expect(client.close?.code).toBe(1012);
  });
});

describe("the inbox", () => {
  test("charges a binary message for the chunk that it keeps alive, and each chunk once", () => {
    const queue = new MessageQueue();
    const chunk = Buffer.alloc(64 * 1024);
    queue.push(chunk.subarray(0, 1));
    expect(queue.charged).toBe(64 * 1024 + 128);
    queue.push(chunk.subarray(1, 2));
    expect(queue.charged).toBe(64 * 1024 + 2 * 128);
    queue.push("ä");
    expect(queue.charged).toBe(64 * 1024 + 3 * 128 + 2);
    expect([queue.shift(), queue.shift(), queue.shift()]).toEqual([
      chunk.subarray(0, 1),
      chunk.subarray(1, 2),
      "ä",
    ]);
    expect(queue.charged).toBe(0);
  });
});

describe("a peer that is slower than its handler", () => {
  test("gets the next reply made only when the outbox is below highWaterMark", async () => {
    let started = 0;
    const { server, port } = await serve(
      async (connection) => {
        for await (const _ of connection) {
          started++;
          connection.send(Buffer.alloc(1024 * 1024));
        }
      },
      { highWaterMark: 64 * 1024 },
    );
    const client = await openRaw(port);
    client.socket.pause();
    for (let index = 0; index < 100; index++) client.send("more");
    await eventually(() =>
      [...server.connections].some((connection) => connection.bufferedAmount >= 64 * 1024),
    );
    await work(ms(50));
    // Some megabytes go into the kernel's buffers; the outbox holds one reply at most.
    expect(started).toBeLessThan(50);
    for (const connection of server.connections) {
      expect(connection.bufferedAmount).toBeLessThan(1024 * 1024 + 64 * 1024);
    }
    client.socket.resume();
    await client.received(100);
    client.sendClose(1000);
    await client.closed();
    expect(started).toBe(100);
  });

  test("lets flushed() wait for it", async () => {
    const order: string[] = [];
    const { port } = await serve(async (connection) => {
      await connection.flushed();
      order.push("empty");
      connection.send(Buffer.alloc(12 * 1024 * 1024));
      await connection.flushed();
      order.push("flushed");
      connection.send("end");
    });
    const client = await openRaw(port);
    client.socket.pause();
    await eventually(() => order.length === 1);
    await work(ms(50));
    expect(order).toEqual(["empty"]);
    client.socket.resume();
    await client.received(2);
    expect(order).toEqual(["empty", "flushed"]);
    await client.closed();
  });

  test("over outboxLimit it is closed as a slow consumer, and send() returns false", async () => {
    let taken = 0;
    let refused = 0;
    let connection: Connection | undefined;
    const { port } = await serve(
      async (opened) => {
        connection = opened;
        while (opened.send(Buffer.alloc(256 * 1024))) {
          taken++;
          await new Promise((resolve) => setImmediate(resolve));
        }
        refused++;
      },
      { outboxLimit: 1024 * 1024 },
    );
    const client = await openRaw(port);
    client.socket.pause();
    await eventually(() => connection !== undefined);
    await eventually(() => connection!.signal.aborted);
    expect(connection!.signal.reason).toMatchObject({ cause: "slow-consumer" });
    expect(refused).toBe(1);
    expect(taken).toBeGreaterThan(3);
    client.destroy();
  });

  test("a message is taken while the outbox is under the limit, however large it is", async () => {
    const { port } = await serve(
      (connection) => connection.send(Buffer.alloc(3 * 1024 * 1024, 5)) as unknown,
      {
        outboxLimit: 64 * 1024,
      },
    );
    const client = await openRaw(port);
    await client.received(1);
    expect(client.messages[0]).toHaveLength(3 * 1024 * 1024);
    await client.closed();
    expect(client.close?.code).toBe(1000);
  });

  test("a flood of Pings of a client that reads is answered whole, in order", async () => {
    const { port } = await serve(async (connection) => {
      for await (const message of connection) connection.send(message);
    });
    const client = await openRaw(port);
    const pings = Array.from({ length: 50_000 }, (_, index) =>
      encodeFrame(Opcode.ping, String(index), { mask }),
    );
    client.write(Buffer.concat(pings));
    client.send("behind");
    await client.received(1);
    await client.until(() => client.pongs.some((payload) => payload.toString() === "49999"));
    const numbers = client.pongs.map(Number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(numbers.length).toBeGreaterThan(40_000);
    client.sendClose(1000);
    await client.closed();
  });

  test("a flood of Pings of a client that does not read costs what waits at most, and the latest is answered", async () => {
    const { server, port } = await serve(async (connection) => {
      for await (const message of connection) connection.send(message);
    });
    const client = await openRaw(port);
    client.socket.pause();
    // Three times what the kernel takes, on both sides.
    const count = 150_000;
    const payload = (index: number): string => String(index).padStart(120, "0");
    for (let index = 0; index < count; index++) {
      if (!client.socket.write(encodeFrame(Opcode.ping, payload(index), { mask })))
        await once(client.socket, "drain");
    }
    const [connection] = server.connections;
    // It was never more: Pongs count as what is to be sent.
    expect(connection!.bufferedAmount).toBeLessThan(256 * 1024);
    client.socket.resume();
    await client.until(() => client.pongs.some((pong) => pong.toString() === payload(count - 1)));
    expect(client.pongs.length).toBeLessThan(count / 1.5);
    client.sendClose(1000);
    await client.closed();
  });
});

describe("the heartbeat", () => {
  test("ends a connection whose peer answers nothing, and leaves the others alone", async () => {
    const { server, port } = await serve(
      async (connection) => {
        for await (const _ of connection);
      },
      { heartbeat: { interval: ms(200), timeout: ms(200) } },
    );
    const dead = await openRaw(port, { answersPing: false });
    const alive = await openRaw(port);
    const [first] = server.connections;
    const startedAt = performance.now();
    expect((await first!.closed).code).toBe(1006);
    expect(performance.now() - startedAt).toBeGreaterThan(ms(200));
    expect(performance.now() - startedAt).toBeLessThan(bound(200 + 200 + 50));
    expect(dead.pings.length).toBe(1);
    await alive.until(() => alive.pings.length >= 3);
    expect(server.connections.size).toBe(1);
    alive.sendClose();
    await alive.closed();
    expect(alive.close).toEqual({ code: 1005, reason: "" });
    dead.destroy();
  });

  test("takes any bytes as life, and sends no Ping to a peer that talks", async () => {
    const { port } = await serve(
      async (connection) => {
        for await (const message of connection) connection.send(message);
      },
      { heartbeat: { interval: ms(300), timeout: ms(100) } },
    );
    const client = await openRaw(port, { answersPing: false });
    for (let round = 1; round <= 20; round++) {
      client.send("I am here");
      await client.received(round);
      await work(ms(40));
    }
    expect(client.pings).toEqual([]);
    client.destroy();
  });

  test("its clock stands while our own back-pressure holds the socket", async () => {
    const hold = gate();
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) {
          await hold.passed;
          connection.send(message);
        }
      },
      { heartbeat: { interval: ms(30), timeout: ms(30) }, inboxLimit: { messages: 2 } },
    );
    const client = await openRaw(port);
    for (let index = 0; index < 5; index++) client.send(String(index));
    await eventually(() => server.connections.size === 1);
    await work(ms(300));
    expect(server.connections.size).toBe(1);
    hold.open();
    await client.received(5);
    client.sendClose(1000);
    await client.closed();
    expect(client.close?.code).toBe(1000);
  });

  test("finds a client whose process was killed while nothing of it is read", async () => {
    const hold = gate();
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) {
          await hold.passed;
          connection.send(message);
        }
      },
      { heartbeat: { interval: ms(100), timeout: ms(200) }, inboxLimit: { messages: 2 } },
    );
    const running = startNode([
      "--input-type=module",
      "-e",
      `import WebSocket from "ws";
       const client = new WebSocket("ws://127.0.0.1:${port}");
       client.on("open", () => {
         // The FIN of its end stands behind what is not read.
         for (let index = 0; index < 9; index++) client.send(Buffer.alloc(200_000));
         client.once("ping", () => console.log("asked"));
       });`,
    ]);
    await running.printed(/asked/);
    const [connection] = server.connections;
    const startedAt = performance.now();
    running.child.kill("SIGKILL");
    expect((await connection!.closed).cause).toBe("reset");
    expect(performance.now() - startedAt).toBeLessThan(bound(1_000));
    hold.open();
    await eventually(() => server.connections.size === 0);
  });

  test("does not take a slow reader for dead while it reads", async () => {
    const size = 8 * 1024 * 1024;
    const { port } = await serve(
      async (connection) => {
        connection.send(Buffer.alloc(size));
        await connection.closed;
      },
      { heartbeat: { interval: ms(300), timeout: ms(1_000) }, highWaterMark: 16 * 1024 * 1024 },
    );
    const client = await openRaw(port, { answersPing: false });
    client.socket.on("data", () => {
      client.socket.pause();
      setTimeout(() => client.socket.resume(), ms(8));
    });
    await client.received(1);
    expect(client.messages[0]).toHaveLength(size);
    client.destroy();
  });

  test("costs one timer for all connections", async () => {
    const { server, port } = await serve(
      async (connection) => {
        for await (const _ of connection);
      },
      { heartbeat: { interval: 60_000, timeout: 60_000 } },
    );
    const countTimers = (): number =>
      process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const before = countTimers();
    const clients = await Promise.all(Array.from({ length: 50 }, () => openRaw(port)));
    await eventually(() => server.connections.size === 50);
    expect(countTimers()).toBeLessThanOrEqual(before);
    for (const client of clients) client.destroy();
    await eventually(() => server.connections.size === 0);
  });
});
