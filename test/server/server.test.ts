/** The face that runs a handler for each connection, on sockets in memory. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, onTestFinished, test } from "vitest";
import { createServer, type Connection } from "../../src/index.js";
import type { ErrorEvent } from "../../src/server/diagnostics.js";
import { framesTo, rest } from "../connection/lone-endpoint.js";
import { door } from "../tools/memory-door.js";
import { gate } from "../tools/serve.js";

/** A handler that waits until nobody hears it any more. */
const untilUnheard = (connection: Connection): Promise<unknown> =>
  new Promise((resolve) => connection.signal.addEventListener("abort", resolve));

describe("a server's connections", () => {
  test("are those whose handler has not settled or whose socket is open, as handlers see them", async () => {
    const served = gate();
    const seen: Connection[] = [];
    const { server, open } = await door(async (connection) => {
      seen.push(connection);
      await served.passed;
    });
    const socket = await open();
    expect([...server.connections]).toEqual(seen);
    expect(seen).toHaveLength(1);
    socket.destroy();
    await rest();
    expect(server.connections.size).toBe(1);
    served.open();
    await rest();
    expect(server.connections.size).toBe(0);
  });
});

describe("a broadcast", () => {
  test("goes to all that are open, or those that are picked, and says how many took it", async () => {
    const seen: Connection[] = [];
    const drops: unknown[] = [];
    const listener = (event: unknown): void => void drops.push(event);
    subscribe("lastcall:drop", listener);
    onTestFinished(() => void unsubscribe("lastcall:drop", listener));
    const { server, open } = await door((connection) => {
      seen.push(connection);
      return untilUnheard(connection);
    });
    const sockets = [await open(), await open(), await open()];
    seen[2]!.close();
    expect(server.broadcast("to all")).toBe(2);
    expect(server.broadcast(new Uint8Array([1]), { where: ({ id }) => id === seen[1]!.id })).toBe(1);
    await rest();
    expect(sockets.map((socket) => framesTo(socket))).toEqual([
      ["text to all"],
      ["text to all", "binary 01"],
      ["close 1000 "],
    ]);
    // Who is on his way out is passed over: that is no drop.
    expect(drops).toEqual([]);
  });

  test("is not taken by a connection whose outbox is over its limit, which ends as with `send`", async () => {
    const { server, open } = await door(untilUnheard, { outboxLimit: 100, highWaterMark: 50 });
    const full = await open();
    await open();
    const signals = [...server.connections].map(({ signal }) => signal);
    full.holdWrites();
    expect(server.broadcast("x".repeat(200))).toBe(2);
    await rest();
    expect(server.broadcast("more")).toBe(1);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(signals[0]!.reason).toMatchObject({ cause: "slow-consumer" });
  });

  test("of what is no message is refused before anybody gets anything", async () => {
    const { server, open } = await door(untilUnheard);
    const socket = await open();
    expect(() => server.broadcast(7 as never)).toThrow(
      expect.objectContaining({ option: "A message" }) as Error,
    );
    await rest();
    expect(framesTo(socket)).toEqual([]);
  });
});

describe("an error of a handler", () => {
  test("is told to onError with its connection, and published; onError's own go nowhere", async () => {
    const events: ErrorEvent[] = [];
    const listener = (event: unknown): void => void events.push(event as ErrorEvent);
    subscribe("lastcall:error", listener);
    onTestFinished(() => void unsubscribe("lastcall:error", listener));
    const error = new Error("on purpose");
    const told: unknown[] = [];
    let connection: Connection | undefined;
    const { open } = await door(
      (opened) => {
        connection = opened;
        throw error;
      },
      {
        onError: async (...details) => {
          told.push(details);
          throw new Error("in onError");
        },
      },
    );
    await open();
    await rest();
    expect(told).toEqual([[error, connection]]);
    expect(events).toEqual([{ event: "error", error, connection }]);
  });
});

describe("`run`", () => {
  test("serves until its signal says otherwise, and lets go of it", async () => {
    const server = createServer(untilUnheard);
    const shutdown = new AbortController();
    const running = server.run({ listen: { port: 0, host: "127.0.0.1" }, shutdown: shutdown.signal });
    while (server.state !== "listening") await rest();
    shutdown.abort();
    expect(server.state).toBe("draining");
    expect(await running).toMatchObject({ outcome: "clean", connections: { total: 0 } });
  });

  test("never listens with a signal that came before", async () => {
    for (const signals of [{ shutdown: AbortSignal.abort() }, { close: AbortSignal.abort() }]) {
      const server = createServer(untilUnheard);
      expect(await server.run({ listen: { port: 0 }, ...signals })).toMatchObject({
        connections: { total: 0 },
      });
      expect(server.address()).toBe(null);
    }
  });

  test("without a place to listen has nothing to run", async () => {
    const server = createServer(untilUnheard);
    await expect(server.run()).rejects.toMatchObject({ code: "LASTCALL_SERVER_STATE" });
    await server.close();
  });
});
