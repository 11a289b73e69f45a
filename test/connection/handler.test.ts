/** How a handler ends, and what that means for its connection. */
import { describe, expect, test } from "vitest";
import { each, type Connection, type Handler, type Message } from "../../src/index.js";
import { openRaw } from "../tools/raw-client.js";
import { eventually, gate, serve } from "../tools/serve.js";

/** What reached onError, with the connection it came from. */
type Reported = [error: unknown, connection: Connection | undefined];

describe("a handler that throws", () => {
  const failure = new Error("no more");

  const ways: readonly (readonly [string, Handler])[] = [
    [
      "synchronously",
      () => {
        throw failure;
      },
    ],
    ["asynchronously", () => Promise.reject(failure)],
    [
      "in its loop",
      async (connection) => {
        for await (const _ of connection) throw failure;
      },
    ],
  ];

  test.for(ways)("%s closes with 1011 and reaches onError with its connection", async ([, handler]) => {
    const reported: Reported[] = [];
    const opened: Connection[] = [];
    const { server, port } = await serve(
      (connection) => {
        opened.push(connection);
        return handler(connection);
      },
      { onError: (...args) => reported.push(args as Reported) },
    );
    const client = await openRaw(port);
    client.send("go");
    await client.closed();
    expect(client.close).toEqual({ code: 1011, reason: "internal error" });
    expect(client.ended).toBe("FIN");
    expect(reported).toHaveLength(1);
    expect(reported[0]![0]).toBe(failure);
    expect(reported[0]![1]).toBe(opened[0]);
    await eventually(() => server.connections.size === 0);
    expect(await opened[0]!.closed).toMatchObject({ code: 1011, wasClean: true, cause: "failed" });
  });

  test("leaves the other connections alone", async () => {
    const { server, port, errors } = await serve(async (connection) => {
      for await (const message of connection) {
        if (message === "fail") throw failure;
        connection.send(message);
      }
    });
    const [bad, good] = await Promise.all([openRaw(port), openRaw(port)]);
    bad.send("fail");
    await bad.closed();
    good.send("still here");
    await good.received(1);
    expect(good.messages).toEqual(["still here"]);
    expect(good.close).toBeUndefined();
    expect(errors).toEqual([failure]);
    expect(server.state).toBe("listening");
    good.destroy();
  });

  test("sends what it had passed to send() before the Close", async () => {
    const { port } = await serve(async (connection) => {
      for await (const message of connection) {
        connection.send(`got ${message}`);
        throw failure;
      }
    });
    const client = await openRaw(port);
    client.send("it");
    await client.closed();
    expect(client.messages).toEqual(["got it"]);
    expect(client.close?.code).toBe(1011);
  });

  test("may throw anything, also undefined", async () => {
    const { port, errors } = await serve(() => Promise.reject(undefined));
    const client = await openRaw(port);
    await client.closed();
    expect(client.close?.code).toBe(1011);
    expect(errors).toEqual([undefined]);
  });

  test("does not end the process when onError throws too, or is missing", async () => {
    for (const onError of [
      undefined,
      () => {
        throw new Error("and this one too");
      },
    ]) {
      const { port } = await serve(() => Promise.reject(failure), { onError });
      const client = await openRaw(port);
      await client.closed();
      expect(client.close?.code).toBe(1011);
    }
  });
});

describe("a handler that returns", () => {
  test.for([
    ["at once", (connection) => connection.waitUntil(Promise.resolve())],
    ["a promise", async (connection) => connection.waitUntil(Promise.resolve())],
    [
      "after a message",
      async (connection) => {
        for await (const _ of connection) return;
      },
    ],
  ] as readonly (readonly [string, Handler])[])("%s closes with 1000", async ([, handler]) => {
    const { server, port, errors } = await serve(handler);
    const client = await openRaw(port);
    client.send("go");
    await client.closed();
    expect(client.close).toEqual({ code: 1000, reason: "" });
    expect(client.ended).toBe("FIN");
    await eventually(() => server.connections.size === 0);
    expect(errors).toEqual([]);
  });

  test("after the peer's Close may still send last words, which come before our Close", async () => {
    const { port } = await serve(async (connection) => {
      for await (const _ of connection);
      connection.send("goodbye");
    });
    const client = await openRaw(port);
    client.sendClose(4001);
    await client.closed();
    expect(client.messages).toEqual(["goodbye"]);
    expect(client.close?.code).toBe(4001);
  });
});

