/** The shutdown of one connection, while the server goes on. */
import { describe, expect, test } from "vitest";
import type { Connection, DrainReport } from "../../src/index.js";
import { openRaw, type RawClient } from "../tools/raw-client.js";
import { eventually, gate, serve, type Served } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";

interface Scene extends Served<undefined> {
  /** Two clients of one server; the second one stays. */
  clients: [RawClient, RawClient];
  connections: [Connection, Connection];
  /** Lets what is in hand go on. */
  open: () => void;
}

async function scene(): Promise<Scene> {
  const held = gate();
  const served = await serve(async (connection) => {
    for await (const message of connection) {
      if (message !== "quick") await held.passed;
      connection.send(`done: ${message}`);
    }
  });
  const clients: [RawClient, RawClient] = [await openRaw(served.port), await openRaw(served.port)];
  const connections = [...served.server.connections] as [Connection, Connection];
  return { ...served, clients, connections, open: () => held.open() };
}

const nothing = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };

describe("one connection that is shut down", () => {
  test("is served what it had sent, then told why, while the others go on; its account is its own", async () => {
    const { clients, connections, server, open } = await scene();
    const [client, other] = clients;
    for (const request of ["one", "two", "three"]) client.send(request);
    const report = connections[0].shutdown({ code: 4001, reason: "your token has expired" });
    expect(connections.map(({ draining }) => draining.aborted)).toEqual([false, false]);
    await eventually(() => connections[0].draining.aborted);
    open();
    other.send("quick");
    await client.closed();
    expect(client.messages).toEqual(["done: one", "done: two", "done: three"]);
    expect(client.close).toEqual({ code: 4001, reason: "your token has expired" });
    await other.received(1);
    expect(await report).toMatchObject({
      outcome: "clean",
      connections: { total: 1, closed: 1 },
      messages: { ...nothing, served: 3 },
      troubled: [],
    });
    expect(await connections[0].closed).toMatchObject({ cause: "shutdown", wasClean: true });
    expect([server.state, server.connections.size, other.close]).toEqual(["listening", 1, undefined]);
    expect(String(await report)).toContain("3 messages served on 1 connection.");
  });

  test("is forced at its deadline, and its account says what it held", async () => {
    const { clients, connections, open } = await scene();
    for (const request of ["one", "two"]) clients[0].send(request);
    const startedAt = performance.now();
    const report = await connections[0].shutdown({ deadline: ms(100) });
    expect(performance.now() - startedAt).toBeLessThan(bound(1_100));
    expect(report).toMatchObject({
      outcome: "forced",
      connections: { total: 1, forced: 1 },
      troubled: [{ id: connections[0].id, reason: "handler", cause: "forced", running: 1 }],
    });
    expect(clients[1].ended).toBeUndefined();
    open();
  });

  test("does not wait for its turn among all: the server's spread is for a shutdown of the server", async () => {
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) connection.send(message);
      },
      { drain: { spread: 10_000 } },
    );
    await openRaw(port);
    const [connection] = server.connections;
    const startedAt = performance.now();
    expect(await connection!.shutdown()).toMatchObject({ outcome: "clean" });
    expect(performance.now() - startedAt).toBeLessThan(bound(300));
    const spread = { spread: 1 } as object;
    await expect(connection!.shutdown(spread)).rejects.toMatchObject({ code: "LASTCALL_INVALID_OPTION" });
  });

  test("by a deadline that is nearer than the server's last call: that comes nearer with it", async () => {
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) connection.send(message);
      },
      { drain: { lastCall: 20_000, lameDuck: 10_000 } },
    );
    await openRaw(port);
    const [connection] = server.connections;
    expect(await connection!.shutdown({ deadline: ms(5_000) })).toMatchObject({ outcome: "clean" });
    await openRaw(port);
    const [second] = server.connections;
    expect(await second!.shutdown({ deadline: ms(5_000), lastCall: ms(1_000) })).toMatchObject({
      outcome: "clean",
    });
  });

  test("has one account, however often it is asked for; a later call may bring the deadline nearer", async () => {
    const { clients, connections, open } = await scene();
    clients[0].send("one");
    const first = connections[0].shutdown();
    const second = connections[0].shutdown({ deadline: ms(50) });
    expect(second).toBe(first);
    expect((await first).outcome).toBe("forced");
    open();
  });

  test("is counted by a shutdown of the server that comes meanwhile, too", async () => {
    const { clients, connections, server, open } = await scene();
    clients[0].send("one");
    const own = connections[0].shutdown({ code: 4001 });
    await eventually(() => connections[0].draining.aborted);
    const whole = server.shutdown();
    open();
    expect((await own).messages).toEqual({ ...nothing, served: 1 });
    expect(await whole).toMatchObject({ outcome: "clean", connections: { total: 2, closed: 2 } });
    expect(clients.map(({ close }) => close?.code)).toEqual([4001, 1012]);
  });

  test("may be one that a shutdown of the server has reached already", async () => {
    const { connections, server, open } = await scene();
    open();
    const whole = server.shutdown();
    const own = await connections[0].shutdown({ deadline: ms(5_000) });
    expect(own).toMatchObject({ connections: { total: 1, closed: 1 } });
    expect((await whole).outcome).toBe("clean");
  });

  test("may be over before: then there is nothing to tell of", async () => {
    const { clients, connections, server } = await scene();
    clients[0].sendClose();
    await eventually(() => server.connections.size === 1);
    const report: DrainReport = await connections[0].shutdown();
    expect(report).toMatchObject({ outcome: "clean", connections: { total: 0 } });
  });

  test.each([{ pace: 1 }, { lameDuck: 1 }, { handshakeGrace: 1 }, { dedline: 1 }, { code: 1006 }])(
    "is not by %o: it rejects, and nothing is shut down",
    async (options) => {
      const { connections, server } = await scene();
      await expect(connections[0].shutdown(options)).rejects.toMatchObject({
        code: "LASTCALL_INVALID_OPTION",
      });
      expect([connections[0].draining.aborted, server.connections.size]).toEqual([false, 2]);
    },
  );
});
