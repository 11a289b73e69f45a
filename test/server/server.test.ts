/** The face that runs a handler for each connection, on sockets in memory. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { createServer, type Connection, type Handler } from "../../src/index.js";
import type { ErrorEvent } from "../../src/server/diagnostics.js";
import { framesTo, rest } from "../connection/lone-endpoint.js";
import { door } from "../tools/memory-door.js";
import { gate, untold } from "../tools/serve.js";

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
    expect(() => server.broadcast("to none", { where: (async () => false) as never })).toThrow(
      /^where must be a function that decides at once; it returned a promise/,
    );
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

describe("without onError an error", () => {
  /** The next warning of ours. */
  const warning = (): Promise<Error & { detail?: string }> =>
    new Promise((resolve) => {
      const listener = (given: Error): void => {
        if (given.name !== "LastcallWarning") return;
        process.off("warning", listener);
        resolve(given);
      };
      process.on("warning", listener);
      onTestFinished(() => void process.off("warning", listener));
    });

  test.for<[string, Handler, RegExp]>([
    [
      "thrown by the handler",
      () => {
        throw new Error("on purpose");
      },
      /Error: on purpose$/,
    ],
    ["of a reply of a wrong type", (connection) => connection.send(7 as never), /A message must be/],
    [
      "of a member that there is not",
      (connection) => (connection as unknown as { sned: (news: string) => void }).sned("news"),
      /TypeError/,
    ],
  ])("%s is a warning of the process", async ([, handler, message]) => {
    const told = warning();
    const { open } = await door(handler);
    await open();
    expect(await told).toMatchObject({
      code: "LASTCALL_UNHEARD_ERROR",
      message: expect.stringMatching(message) as string,
    });
  });

  test("that onError throws itself is one too", async () => {
    const told = warning();
    const fail = (): never => {
      throw new Error("of the handler");
    };
    const onError = (error: unknown): never => {
      throw new Error("of the logger", { cause: error });
    };
    const { open } = await door(fail, { onError });
    await open();
    expect((await told).message).toMatch(/in onError itself: Error: of the logger$/);
  });
});

test("the abort of a connection's own signal is no error, in the handler and in work given to waitUntil", async () => {
  const told: unknown[] = [];
  const { open } = await door(
    async (connection) => {
      connection.waitUntil(sleep(60_000, undefined, { signal: connection.signal }));
      await fetchLike(connection.signal);
    },
    { onError: (error) => told.push(error) },
  );
  const socket = await open();
  await rest();
  socket.destroy();
  await rest();
  expect(told).toEqual([]);
});

/** As `fetch` does: it rejects with the signal's reason. */
function fetchLike(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
}

describe("`run`", () => {
  test("serves until its signal says otherwise, and lets go of it", async () => {
    const server = createServer(untilUnheard);
    const shutdown = new AbortController();
    const running = server.run({
      listen: { port: 0, host: "127.0.0.1" },
      signals: { shutdown: shutdown.signal },
    });
    while (server.state !== "listening") await rest();
    shutdown.abort();
    expect(server.state).toBe("draining");
    expect(await running).toMatchObject({ outcome: "clean", connections: { total: 0 } });
  });

  test("never listens with a signal that came before", async () => {
    for (const signals of [{ shutdown: AbortSignal.abort() }, { ...untold, close: AbortSignal.abort() }]) {
      const server = createServer(untilUnheard);
      expect(await server.run({ listen: { port: 0 }, signals })).toMatchObject({
        connections: { total: 0 },
      });
      expect(server.address()).toBe(null);
    }
  });

  test("without a place to listen has nothing to run", async () => {
    const server = createServer(untilUnheard);
    await expect(server.run({ signals: untold })).rejects.toMatchObject({ code: "LASTCALL_SERVER_STATE" });
    await server.close();
  });
});