describe("each()", () => {
  test("sends what the function returns, or its promise resolves with; undefined sends nothing", async () => {
    const { port } = await serve(
      each((message) => {
        if (message === "nothing") return undefined;
        if (message === "bytes") return new Uint8Array([1, 2, 3]);
        return message === "later" ? Promise.resolve("later") : `re: ${message}`;
      }),
    );
    const client = await openRaw(port);
    for (const message of ["one", "nothing", "later", "bytes", ""]) client.send(message);
    await client.received(4);
    expect(client.messages).toEqual(["re: one", "later", Buffer.from([1, 2, 3]), "re: "]);
    client.destroy();
  });

  test("waits for whatever has a `then`, as `await` does: also a function, or a proxy that makes it up", async () => {
    const resolve = (reply: string) => (settle: (reply: string) => void) => settle(reply);
    const { port } = await serve(
      each((message) => {
        const then = resolve(`re: ${message}`);
        // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
        const call = message === "function" ? Object.assign(() => {}, { then }) : {};
        const thenable = message === "proxy" ? new Proxy(call, { get: () => then }) : call;
        return thenable as unknown as Promise<string>;
      }),
    );
    const client = await openRaw(port);
    client.send("function");
    client.send("proxy");
    await client.received(2);
    expect(client.messages).toEqual(["re: function", "re: proxy"]);
    client.destroy();
  });

  test("gives the function the connection, and a Buffer for a binary message", async () => {
    const seen: [Message, string][] = [];
    const { port } = await serve(
      each((message, connection) => void seen.push([message, connection.request.url])),
    );
    const client = await openRaw(port, { path: "/room" });
    client.send(Buffer.from([7]));
    await eventually(() => seen.length === 1);
    expect(seen).toEqual([[Buffer.from([7]), "/room"]]);
    client.destroy();
  });

  test("has one message in hand at a time, so that replies keep the order of the messages", async () => {
    let inHand = 0;
    let most = 0;
    const { port } = await serve(
      each(async (message) => {
        most = Math.max(most, ++inHand);
        // The first takes the longest.
        for (let turns = 5 - Number(message); turns > 0; turns--)
          await new Promise((resolve) => setImmediate(resolve));
        inHand--;
        return message;
      }),
    );
    const client = await openRaw(port);
    for (let index = 0; index < 5; index++) client.send(String(index));
    await client.received(5);
    expect(client.messages).toEqual(["0", "1", "2", "3", "4"]);
    expect(most).toBe(1);
    client.destroy();
  });

  test("has as many in hand as `concurrency` says, and never more", async () => {
    const started: string[] = [];
    const gates = new Map(["a", "b", "c", "d"].map((name) => [name, gate()]));
    const { port } = await serve(
      each(
        async (message) => {
          started.push(String(message));
          await gates.get(String(message))!.passed;
          return message;
        },
        { concurrency: 3 },
      ),
    );
    const client = await openRaw(port);
    for (const name of gates.keys()) client.send(name);
    await eventually(() => started.length === 3);
    await new Promise((resolve) => setImmediate(resolve));
    expect(started).toEqual(["a", "b", "c"]);
    gates.get("b")!.open();
    await client.received(1);
    await eventually(() => started.length === 4);
    for (const each of gates.values()) each.open();
    await client.received(4);
    expect(client.messages[0]).toBe("b");
    expect(client.messages).toHaveLength(4);
    client.destroy();
  });

  test("that fails closes with 1011, and starts none of the messages behind it", async () => {
    const started: string[] = [];
    const { port, errors } = await serve(
      each((message) => {
        started.push(String(message));
        if (message === "bad") throw new Error("bad message");
        return message;
      }),
    );
    const client = await openRaw(port);
    for (const message of ["good", "bad", "behind"]) client.send(message);
    await client.closed();
    expect(client.messages).toEqual(["good"]);
    expect(client.close?.code).toBe(1011);
    expect(started).toEqual(["good", "bad"]);
    expect(errors).toMatchObject([{ message: "bad message" }]);
  });

  test("that fails with others in hand lets them finish, then closes, though no message comes", async () => {
    const others = gate();
    const started: string[] = [];
    const { port, errors } = await serve(
      each(
        async (message) => {
          started.push(String(message));
          if (message === "bad") throw new Error("bad message");
          await others.passed;
          return `served ${message}`;
        },
        // One more than there are messages: a worker is waiting for the next one.
        { concurrency: 4 },
      ),
    );
    const client = await openRaw(port);
    for (const message of ["one", "bad", "two"]) client.send(message);
    await eventually(() => started.length === 3);
    expect(client.close).toBeUndefined();
    others.open();
    await client.closed();
    expect(client.messages).toEqual(["served one", "served two"]);
    expect(client.close?.code).toBe(1011);
    expect(errors).toMatchObject([{ message: "bad message" }]);
  });

  test("ends with its connection, and the handler has then settled", async () => {
    const { server, port } = await serve(each((message) => message, { concurrency: 5 }));
    const client = await openRaw(port);
    for (let index = 0; index < 10; index++) client.send(String(index));
    client.sendClose(1000);
    await client.closed();
    expect([...client.messages].map(Number).sort((one, other) => one - other)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
    await eventually(() => server.connections.size === 0);
  });
});
