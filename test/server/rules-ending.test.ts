/** The rules about the end, on real sockets: no reset, a bound, the truth, and nothing left. */
import { describe, expect, test } from "vitest";
import { createServer, type Connection } from "../../src/index.js";
import { connectRaw, openRaw } from "../tools/raw-client.js";
import { eventually, gate, serve } from "../tools/serve.js";
import { bound, ms, work } from "../tools/timing.js";

const never = new Promise<never>(() => {});

async function echo(connection: Connection): Promise<void> {
  for await (const message of connection) connection.send(message);
}

/** What keeps the event loop busy, by kind. */
function countResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

describe("Rule 5, no reset", () => {
  test("a peer that keeps sending through the Close reads every reply, Close and FIN", async () => {
    let served = 0;
    const { server, port } = await serve(async (connection) => {
      for await (const message of connection) {
        served++;
        connection.send(message);
      }
    });
    const client = await openRaw(port, { answersClose: false, answersEnd: false });
    const flood = Buffer.alloc(16 * 1024, "x");
    let sending = true;
    const keepSending = (): void => {
      if (!sending) return;
      client.send(flood);
      if (client.close === undefined) setImmediate(keepSending);
      else setTimeout(keepSending, 1);
    };
    keepSending();
    await client.received(1);
    const shutdown = server.shutdown({ patience: ms(100), deadline: ms(10_000) });
    await client.until(() => client.close !== undefined);
    await client.until(() => client.messages.length === served);
    // Half a second of sending behind the server's Close, then the answer to it.
    setTimeout(() => {
      sending = false;
      client.sendClose(1012);
      client.end();
    }, ms(100));
    const report = await shutdown;
    await client.closed();
    expect(client.ended).toBe("FIN");
    expect(client.close?.code).toBe(1012);
    expect(client.messages).toHaveLength(served);
    expect(report.messages.handedBack).toBeGreaterThan(0);
    expect(report).toMatchObject({ outcome: "partial", connections: { closed: 1, forced: 0 } });
  });

  test("a peer that does not answer Close gets a FIN after closeTimeout and is read until it ends", async () => {
    const { server, port } = await serve(echo);
    const client = await openRaw(port, { answersClose: false, answersEnd: false });
    const shutdown = server.shutdown({ closeTimeout: ms(100), lingerTimeout: ms(5000) });
    await client.until(() => client.ended !== undefined);
    expect(client.ended).toBe("FIN");
    client.send("still here");
    client.end();
    const report = await shutdown;
    expect(client.close?.code).toBe(1012);
    expect(report).toMatchObject({
      outcome: "unconfirmed",
      connections: { unconfirmed: 1, closed: 0 },
      messages: { handedBack: 1 },
      troubled: [{ reason: "unconfirmed" }],
    });
  });
});

describe("Rule 6, bounded", () => {
  test("shutdown() settles within its deadline and a second when a handler never returns", async () => {
    const { server, port } = await serve(async (connection) => {
      for await (const _ of connection) await never;
    });
    const client = await openRaw(port);
    client.send("one");
    client.send("two");
    await client.until(() => server.connections.size === 1);
    const startedAt = performance.now();
    const report = await server.shutdown({ deadline: ms(300), lastCall: ms(300), patience: ms(100) });
    expect(performance.now() - startedAt).toBeLessThan(bound(300 + 1000));
    expect(report).toMatchObject({
      outcome: "forced",
      connections: { total: 1, forced: 1 },
      messages: { served: 0, handedBack: 0, undelivered: 0, abandoned: 2 },
    });
    expect(report.troubled).toMatchObject([{ reason: "handler", queued: 1, running: 1, unsentBytes: 0 }]);
    // No Close: it would promise that the message in hand was never started.
    expect(client.close).toBeUndefined();
    await client.closed();
  });

  test("close() settles within a second whatever handlers and peers do", async () => {
    const { server, port } = await serve(async (connection) => {
      connection.waitUntil(never);
      await never;
    });
    const clients = await Promise.all(
      Array.from({ length: 5 }, () =>
        openRaw(port, { answersClose: false, answersEnd: false, answersPing: false }),
      ),
    );
    const startedAt = performance.now();
    const report = await server.close();
    expect(performance.now() - startedAt).toBeLessThan(bound(1000));
    expect(report.connections).toMatchObject({ total: 5, forced: 5 });
    expect(report.troubled.map(({ reason, running }) => [reason, running])).toEqual(
      Array.from({ length: 5 }, () => ["handler", 1]),
    );
    for (const client of clients) client.destroy();
  });

  test("a peer that stops reading does not hold longer than closeTimeout", async () => {
    const { server, port } = await serve(async (connection) => {
      for await (const _ of connection) connection.send(Buffer.alloc(8 * 1024 * 1024));
    });
    const client = await openRaw(port);
    client.socket.pause();
    client.send("go");
    await eventually(() => [...server.connections].some((connection) => connection.bufferedAmount > 0));
    const startedAt = performance.now();
    const report = await server.shutdown({
      patience: ms(100),
      closeTimeout: ms(200),
      barrierTimeout: ms(50),
    });
    expect(performance.now() - startedAt).toBeLessThan(bound(100 + 200 + 50));
    expect(report).toMatchObject({
      outcome: "forced",
      connections: { total: 1, forced: 1, unproven: 1 },
      messages: { undelivered: 1, handedBack: 0, abandoned: 0 },
    });
    expect(report.troubled).toMatchObject([{ reason: "unsent" }]);
    expect(report.troubled[0]!.unsentBytes).toBeGreaterThan(0);
    client.destroy();
  });

  test("a slow but living reader gets its reply whole, far beyond closeTimeout", async () => {
    const size = 6 * 1024 * 1024;
    const { server, port } = await serve(async (connection) => {
      for await (const _ of connection) connection.send(Buffer.alloc(size, 1));
    });
    const client = await openRaw(port);
    client.send("go");
    await eventually(() => client.socket.bytesRead > 10_000);
    // Reads in sips: 64 KiB, then nothing for a while.
    let reading = true;
    client.socket.on("data", () => {
      client.socket.pause();
      if (reading) setTimeout(() => client.socket.resume(), ms(20));
    });
    const startedAt = performance.now();
    const report = await server.shutdown({
      // A sign of reading comes with every second sip, as long as our event loop, which is the peer's too, turns.
      closeTimeout: ms(1_000),
      patience: ms(100),
      barrierTimeout: ms(50),
    });
    const duration = performance.now() - startedAt;
    reading = false;
    client.socket.resume();
    expect(client.messages.map((message) => message.length)).toEqual([size]);
    expect(client.close?.code).toBe(1012);
    expect(report).toMatchObject({
      outcome: "clean",
      connections: { closed: 1 },
      messages: { undelivered: 0 },
    });
    expect(duration).toBeGreaterThan(ms(1_000));
  });
});

