/** Handlers that wait for `closed`: the natural form of one that only pushes. None of them waits for itself. */
import { describe, expect, test } from "vitest";
import type { ConnectionClosed, Connection, ServerOptions } from "../../src/index.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { openRaw, type RawClient } from "../tools/raw-client.js";
import { eventually, serve, type Served } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";

interface Scene extends Served<unknown> {
  client: RawClient;
  /** What the handler's `closed` resolved with. */
  closed: Promise<ConnectionClosed>;
}

/** A client of a handler that waits for `closed`, after it has done something else. */
async function pushing(
  options: ServerOptions = {},
  before: (connection: Connection) => unknown = () => {},
): Promise<Scene> {
  let told!: (closed: ConnectionClosed) => void;
  const closed = new Promise<ConnectionClosed>((resolve) => (told = resolve));
  const served = await serve(async (connection) => {
    connection.send("hello");
    await before(connection);
    told(await connection.closed);
  }, options);
  return { ...served, client: await openRaw(served.port), closed };
}

/** Long limits: none of them is what ends it. */
const UNHURRIED = { goneTimeout: 60_000, closeReplyTimeout: 60_000, heartbeat: false } as const;

describe("a handler that waits for `closed` is told", () => {
  test("when its client has ended TCP, and the connection is given back", async () => {
    const { client, closed, server } = await pushing(UNHURRIED);
    client.socket.end();
    expect(await closed).toMatchObject({ code: 1006, wasClean: false, cause: "client-left" });
    await client.closed();
    expect(client.close?.code).toBe(1000);
    await eventually(() => server.connections.size === 0);
  });

  test("when its client has closed, and that is answered", async () => {
    const { client, closed, server } = await pushing(UNHURRIED);
    client.sendClose(4001, "done");
    expect(await closed).toMatchObject({ code: 4001, reason: "done", cause: "client-closed" });
    await client.closed();
    expect(client.close?.code).toBe(4001);
    await eventually(() => server.connections.size === 0);
  });

  test("when its client has broken the protocol, which it is told", async () => {
    const { client, closed } = await pushing(UNHURRIED);
    client.write(encodeFrame(7 as Opcode, "", { mask: Buffer.alloc(4) }));
    expect(await closed).toMatchObject({ code: 1006, cause: "protocol-error" });
    await client.closed();
    expect(client.close?.code).toBe(1002);
  });

  test("when a shutdown has reached it, which is over as soon", async () => {
    const { client, closed, server } = await pushing(UNHURRIED);
    const startedAt = performance.now();
    const report = await server.shutdown();
    expect(performance.now() - startedAt).toBeLessThan(bound(1_000));
    expect(await closed).toMatchObject({ code: 1006, cause: "shutdown" });
    expect(report).toMatchObject({ outcome: "clean", connections: { total: 1, closed: 1 } });
    await client.closed();
    expect(client.close?.code).toBe(1012);
  });

  test("when its loop has ended before it", async () => {
    const { client, closed } = await pushing(UNHURRIED, async (connection) => {
      for await (const message of connection) connection.send(message);
    });
    client.send("one");
    client.socket.end();
    expect(await closed).toMatchObject({ cause: "client-left" });
    await client.closed();
    expect(client.close?.code).toBe(1000);
    expect(client.messages).toEqual(["hello", "one"]);
  });

  test("how it has really ended, when it has closed the connection itself", async () => {
    const { client, closed } = await pushing(UNHURRIED, (connection) => connection.close(4000, "bye"));
    expect(await closed).toMatchObject({ code: 4000, wasClean: true, cause: "closed" });
    client.destroy();
  });
});

describe("a connection is kept for its handler", () => {
  test("while something is in hand, whoever waits for `closed`", async () => {
    let told = false;
    const { server, port } = await serve(async (connection) => {
      void connection.closed.then(() => (told = true));
      for await (const message of connection) {
        await new Promise((resolve) => setTimeout(resolve, ms(300)));
        expect(told).toBe(false);
        connection.send(`done: ${message}`);
      }
    }, UNHURRIED);
    const client = await openRaw(port);
    client.send("work");
    client.socket.end();
    await client.closed();
    expect(client.close?.code).toBe(1000);
    expect(client.messages).toEqual(["done: work"]);
    await eventually(() => server.connections.size === 0);
  });

  test("but not its socket, when its client has been gone for goneTimeout", async () => {
    let end!: () => void;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const { server, port } = await serve(() => ended, { ...UNHURRIED, goneTimeout: ms(100) });
    const client = await openRaw(port);
    client.socket.end();
    await client.closed();
    expect(client.close?.code).toBe(1000);
    // It has a handler, and so it is one still.
    expect(server.connections.size).toBe(1);
    end();
  });
});
