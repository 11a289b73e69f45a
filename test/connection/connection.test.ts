/** What a handler can do with its connection beside sending: close, ping, wait, and learn how it ends. */
import { describe, expect, test } from "vitest";
import { InvalidOptionError, type Connection, type ConnectionClosed } from "../../src/index.js";
import { Opcode } from "../../src/wire/frame.js";
import { openRaw, type RawClient } from "../tools/raw-client.js";
import { eventually, gate, serve } from "../tools/serve.js";
import { ms, work } from "../tools/timing.js";
import { pair } from "./pair.js";

describe("close()", () => {
  test.for([
    [[], 1000, ""],
    [[1001], 1001, ""],
    [[3000, "bye"], 3000, "bye"],
    [[4999, "ä".repeat(61)], 4999, "ä".repeat(61)],
    [[1014], 1014, ""],
  ] as const)("%j is what the peer reads", async ([args, code, reason]) => {
    const { client, connection } = await pair();
    connection.close(...(args as []));
    await client.closed();
    expect(client.close).toEqual({ code, reason });
    expect(client.ended).toBe("FIN");
  });

  test.for([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, NaN, "1000", null])(
    "refuses the code %s, and the connection goes on",
    async (code) => {
      const { client, connection } = await pair();
      expect(() => connection.close(code as number)).toThrow(/^The close code must be /);
      connection.send("still here");
      await client.received(1);
    },
  );

  test.for(["x".repeat(124), "ä".repeat(62), 5, null])("refuses the reason %s", async (reason) => {
    const { client, connection } = await pair();
    expect(() => connection.close(1000, reason as string)).toThrow(InvalidOptionError);
    connection.send("still here");
    await client.received(1);
  });

  test("sends what waits first, delivers no message that waits, and lets the handler finish", async () => {
    const seen: unknown[] = [];
    const { client, connection, finish, server } = await pair({
      after: async (connection) => {
        for await (const message of connection) seen.push(message);
        seen.push("end");
      },
    });
    client.send("waits");
    client.ping();
    await client.until(() => client.pongs.length === 1);
    connection.send(Buffer.alloc(2 * 1024 * 1024));
    connection.close(4000);
    await client.closed();
    expect(client.messages).toHaveLength(1);
    expect(client.close?.code).toBe(4000);
    expect(server.connections.size).toBe(1);
    finish();
    await eventually(() => server.connections.size === 0);
    expect(seen).toEqual(["end"]);
  });

  test("a second time changes nothing", async () => {
    const { client, connection } = await pair();
    connection.close(4000, "first");
    connection.close(4001, "second");
    await client.closed();
    expect(client.close).toEqual({ code: 4000, reason: "first" });
    expect(() => connection.close()).not.toThrow();
  });
});

describe("closed", () => {
  const ends: readonly (readonly [string, (client: RawClient) => void, Partial<ConnectionClosed>])[] = [
    [
      "the peer's Close",
      (client) => client.sendClose(4321, "bye"),
      { code: 4321, reason: "bye", wasClean: true },
    ],
    ["a Close without a code", (client) => client.sendClose(), { code: 1005, reason: "", wasClean: true }],
    ["a FIN without a Close", (client) => client.end(), { code: 1006, reason: "", wasClean: false }],
    ["a reset", (client) => client.reset(), { code: 1006, reason: "", wasClean: false }],
  ];

  test.for(ends)("tells of %s", async ([, end, told]) => {
    const { client, connection, finish } = await pair();
    const { closed } = connection;
    end(client);
    finish();
    expect(await closed).toMatchObject(told);
    // Asked for afterwards it says the same.
    expect(await connection.closed).toEqual(await closed);
  });

  test("may be awaited by the handler itself", async () => {
    const { server, port } = await serve(async (connection) => {
      for await (const _ of connection) break;
      connection.close(4000);
      await connection.closed;
    });
    const client = await openRaw(port);
    client.send("go");
    await client.closed();
    await eventually(() => server.connections.size === 0);
  });
});

describe("ping()", () => {
  test("resolves with the milliseconds until the Pong", async () => {
    const { client, connection } = await pair();
    const startedAt = performance.now();
    const roundTrip = await connection.ping();
    expect(roundTrip).toBeGreaterThan(0);
    expect(roundTrip).toBeLessThanOrEqual(performance.now() - startedAt);
    expect(client.pings).toHaveLength(1);
  });

  test("of several, a later Pong answers the earlier ones", async () => {
    let connection: Connection | undefined;
    const { port } = await serve(async (opened) => {
      connection = opened;
      await opened.closed;
    });
    const client = await openRaw(port, { answersPing: false });
    await eventually(() => connection !== undefined);
    const trips = [connection!.ping(), connection!.ping(), connection!.ping()];
    await client.until(() => client.pings.length === 3);
    client.sendFrame(Opcode.pong, client.pings[1]);
    await Promise.all(trips.slice(0, 2));
    let third = false;
    void trips[2]!.then(() => (third = true));
    // A Pong that answers none of ours means nothing.
    client.sendFrame(Opcode.pong, Buffer.from([0, 0, 0, 9]));
    client.sendFrame(Opcode.pong, client.pings[0]);
    client.ping("read so far");
    await client.until(() => client.pongs.length === 1);
    expect(third).toBe(false);
    client.sendFrame(Opcode.pong, client.pings[2]);
    await trips[2];
    client.destroy();
  });

  test("rejects when the connection ends before the Pong, or has ended", async () => {
    let connection: Connection | undefined;
    const { port } = await serve(async (opened) => {
      connection = opened;
      await opened.closed;
    });
    const client = await openRaw(port, { answersPing: false });
    await eventually(() => connection !== undefined);
    const trip = connection!.ping();
    client.reset();
    await expect(trip).rejects.toMatchObject({ code: "LASTCALL_CONNECTION_GONE" });
    await expect(connection!.ping()).rejects.toMatchObject({ code: "LASTCALL_CONNECTION_GONE" });
  });
});

