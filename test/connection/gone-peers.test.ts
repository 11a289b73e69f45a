/** Clients that leave while something of theirs is in hand: who works for them learns of it as soon as it can be known. */
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Connection } from "../../src/index.js";
import { openRaw, type RawClient } from "../tools/raw-client.js";
import { startNode } from "../tools/run-process.js";
import { gate, serve, type Served } from "../tools/serve.js";
import { ms } from "../tools/timing.js";

interface Job extends Served<undefined> {
  connection: Promise<Connection>;
  /** Lets the job end by itself. */
  finish: () => void;
}

/** A server with one job per message, that ends when it is told to or when the signal aborts. */
async function jobs(): Promise<Job> {
  let begun!: (connection: Connection) => void;
  const connection = new Promise<Connection>((resolve) => (begun = resolve));
  const done = gate();
  const served = await serve(async (opened) => {
    for await (const message of opened) {
      begun(opened);
      const unheard = once(opened.signal, "abort");
      await Promise.race([done.passed, opened.signal.aborted ? undefined : unheard]);
      opened.send(`done: ${message}`);
    }
  });
  onTestFinished(() => done.open());
  return { ...served, connection, finish: () => done.open() };
}

/** How long it takes from now until the signal of a connection aborts. */
async function untilUnheard({ signal }: Connection): Promise<number> {
  const startedAt = performance.now();
  if (!signal.aborted) await once(signal, "abort");
  return performance.now() - startedAt;
}

const A_SECOND = ms(1_000);

const leave: Record<string, (client: RawClient) => void> = {
  "is terminated": (client) => client.destroy(),
  "resets the connection": (client) => client.reset(),
  closes: (client) => client.sendClose(1001),
  "closes and is gone without waiting for the answer": (client) => {
    client.sendClose(1001);
    client.destroy();
  },
};

describe("the signal of a connection aborts within a second", () => {
  test.for(Object.entries(leave))("when its client %s during a job", async ([, act]) => {
    const { port, connection } = await jobs();
    const client = await openRaw(port);
    client.send("job");
    const opened = await connection;
    act(client);
    expect(await untilUnheard(opened)).toBeLessThan(A_SECOND);
    client.destroy();
  });

  test("when its client's process is killed during a job, and a shutdown waits no longer", async () => {
    const { port, connection, server } = await jobs();
    const { child } = startNode([
      "--input-type=module",
      "-e",
      `import WebSocket from "ws";
       const client = new WebSocket("ws://127.0.0.1:${port}");
       client.on("open", () => client.send("job"));`,
    ]);
    const opened = await connection;
    child.kill("SIGKILL");
    await once(child, "exit");
    const startedAt = performance.now();
    const report = await server.shutdown();
    expect(performance.now() - startedAt).toBeLessThan(A_SECOND);
    expect(["client-left", "reset"]).toContain(opened.signal.reason.cause);
    expect(report).toMatchObject({ connections: { left: 1, forced: 0 }, messages: { served: 1 } });
  });
});

describe("a client that ends its side of TCP and reads on", () => {
  test("is asked whether it is there, and gets what it asked for", async () => {
    const { port, connection, finish } = await jobs();
    const client = await openRaw(port, { answersPing: false });
    client.send("job");
    const { signal } = await connection;
    client.end();
    await client.until(() => client.pings.length >= 3);
    expect(signal.aborted).toBe(false);
    finish();
    await client.closed();
    expect(client.messages).toEqual(["done: job"]);
    expect(client.close?.code).toBe(1000);
  });

  test("is asked nothing when what it asked for is done at once", async () => {
    const { port } = await serve(async (connection) => {
      for await (const message of connection) connection.send(message);
    });
    const client = await openRaw(port);
    client.send("quick");
    client.end();
    await client.closed();
    expect(client.messages).toEqual(["quick"]);
    expect(client.log).toEqual(["message", "close"]);
  });
});

test("a client that closes gets what is done within half a second behind its Close, and then the answer", async () => {
  const { port, connection, finish } = await jobs();
  const client = await openRaw(port);
  client.send("job");
  client.sendClose(1001);
  const { signal } = await connection;
  expect(signal.aborted).toBe(false);
  finish();
  await client.closed();
  expect(client.messages).toEqual(["done: job"]);
  expect(client.close?.code).toBe(1001);
});

describe("a handler that only pushes, and reads nothing, learns at once", () => {
  const ends: readonly (readonly [string, (client: RawClient) => void, number])[] = [
    ["of its client's Close", (client) => client.sendClose(1001), 1001],
    ["of its client's FIN", (client) => client.end(), 1000],
    [
      "that its client broke the protocol",
      (client) => client.write(Buffer.from([0xf1, 0x80, 1, 2, 3, 4])),
      1002,
    ],
  ];

  test.for(ends)("%s, says goodbye, and the Close is answered", async ([, act, code]) => {
    const { port } = await serve(async (connection) => {
      connection.send("news");
      if (!connection.draining.aborted) await once(connection.draining, "abort");
      connection.send("goodbye");
    });
    const client = await openRaw(port);
    await client.received(1);
    const startedAt = performance.now();
    act(client);
    await client.closed();
    expect(performance.now() - startedAt).toBeLessThan(A_SECOND);
    expect(client.messages).toEqual(["news", "goodbye"]);
    expect(client.close?.code).toBe(code);
  });

  test("of it when it asks afterwards, as of a shutdown that ends the connection later", async () => {
    const { port, connection, server } = await jobs();
    const client = await openRaw(port);
    client.send("job");
    const opened = await connection;
    expect(opened.draining.aborted).toBe(false);
    client.end();
    await once(opened.draining, "abort");
    const report = server.shutdown({ deadline: ms(100) });
    expect((await report).connections).toMatchObject({ forced: 1, unproven: 1 });
    client.destroy();
  });
});