describe("Rule 7, told", () => {
  test("the counts of the report add up to what happened, connection by connection", async () => {
    const hold = gate();
    const { server, port } = await serve(async (connection) => {
      for await (const message of connection) {
        if (message === "hold") await hold.passed;
        connection.send(message);
      }
    });
    const polite = await openRaw(port);
    const leaver = await openRaw(port);
    const mute = await openRaw(port, { answersClose: false, answersEnd: false });
    const busy = await openRaw(port);
    for (const client of [polite, leaver, mute]) client.send("before");
    await Promise.all([polite, leaver, mute].map((client) => client.received(1)));
    busy.send("hold");
    busy.send("queued");
    await eventually(() => server.connections.size === 4);
    const shutdown = server.shutdown({
      closeTimeout: ms(300),
      lingerTimeout: ms(100),
      deadline: ms(2000),
      lastCall: ms(800),
    });
    polite.send("during");
    leaver.sendClose(1000);
    const report = await shutdown;
    hold.open();
    expect(polite.messages).toEqual(["before", "during"]);
    expect(report.connections).toEqual({
      total: 4,
      closed: 1,
      left: 1,
      unconfirmed: 1,
      forced: 1,
      unproven: 0,
    });
    expect(report.messages).toEqual({ served: 1, handedBack: 1, undelivered: 0, abandoned: 1 });
    expect(report.troubled.map(({ reason }) => reason).sort()).toEqual(["handler", "unconfirmed"]);
    expect(report.outcome).toBe("forced");
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    mute.destroy();
  });
});

describe("Rule 7, told of the handler", () => {
  test("a handler that never ends is named at the deadline, not its peer", async () => {
    const { server, port } = await serve(() => never);
    const client = await openRaw(port);
    const report = await server.shutdown({ deadline: ms(300), quiet: 0 });
    expect(report.troubled).toMatchObject([{ reason: "handler", running: 0, queued: 0, unsentBytes: 0 }]);
    expect(report.outcome).toBe("forced");
    await client.closed();
  });
});

