/** A shutdown that is waited for by a handler, for which it waits. */
import { once } from "node:events";
import { createServer as createHttpServer, request as requestHttp, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { caller, runAs } from "../../src/base/callers.js";
import { createServer, each, type DrainReport, type Server } from "../../src/index.js";
import { openRaw } from "../tools/raw-client.js";
import { eventually, serve } from "../tools/serve.js";
import { bound, ms, work } from "../tools/timing.js";

/** Before Node 24 a caller is known until its first `await` only. */
const follows = Number(process.versions.node.split(".", 1)[0]) >= 24;

const PATIENCE = 200;

describe.skipIf(!follows)("a handler that waits for", () => {
  type Stop = (server: Server, connection: { shutdown: () => Promise<DrainReport> }) => Promise<DrainReport>;

  /** What the client of a handler sees that waits for a stop, and then goes on. */
  async function seen(stop: Stop): Promise<{
    messages: string[];
    code: number | undefined;
    told: DrainReport;
    report: DrainReport;
    took: number;
  }> {
    let told: DrainReport | undefined;
    let startedAt = 0;
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) {
          if (message === "stop") {
            await work(5);
            startedAt = performance.now();
            told = await stop(server, connection);
          }
          connection.send(`done: ${message}`);
        }
        connection.send("goodbye");
      },
      { drain: { patience: ms(PATIENCE), deadline: ms(20_000) } },
    );
    const other = await openRaw(port);
    const client = await openRaw(port);
    client.send("stop");
    client.send("behind");
    await client.closed();
    const took = performance.now() - startedAt;
    const report = await server.shutdown();
    await other.closed();
    return { messages: client.messages.map(String), code: client.close?.code, told: told!, report, took };
  }

  test("server.shutdown() hears of it when all others are gone, serves what it has, and is told the end", async () => {
    const { messages, code, told, report, took } = await seen((server) => server.shutdown());
    expect(messages).toEqual(["done: stop", "done: behind", "goodbye"]);
    expect(code).toBe(1012);
    expect(told).toMatchObject({ outcome: "clean", connections: { total: 1, closed: 1 } });
    expect(report).toMatchObject({ outcome: "clean", connections: { total: 2, closed: 2 } });
    expect(took).toBeLessThan(bound(PATIENCE + 400));
  });

  test("connection.shutdown() of its own", async () => {
    const { messages, code, told, took } = await seen((_, connection) => connection.shutdown());
    expect(messages).toEqual(["done: stop", "done: behind", "goodbye"]);
    expect(code).toBe(1012);
    expect(told).toMatchObject({ connections: { total: 0 } });
    expect(took).toBeLessThan(bound(PATIENCE + 400));
  });

  test("server.close() hears of it when the sockets are gone", async () => {
    const { told, report, took } = await seen((server) => server.close());
    expect(told.connections.total).toBe(1);
    expect(report.outcome).toBe("forced");
    expect(took).toBeLessThan(bound(700));
  });

  test("server.shutdown() in each()", async () => {
    const reports: DrainReport[] = [];
    const { server, port } = await serve(
      each(async () => {
        await work(5);
        reports.push(await server.shutdown());
        return "down";
      }),
      { drain: { patience: ms(PATIENCE) } },
    );
    const client = await openRaw(port);
    client.send("stop");
    await client.closed();
    expect([client.messages, client.close?.code]).toEqual([["down"], 1012]);
    expect(reports).toMatchObject([{ connections: { total: 0 } }]);
    expect(await server.shutdown()).toMatchObject({ outcome: "clean", messages: { served: 1 } });
  });

  test("server.shutdown() twice, beside others that do as well", async () => {
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) {
          const reports = await Promise.all([server.shutdown(), server.shutdown()]);
          connection.send(`${message}: ${reports[0] === reports[1]}`);
        }
      },
      { drain: { patience: ms(PATIENCE) } },
    );
    const clients = [await openRaw(port), await openRaw(port)];
    for (const client of clients) client.send("stop");
    for (const client of clients) await client.closed();
    expect(clients.map(({ messages }) => messages)).toEqual([["stop: true"], ["stop: true"]]);
    expect((await server.shutdown()).outcome).toBe("clean");
  });
});

