/** The loop over a connection's messages, in its details. */
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test } from "vitest";
import type { Connection, Message } from "../../src/index.js";
import { openRaw } from "../tools/raw-client.js";
import { eventually, gate, serve } from "../tools/serve.js";

type Result = IteratorResult<Message, void>;

describe("a loop over a connection", () => {
  test("gives text as strings and binary as Buffers that nothing overwrites later", async () => {
    const seen: Message[] = [];
    const { port } = await serve(async (connection) => {
      for await (const message of connection) {
        seen.push(message);
        connection.send("next");
      }
    });
    const client = await openRaw(port);
    const payloads = Array.from({ length: 50 }, (_, index) => Buffer.alloc(100 + index * 50, index));
    client.send("text");
    for (const [index, payload] of payloads.entries()) {
      client.send(payload);
      await client.received(index + 2);
    }
    expect(seen[0]).toBe("text");
    for (const [index, payload] of payloads.entries()) {
      expect(Buffer.isBuffer(seen[index + 1])).toBe(true);
      expect(payload.equals(seen[index + 1] as Buffer)).toBe(true);
    }
    client.destroy();
  });

  test("that is left by break does not end the connection, and a second loop goes on", async () => {
    const seen: string[] = [];
    const { port } = await serve(async (connection) => {
      for await (const message of connection) {
        seen.push(`first ${message}`);
        if (message === "2") break;
      }
      connection.send("between");
      for await (const message of connection) seen.push(`second ${message}`);
    });
    const client = await openRaw(port);
    for (const message of ["1", "2", "3", "4"]) client.send(message);
    client.sendClose(1000);
    await client.closed();
    expect(seen).toEqual(["first 1", "first 2", "second 3", "second 4"]);
    expect(client.messages).toEqual(["between"]);
    expect(client.close?.code).toBe(1000);
  });

  test("that is left by break counts its message as served", async () => {
    const stopped = gate();
    const left = gate();
    const { server, port } = await serve(async (connection) => {
      await stopped.passed;
      for await (const _ of connection) break;
      left.open();
      for await (const _ of connection);
    });
    const client = await openRaw(port);
    client.send("one");
    client.send("two");
    const shutdown = server.shutdown();
    stopped.open();
    await left.passed;
    expect((await shutdown).messages).toMatchObject({ served: 2, handedBack: 0, abandoned: 0 });
  });

  test("can be written twice at the same time: each message goes to one of them, in order", async () => {
    const seen: string[] = [];
    const loop = async (name: string, connection: Connection): Promise<void> => {
      for await (const message of connection) {
        seen.push(`${name}${message}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const { server, port } = await serve((connection) =>
      Promise.all([loop("a", connection), loop("b", connection)]),
    );
    const client = await openRaw(port);
    for (let index = 0; index < 6; index++) client.send(String(index));
    client.sendClose(1000);
    await client.closed();
    expect(seen.map((entry) => entry[1])).toEqual(["0", "1", "2", "3", "4", "5"]);
    expect(new Set(seen.map((entry) => entry[0])).size).toBe(2);
    await eventually(() => server.connections.size === 0);
  });

  test("ends also for loops that begin after the end, and gives them what still waited", async () => {
    const over = gate();
    const { port } = await serve(async (connection) => {
      await over.passed;
      const seen: Message[] = [];
      for await (const message of connection) seen.push(message);
      for await (const _ of connection) seen.push("never");
      connection.send(seen.join(","));
    });
    const client = await openRaw(port);
    client.send("a");
    client.send("b");
    client.ping("all is read");
    await client.until(() => client.pongs.length === 1);
    over.open();
    client.sendClose(1000);
    await client.closed();
    expect(client.messages).toEqual(["a,b"]);
  });

  test("holds the AsyncLocalStorage of the handler across its iterations", async () => {
    const storage = new AsyncLocalStorage<string>();
    const { port } = await serve((connection) =>
      storage.run(connection.request.url, async () => {
        for await (const message of connection) connection.send(`${message} for ${storage.getStore()}`);
        connection.send(`end of ${storage.getStore()}`);
      }),
    );
    const clients = await Promise.all(["/ada", "/grace"].map((path) => openRaw(port, { path })));
    for (const round of ["1", "2", "3"]) {
      for (const client of clients) client.send(round);
      await Promise.all(clients.map((client) => client.received(Number(round))));
    }
    for (const client of clients) client.sendClose(1000);
    await Promise.all(clients.map((client) => client.closed()));
    for (const [index, who] of ["/ada", "/grace"].entries()) {
      const expected = [`1 for ${who}`, `2 for ${who}`, `3 for ${who}`, `end of ${who}`];
      expect(clients[index]!.messages).toEqual(expected);
    }
  });
});

describe("next()", () => {
  test("called several times at once gives the messages in the order of the calls", async () => {
    const results: Result[] = [];
    const { port } = await serve(async (connection) => {
      const messages = connection[Symbol.asyncIterator]();
      const calls = Array.from({ length: 4 }, () => messages.next());
      for (const call of calls) results.push(await call);
    });
    const client = await openRaw(port);
    for (const message of ["a", "b", "c"]) client.send(message);
    client.sendClose(1000);
    await client.closed();
    expect(results.map(({ value, done }) => [value, done])).toEqual([
      ["a", false],
      ["b", false],
      ["c", false],
      [undefined, true],
    ]);
  });

  test("behind the end goes on saying so", async () => {
    const ends: Result[] = [];
    const { port } = await serve(async (connection) => {
      const messages = connection[Symbol.asyncIterator]();
      for (let call = 0; call < 3; call++) ends.push(await messages.next());
    });
    const client = await openRaw(port);
    client.sendClose(1000);
    await client.closed();
    expect(ends.map(({ done }) => done)).toEqual([true, true, true]);
  });

  test("of an iterator that was told to return gives nothing more, and ends its own waits only", async () => {
    const log: unknown[] = [];
    const { port } = await serve(async (connection) => {
      const one = connection[Symbol.asyncIterator]();
      const two = connection[Symbol.asyncIterator]();
      const waiting = one.next();
      const other = two.next();
      connection.send("both wait");
      await one.return!();
      log.push((await waiting).done, (await one.next()).done, (await other).value);
    });
    const client = await openRaw(port);
    await client.received(1);
    client.send("for the other");
    await client.closed();
    expect(log).toEqual([true, true, "for the other"]);
  });
});