describe("Rule 8, idempotent", () => {
  test("all calls of shutdown() share one promise, and close() escalates it", async () => {
    const { server, port } = await serve(async (connection) => {
      for await (const _ of connection) await never;
    });
    const client = await openRaw(port);
    client.send("stuck");
    await eventually(() => server.connections.size === 1);
    const first = server.shutdown();
    expect(server.shutdown()).toBe(first);
    expect(server.state).toBe("draining");
    const closed = server.close();
    expect(closed).toBe(first);
    expect((await closed).outcome).toBe("forced");
    expect(server.shutdown()).toBe(first);
    expect(server.state).toBe("closed");
  });

  test("shutdown() after close() never softens it", async () => {
    const { server, port } = await serve(echo);
    const client = await openRaw(port, { answersEnd: false, answersClose: false });
    const startedAt = performance.now();
    const closed = server.close();
    expect(server.shutdown({ deadline: 60_000, quiet: Infinity, patience: Infinity })).toBe(closed);
    const report = await closed;
    expect(performance.now() - startedAt).toBeLessThan(bound(1000));
    expect(report.connections.forced).toBe(1);
    client.destroy();
  });

  test("a second call may bring the deadline nearer, and never moves it away", async () => {
    const { server, port } = await serve(async (connection) => {
      for await (const _ of connection) await never;
    });
    const client = await openRaw(port);
    client.send("stuck");
    await eventually(() => server.connections.size === 1);
    const startedAt = performance.now();
    const first = server.shutdown({ deadline: ms(20_000) });
    void server.shutdown({ deadline: ms(200) });
    void server.shutdown({ deadline: ms(30_000) });
    const report = await first;
    expect(performance.now() - startedAt).toBeLessThan(bound(1200));
    expect(report.outcome).toBe("forced");
  });

  test("a call with a bad option is refused and shuts nothing down", async () => {
    const { server } = await serve(echo);
    await expect(server.shutdown({ deadline: -1 })).rejects.toMatchObject({
      code: "LASTCALL_INVALID_OPTION",
    });
    expect(server.state).toBe("listening");
  });
});

describe("Rule 9, no refused guest, no late guest", () => {
  test("a socket that was accepted before the door closed is served; after handshakeGrace it gets 503", async () => {
    const { server, port } = await serve(echo);
    const early = await connectRaw(port);
    const late = await connectRaw(port, { answersClose: false });
    const keeper = await openRaw(port);
    keeper.send("hi");
    await keeper.received(1);
    const shutdown = server.shutdown({ handshakeGrace: ms(300), quiet: ms(100) });
    await keeper.until(() => keeper.close !== undefined); // the door is closed by now
    early.sendHandshake();
    await early.opened();
    early.send("let in");
    await early.until(() => early.close !== undefined);
    await late.closed();
    const report = await shutdown;
    expect(early.messages).toEqual(["let in"]);
    expect(early.close).toEqual({ code: 1012, reason: "service restart" });
    expect(late.response).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    expect(late.ended).toBe("FIN");
    expect(report).toMatchObject({ outcome: "clean", connections: { total: 2, closed: 2 } });
    await expect(connectRaw(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test("an authenticate that is not done when the grace is over gets no 101", async () => {
    let aborted = false;
    const { server, port } = await serve(echo, {
      authenticate: (_request, { signal }) =>
        new Promise<undefined>((resolve) =>
          signal.addEventListener("abort", () => {
            aborted = true;
            resolve(undefined);
          }),
        ),
    });
    const client = await connectRaw(port);
    client.sendHandshake();
    await work(ms(20));
    const report = await server.shutdown({ handshakeGrace: ms(50) });
    expect(client.response?.status).toBe(503);
    expect(aborted).toBe(true);
    expect(report.connections.total).toBe(0);
  });
});

describe("Rule 10, done means done", () => {
  test("run(), shutdown() and close() settle after the last handler has settled", async () => {
    for (const stop of ["run", "shutdown", "close"] as const) {
      const log: string[] = [];
      const abort = new AbortController();
      const server = createServer(async (connection) => {
        for await (const _ of connection) {
          log.push("started");
          await work(ms(80));
          log.push("served");
        }
        connection.waitUntil(work(ms(20)).then(() => log.push("waited")));
        log.push("handler");
      });
      const running = server.run({
        listen: { port: 0, host: "127.0.0.1" },
        signals: { shutdown: abort.signal },
      });
      await eventually(() => server.state === "listening");
      const client = await openRaw((server.address() as { port: number }).port);
      client.send("work");
      await eventually(() => log.length > 0);
      if (stop === "run") abort.abort();
      else void server[stop]();
      await running;
      expect(log, stop).toEqual(["started", "served", "handler", "waited"]);
    }
  });
});

describe("Rule 11, nothing left", () => {
  test("after a shutdown, clean or forced, no timer, socket or listener remains", async () => {
    const before = countResources();
    for (const stop of ["shutdown", "close"] as const) {
      const server = createServer({ heartbeat: { interval: 50, timeout: 50 } }, echo);
      const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
      const clients = await Promise.all([openRaw(port), openRaw(port), connectRaw(port)]);
      clients[0].send("hi");
      await clients[0].received(1);
      await server[stop]({ handshakeGrace: 50 });
      expect(server.state).toBe("closed");
      expect(server.connections.size).toBe(0);
      expect(server.address()).toBe(null);
      await Promise.all(clients.map((client) => client.closed()));
      await eventually(() =>
        Object.entries(countResources()).every(([kind, count]) => count <= (before[kind] ?? 0)),
      );
    }
  });
});