test("a handler whose first act is to wait for server.shutdown() may still send, and is told the end", async () => {
  const { server, port } = await serve(
    async (connection) => {
      const { connections } = await server.shutdown();
      connection.send(`${connections.total} others`);
    },
    { drain: { patience: ms(PATIENCE), deadline: ms(20_000) } },
  );
  const startedAt = performance.now();
  const client = await openRaw(port);
  await client.closed();
  expect([client.messages, client.close?.code]).toEqual([["0 others"], 1012]);
  expect(performance.now() - startedAt).toBeLessThan(bound(PATIENCE + 400));
  expect(await server.shutdown()).toMatchObject({ outcome: "clean", connections: { closed: 1 } });
});

describe.skipIf(!follows)("a handler that calls server.shutdown() and goes on", () => {
  test("is waited for by whoever it has left the promise to", async () => {
    const order: string[] = [];
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) {
          void server.shutdown().then(({ connections }) => order.push(`down, ${connections.closed} closed`));
          await work(ms(PATIENCE / 2));
          connection.send(`done: ${message}`);
        }
        order.push("handler");
      },
      { drain: { patience: ms(PATIENCE) } },
    );
    const client = await openRaw(port);
    client.send("stop");
    await client.closed();
    await server.shutdown();
    await eventually(() => order.length === 2);
    expect(client.messages).toEqual(["done: stop"]);
    expect(order).toEqual(["handler", "down, 1 closed"]);
  });
});

describe("a plain request that waits for", () => {
  type Stop = (server: Server) => Promise<DrainReport>;

  async function answered(
    stop: Stop,
    before: () => Promise<unknown> | undefined,
  ): Promise<{ answer: string; report: DrainReport; took: number }> {
    const host = createHttpServer((_, response) => {
      void (async () => {
        const wait = before();
        if (wait !== undefined) await wait;
        const report = await stop(server);
        response.end(`${report.outcome}, ${report.connections.total} connections`);
      })();
    });
    host.listen(0, "127.0.0.1");
    await once(host, "listening");
    const server = createServer(
      { drain: { deadline: ms(20_000) } },
      each((message) => message),
    );
    onTestFinished(async () => void (await server.close()));
    await server.listen(host);
    const { port } = host.address() as AddressInfo;
    const client = await openRaw(port);
    const startedAt = performance.now();
    const sent = requestHttp({ port, host: "127.0.0.1" }).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    let answer = "";
    for await (const chunk of response) answer += String(chunk);
    const took = performance.now() - startedAt;
    await client.closed();
    return { answer, report: await server.shutdown(), took };
  }

  test("server.shutdown() is answered when all others are gone", async () => {
    const { answer, report, took } = await answered(
      (server) => server.shutdown(),
      () => undefined,
    );
    expect(answer).toBe("clean, 1 connections");
    expect(report).toMatchObject({ outcome: "clean", requests: { answered: 1, cut: 0 } });
    expect(took).toBeLessThan(bound(1_500));
  });

  test("server.close() is answered, too", async () => {
    const { answer, took } = await answered(
      (server) => server.close(),
      () => undefined,
    );
    expect(answer).toMatch(/, 1 connections$/);
    expect(took).toBeLessThan(bound(700));
  });

  test.skipIf(!follows)("it behind an await", async () => {
    const { answer, took } = await answered(
      (server) => server.shutdown(),
      () => work(5),
    );
    expect(answer).toBe("clean, 1 connections");
    expect(took).toBeLessThan(bound(1_500));
  });
});

test("authenticate that waits for server.shutdown() waits for its own grace, and is refused", async () => {
  const reports: DrainReport[] = [];
  const { server, port } = await serve(() => {}, {
    drain: { handshakeGrace: ms(100), deadline: ms(20_000) },
    authenticate: async () => {
      reports.push(await server.shutdown());
      return true;
    },
  });
  const startedAt = performance.now();
  await expect(openRaw(port)).rejects.toThrow("503");
  const report = await server.shutdown();
  expect(performance.now() - startedAt).toBeLessThan(bound(1_000));
  expect(reports).toEqual([report]);
});

describe("who calls", () => {
  test("is whoever was run last and is not over, also when that has thrown", () => {
    const [one, other] = [{}, {}];
    const seen = runAs(one, () => [
      caller() === one,
      runAs(other, () => caller() === other),
      caller() === one,
    ]);
    expect(seen).toEqual([true, true, true]);
    expect(() =>
      runAs(one, () => {
        throw new Error("on purpose");
      }),
    ).toThrow("on purpose");
    expect(caller()).toBeUndefined();
  });
});
