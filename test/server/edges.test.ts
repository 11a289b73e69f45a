/** Edges where two mechanisms meet, each of which was once wrong. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { Agent, createServer as createHttpServer, request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createServer, type Connection, type Handler } from "../../src/index.js";
import { connectRaw, openRaw } from "../tools/raw-client.js";
import { eventually, gate, serve } from "../tools/serve.js";
import { atLeast, bound, ms, work } from "../tools/timing.js";

const echo: Handler = async (connection) => {
  for await (const message of connection) connection.send(message);
};

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "lastcall-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe("a Ping behind bulk", () => {
  test("is answered when its own place was read", async () => {
    let pinged: Promise<number> | undefined;
    const { port } = await serve(async (connection) => {
      for await (const _ of connection) {
        connection.send(Buffer.alloc(12 * 1024 * 1024));
        pinged = connection.ping();
        connection.send("behind");
      }
    });
    const client = await openRaw(port);
    client.socket.on("data", () => {
      client.socket.pause();
      setTimeout(() => client.socket.resume(), 1);
    });
    client.send("go");
    await eventually(() => pinged !== undefined);
    await pinged;
    // Its Pong left the client when it had read everything before it.
    expect(client.messages.length).toBeGreaterThanOrEqual(1);
    expect(client.messages[0]).toHaveLength(12 * 1024 * 1024);
    client.sendClose(1000);
    await client.closed();
  });

  test("does not make a peer look quiet that is still reading our reply", async () => {
    let served = 0;
    const { server, port } = await serve(async (connection) => {
      for await (const _ of connection) {
        connection.send(Buffer.alloc(12 * 1024 * 1024, ++served));
      }
    });
    const client = await openRaw(port);
    client.socket.on("data", () => {
      client.socket.pause();
      setTimeout(() => client.socket.resume(), 1);
    });
    client.send("1");
    await eventually(() => served === 1);
    const shutdown = server.shutdown({ patience: ms(20_000), deadline: ms(25_000) });
    await client.received(1);
    client.send("2");
    await client.received(2);
    const report = await shutdown;
    expect(client.close?.code).toBe(1012);
    expect(report).toMatchObject({ outcome: "clean", messages: { served: 1, handedBack: 0 } });
    expect(client.messages).toHaveLength(2);
  });
});

describe("the report", () => {
  test("counts the replies that a forced stop has destroyed", async () => {
    const { server, port } = await serve(
      async (connection) => {
        for (let index = 0; index < 30; index++) connection.send(Buffer.alloc(1024 * 1024));
        await connection.flushed().catch(() => {});
      },
      { outboxLimit: 64 * 1024 * 1024 },
    );
    const client = await openRaw(port);
    client.socket.pause();
    await eventually(() => [...server.connections].some((connection) => connection.bufferedAmount > 0));
    await work(ms(50));
    const report = await server.close();
    expect(report.troubled[0]?.unsentBytes).toBeGreaterThan(10 * 1024 * 1024);
    expect(report.messages.undelivered).toBeGreaterThan(9);
    client.destroy();
  });

  test("does not blame connections that are closing for a broadcast", async () => {
    const { server, port } = await serve(echo);
    const clients = await Promise.all(Array.from({ length: 20 }, () => openRaw(port)));
    await eventually(() => server.connections.size === 20);
    const ticking = setInterval(() => server.broadcast("tick"), 1);
    const report = await server.shutdown();
    clearInterval(ticking);
    expect(report).toMatchObject({
      outcome: "clean",
      connections: { closed: 20 },
      messages: { undelivered: 0 },
    });
    for (const client of clients) expect(client.close?.code).toBe(1012);
  });
});

describe("a dead reader", () => {
  test("does not hold a shutdown longer because we go on sending", async () => {
    const { server, port } = await serve(async (connection) => {
      for await (const _ of connection) connection.send(Buffer.alloc(8 * 1024 * 1024));
    });
    const client = await openRaw(port);
    client.socket.pause();
    client.send("go");
    await eventually(() => [...server.connections].some((connection) => connection.bufferedAmount > 0));
    const ticking = setInterval(() => {
      for (const connection of server.connections) connection.send("tick");
    }, 20);
    const startedAt = performance.now();
    const report = await server.shutdown({ patience: ms(100), closeTimeout: ms(200), deadline: ms(10_000) });
    clearInterval(ticking);
    expect(performance.now() - startedAt).toBeLessThan(bound(100 + 200));
    expect(report.troubled).toMatchObject([{ reason: "unsent" }]);
    client.destroy();
  });

  test("is not told to have closed cleanly when our Close never left", async () => {
    let closed: Connection["closed"] | undefined;
    const { server, port } = await serve(async (connection) => {
      closed = connection.closed;
      for await (const _ of connection) connection.send(Buffer.alloc(12 * 1024 * 1024));
    });
    const client = await openRaw(port);
    client.socket.pause();
    client.send("go");
    client.sendClose(1000);
    await eventually(() => closed !== undefined);
    await server.shutdown({ closeTimeout: ms(100) });
    expect(await closed).toMatchObject({ code: 1000, wasClean: false });
    client.destroy();
  });
});

describe("the heartbeat", () => {
  test.each(["Close", "FIN"])(
    "leaves a peer alone that has sent its %s and waits for its replies",
    async (end) => {
      const hold = gate();
      const { port } = await serve(
        async (connection) => {
          for await (const message of connection) {
            await hold.passed;
            connection.send(message);
          }
        },
        { heartbeat: { interval: ms(40), timeout: ms(40) } },
      );
      const client = await openRaw(port, { answersPing: false });
      client.send("1");
      client.send("2");
      if (end === "Close") client.sendClose(1000);
      else client.end();
      await work(ms(250));
      hold.open();
      await client.closed();
      expect(client.messages).toEqual(["1", "2"]);
      expect(client.close?.code).toBe(1000);
      expect(client.ended).toBe("FIN");
    },
  );
});

describe("a handshake", () => {
  test("that was refused does not become a connection by asking late", async () => {
    let handlers = 0;
    const { port } = await serve(() => void handlers++, { handshakeTimeout: ms(50) });
    const client = await connectRaw(port, { answersEnd: false });
    await client.until(() => client.response?.status === 408);
    client.sendHandshake();
    await client.until(() => client.ended !== undefined);
    client.end();
    await client.closed();
    expect(handlers).toBe(0);
  });

  test("that is waiting for authenticate is given up when its client leaves by FIN", async () => {
    const aborted = gate();
    let handlers = 0;
    const { server, port } = await serve(() => void handlers++, {
      authenticate: async (_request, { signal }) => {
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        aborted.open();
      },
    });
    const client = await connectRaw(port);
    client.sendHandshake();
    await work(ms(20));
    client.end();
    await aborted.passed;
    const startedAt = performance.now();
    await server.shutdown({ handshakeGrace: ms(2000) });
    expect(performance.now() - startedAt).toBeLessThan(ms(1500));
    expect(handlers).toBe(0);
  });

  test("keeps what the client sent ahead while authenticate was waited for", async () => {
    const { port } = await serve<string>(
      async (connection) => {
        for await (const message of connection) connection.send(message);
      },
      {
        authenticate: async () => {
          await work(ms(50));
          return "somebody";
        },
      },
    );
    const client = await connectRaw(port);
    client.sendHandshake();
    for (let index = 0; index < 3; index++) client.send(`early ${index}`);
    await client.opened();
    await client.received(3);
    expect(client.messages).toEqual(["early 0", "early 1", "early 2"]);
    client.sendClose(1000);
    await client.closed();
  });
});

describe("what the application does wrong", () => {
  test("an onError that rejects does not end the process", async () => {
    const { port } = await serve(
      () => {
        throw new Error("handler");
      },
      { onError: async () => Promise.reject(new Error("the log is down")) },
    );
    const client = await openRaw(port);
    await client.closed();
    expect(client.close).toEqual({ code: 1011, reason: "internal error" });
  });

  test("a subscriber that calls close() at the start of a shutdown leaves no timer behind", async () => {
    const { server } = await serve(echo);
    const onDrain = (message: unknown): void => {
      if ((message as { event: string }).event === "started") void server.close();
    };
    subscribe("lastcall:drain", onDrain);
    const report = await server.shutdown();
    unsubscribe("lastcall:drain", onDrain);
    expect(report.connections.total).toBe(0);
    // That nothing is left is looked at behind this file.
  });

  test("a maxPayload beyond the longest string is refused", () => {
    expect(() => createServer({ maxPayload: 2 ** 30 }, echo)).toThrowError(/^maxPayload must be /);
  });
});

describe("a Unix socket", () => {
  test("whose folder is gone does not keep a shutdown from its end", async () => {
    const folder = temporaryFolder();
    const { server, errors } = await serve(echo);
    const other = createServer({ onError: (error) => errors.push(error) }, echo);
    await other.listen({ path: join(folder, "socket") });
    renameSync(folder, `${folder}-moved`);
    onTestFinished(() => rmSync(`${folder}-moved`, { recursive: true, force: true }));
    expect((await other.shutdown()).outcome).toBe("clean");
    expect((await server.shutdown()).outcome).toBe("clean");
  });

  test("may have as long a path as the system takes", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "x".repeat(Math.max(1, 103 - folder.length)));
    const server = createServer(echo);
    expect(await server.listen({ path })).toBe(path);
    const client = await openRaw(path);
    client.send("hello");
    await client.received(1);
    await server.shutdown();
    await client.closed();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("a later call of shutdown()", () => {
  test("leaves what it does not give as it was", async () => {
    const { server, port } = await serve(echo, { drain: { lameDuck: ms(300), deadline: ms(5000) } });
    const startedAt = performance.now();
    const first = server.shutdown();
    expect(server.shutdown()).toBe(first);
    const late = await openRaw(port);
    await first;
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(atLeast(300));
    expect(late.close?.code).toBe(1012);
  });

  test("may bring the deadline below the lame duck", async () => {
    const { server } = await serve(echo, { drain: { lameDuck: ms(3000), deadline: ms(5000) } });
    const startedAt = performance.now();
    void server.shutdown();
    await server.shutdown({ deadline: ms(100) });
    expect(performance.now() - startedAt).toBeLessThan(bound(1100));
  });

  test("a shutdown's deadline does not undo the server's own lastCall", async () => {
    const started: unknown[] = [];
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) {
          started.push(message);
          await work(ms(50));
        }
      },
      { drain: { lastCall: ms(120) } },
    );
    const client = await openRaw(port);
    for (let index = 0; index < 40; index++) client.send(String(index));
    await eventually(() => started.length > 0);
    const report = await server.shutdown({ deadline: ms(20_000) });
    expect(started.length).toBeLessThan(20);
    expect(report.messages.handedBack).toBe(40 - started.length);
  });
});

describe("a caller's HTTP server that has had clients before us", () => {
  test("does not hold a shutdown for a kept-alive connection that is older and gone by then", async () => {
    const http = createHttpServer((_request, response) => response.end("plain"));
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const { port } = http.address() as AddressInfo;
    const agent = new Agent({ keepAlive: true });
    const get = async (): Promise<void> => {
      const [response] = (await once(request({ port, host: "127.0.0.1", agent }).end(), "response")) as [
        IncomingMessage,
      ];
      response.resume();
      await once(response, "end");
    };
    await get();
    const server = createServer(echo);
    await server.listen(http);
    await get();
    agent.destroy();
    await work(ms(20));
    const startedAt = performance.now();
    const report = await server.shutdown({ handshakeGrace: ms(2000) });
    expect(performance.now() - startedAt).toBeLessThan(ms(1500));
    expect(report.outcome).toBe("clean");
    expect(http.listening).toBe(false);
  });
});

describe("an HTTP server that outlives one of our servers on it", () => {
  test("is left by the last of them without a refused socket, which has read its answer", async () => {
    const http = createHttpServer();
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const { port } = http.address() as AddressInfo;
    const [first, last] = [createServer({ path: "/first" }, echo), createServer({ path: "/last" }, echo)];
    await first.listen(http);
    await last.listen(http);
    await first.shutdown();
    const client = await connectRaw(port, { path: "/neither", answersEnd: false });
    client.sendHandshake();
    await client.until(() => client.ended !== undefined);
    expect([client.response?.status, client.ended]).toEqual([404, "FIN"]);
    await last.shutdown();
    const open = await new Promise((resolve) => http.getConnections((_error, count) => resolve(count)));
    expect(open).toBe(0);
    client.destroy();
  });
});