describe("waitUntil()", () => {
  test("keeps the connection from being ended before the promise has settled", async () => {
    const later = gate();
    const { port } = await serve((connection) => {
      connection.waitUntil(later.passed.then(() => connection.send("done later")));
    });
    const client = await openRaw(port);
    client.ping();
    await client.until(() => client.pongs.length === 1);
    expect(client.close).toBeUndefined();
    later.open();
    await client.closed();
    expect(client.messages).toEqual(["done later"]);
    expect(client.close?.code).toBe(1000);
  });

  test("may be called again by what is waited for", async () => {
    const { port } = await serve((connection) => {
      const step = async (left: number): Promise<void> => {
        await new Promise((resolve) => setImmediate(resolve));
        connection.send(String(left));
        if (left > 0) connection.waitUntil(step(left - 1));
      };
      connection.waitUntil(step(3));
    });
    const client = await openRaw(port);
    await client.closed();
    expect(client.messages).toEqual(["3", "2", "1", "0"]);
  });

  test("reports a rejection to onError with the connection, which goes on", async () => {
    const failure = new Error("in the background");
    const reported: unknown[][] = [];
    let opened: Connection | undefined;
    const { port } = await serve(
      async (connection) => {
        opened = connection;
        for await (const message of connection) {
          connection.waitUntil(Promise.reject(failure));
          connection.send(message);
        }
      },
      { onError: (...args) => reported.push(args) },
    );
    const client = await openRaw(port);
    client.send("one");
    client.send("two");
    await client.received(2);
    await eventually(() => reported.length === 2);
    expect(reported).toEqual([
      [failure, opened],
      [failure, opened],
    ]);
    client.sendClose(1000);
    await client.closed();
    expect(client.close?.code).toBe(1000);
  });

  test("takes what is only like a promise, and a value", async () => {
    const { port, errors } = await serve((connection) => {
      // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
      const thenable = { then: (resolve: (value: unknown) => void) => void setImmediate(resolve) };
      connection.waitUntil(thenable as never);
      connection.waitUntil("nothing" as never);
    });
    const client = await openRaw(port);
    await client.closed();
    expect(client.close?.code).toBe(1000);
    expect(errors).toEqual([]);
  });

  test("is waited for by shutdown()", async () => {
    let done = false;
    const { server, port } = await serve((connection) => {
      connection.waitUntil(work(ms(50)).then(() => (done = true)));
    });
    await openRaw(port);
    const report = await server.shutdown();
    expect(done).toBe(true);
    expect(report.outcome).toBe("clean");
  });
});

describe("signal", () => {
  test("aborts when the peer is gone, and says why", async () => {
    const { client, connection } = await pair();
    const { signal } = connection;
    expect(signal.aborted).toBe(false);
    client.reset();
    await connection.closed;
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ code: "LASTCALL_CONNECTION_GONE" });
    expect(connection.signal).toBe(signal);
  });

  test("has aborted already when it is first asked for afterwards", async () => {
    const { client, connection } = await pair();
    client.reset();
    await connection.closed;
    expect(connection.signal.aborted).toBe(true);
  });

  test("does not abort at the peer's Close, while an answer can still be heard", async () => {
    const { client, connection, finish } = await pair({
      after: async (connection) => {
        for await (const _ of connection);
        connection.send(`aborted: ${connection.signal.aborted}`);
      },
    });
    client.sendClose(1000);
    finish();
    await client.closed();
    expect(client.messages).toEqual(["aborted: false"]);
    expect(connection.signal.aborted).toBe(true);
  });

  test("aborts at the deadline of a shutdown", async () => {
    const { server, port } = await serve(
      (connection) => new Promise((resolve) => connection.signal.addEventListener("abort", resolve)),
    );
    await openRaw(port);
    const report = await server.shutdown({ deadline: ms(100) });
    expect(report.connections.forced).toBe(1);
    expect(server.connections.size).toBe(0);
  });
});

describe("draining", () => {
  test("aborts when a shutdown reaches the connection, so that a handler which only pushes can wrap up", async () => {
    const { server, port } = await serve(async (connection) => {
      for (let count = 0; !connection.draining.aborted; count++) {
        connection.send(`tick ${count}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      connection.send("wrapping up");
    });
    const client = await openRaw(port);
    await client.received(3);
    const report = await server.shutdown();
    expect(client.messages.at(-1)).toBe("wrapping up");
    expect(client.close?.code).toBe(1012);
    expect(report).toMatchObject({ outcome: "clean", connections: { closed: 1 } });
  });

  test("aborts as well when a connection ends by itself, whoever begins", async () => {
    const { client, connection, finish } = await pair();
    const { draining } = connection;
    client.sendClose(1000);
    finish();
    await client.closed();
    expect(draining.aborted).toBe(true);
  });
});
