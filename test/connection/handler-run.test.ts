/** One run of a handler over a connection, on a socket in memory. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { ConnectionEvent, DropEvent } from "../../src/connection/diagnostics.js";
import type { Connection } from "../../src/connection/handler.js";
import { gate } from "../tools/serve.js";
import { framesTo, loneHandler, rest } from "./lone-endpoint.js";
import { fails, thenable } from "./thenable.js";

/** Events that a channel of the library publishes during the test. */
function published<Event>(channel: string): Event[] {
  const events: Event[] = [];
  const listener = (event: unknown): void => void events.push(event as Event);
  subscribe(channel, listener);
  onTestFinished(() => void unsubscribe(channel, listener));
  return events;
}

describe("a handler's run", () => {
  test("begins before anything is read, with the connection that is published as opened", async () => {
    const events = published<ConnectionEvent>("lastcall:connection");
    let seen: Connection | undefined;
    const { endpoint } = loneHandler((connection) => {
      seen = connection;
    });
    expect(seen).toBe(endpoint.consumer.connection);
    expect(events).toEqual([{ event: "opened", connection: seen }]);
    await rest();
  });

  test("that throws, now or later, is reported once and closes with 1011", async () => {
    const error = new Error("on purpose");
    const throws = (): never => {
      throw error;
    };
    for (const handler of [throws, () => Promise.reject(error)]) {
      const { socket, errors } = loneHandler(handler);
      await rest();
      expect(errors).toEqual([error]);
      expect(framesTo(socket)).toEqual(["close 1011 internal error"]);
    }
  });

  test("that returns closes with 1000, also when what it returns is no promise", async () => {
    const returns = (result: unknown) => (connection: Connection) => {
      connection.waitUntil(Promise.resolve());
      return result;
    };
    for (const handler of [returns(7), returns(undefined), returns(Promise.resolve())]) {
      const { socket, errors } = loneHandler(handler);
      await rest();
      expect(errors).toEqual([]);
      expect(framesTo(socket)).toEqual(["close 1000 "]);
    }
  });

  test("tells who watches of drops and of the end, with the same connection", async () => {
    const drops = published<DropEvent>("lastcall:drop");
    const events = published<ConnectionEvent>("lastcall:connection");
    const { endpoint, socket } = loneHandler(() => new Promise(() => {}));
    const { connection } = endpoint.consumer;
    socket.holdWrites();
    connection.send("one");
    connection.send("two");
    await rest();
    socket.destroy();
    await rest();
    expect(connection.send("three")).toBe(false);
    expect(drops).toEqual([
      { event: "dropped", connection, messages: 2 },
      { event: "dropped", connection, messages: 1 },
    ]);
    const closed = { code: 1006, reason: "", wasClean: false, cause: "destroyed", detail: "" };
    expect(events.slice(1)).toEqual([{ event: "closed", connection, closed }]);
  });
});

describe("`waitUntil`", () => {
  test("keeps the run from being settled until the last promise has, whenever it was given", async () => {
    const [first, second] = [gate(), gate()];
    const { endpoint, socket } = loneHandler((connection) => {
      connection.waitUntil(first.passed.then(() => connection.waitUntil(second.passed)));
    });
    await rest();
    expect([endpoint.consumer.pending, framesTo(socket)]).toEqual([1, []]);
    first.open();
    await rest();
    expect([endpoint.consumer.pending, framesTo(socket)]).toEqual([1, []]);
    second.open();
    await rest();
    expect([endpoint.consumer.pending, framesTo(socket)]).toEqual([0, ["close 1000 "]]);
  });

  test("tells the connection each time that more or less is pending", async () => {
    const { endpoint } = loneHandler(() => new Promise(() => {}));
    const told: number[] = [];
    const changed = vi
      .spyOn(endpoint, "changed")
      .mockImplementation(() => told.push(endpoint.consumer.pending));
    const { connection } = endpoint.consumer;
    connection.waitUntil(Promise.resolve());
    connection.waitUntil(Promise.reject(new Error("on purpose")));
    await rest();
    expect(told).toEqual([1, 2, 1, 0]);
    changed.mockRestore();
  });

  test("reports what fails, and the handler's own outcome rules the Close", async () => {
    const error = new Error("in the background");
    const { socket, errors } = loneHandler((connection) => connection.waitUntil(Promise.reject(error)));
    await rest();
    expect(errors).toEqual([error]);
    expect(framesTo(socket)).toEqual(["close 1000 "]);
  });

  test("holds the connection as not over, also after the handler has thrown and the socket is gone", async () => {
    const held = gate();
    const lone = loneHandler((connection) => {
      connection.waitUntil(held.passed);
      throw new Error("on purpose");
    });
    await rest();
    lone.socket.destroy();
    await rest();
    expect(lone.isOver).toBe(false);
    held.open();
    await rest();
    expect(lone.isOver).toBe(true);
  });

  test("of a promise that is given when all is settled is refused, told, and throws at nobody", async () => {
    let connection: Connection | undefined;
    const { endpoint, socket, errors } = loneHandler(async (opened) => {
      connection = opened;
      await Promise.resolve();
    });
    await rest();
    const settled = vi.spyOn(endpoint, "settled");
    const error = new Error("in the background");
    connection!.waitUntil(Promise.reject(error));
    expect(endpoint.consumer.pending).toBe(0);
    await rest();
    expect(endpoint.consumer.pending).toBe(0);
    expect(settled).not.toHaveBeenCalled();
    expect(errors).toEqual([expect.objectContaining({ code: "LASTCALL_HANDLER_SETTLED" }), error]);
    expect(framesTo(socket)).toEqual(["close 1000 "]);
  });

  test.for<[string, () => PromiseLike<unknown>]>([
    ["a thenable that throws", () => thenable({ value: fails })],
    ["one that throws when it is asked for its `then`", () => thenable({ get: fails })],
    ["a promise with such a `then` of its own", () => thenable({ value: fails }, Promise.resolve())],
    ["a promise that throws when it is asked for it", () => thenable({ get: fails }, Promise.resolve())],
    ["one whose class throws", () => Object.defineProperty(Promise.resolve(), "constructor", { get: fails })],
  ])("counts %s until it has settled, and then no longer", async ([, make]) => {
    const { endpoint, socket, errors } = loneHandler((connection) => connection.waitUntil(make()));
    await rest();
    expect([endpoint.consumer.pending, framesTo(socket)]).toEqual([0, ["close 1000 "]]);
    expect(errors).toEqual([new Error("on purpose")]);
  });

  test.for<[string, () => unknown]>([
    ["a thenable that throws", () => thenable({ value: fails })],
    ["a promise with such a `then` of its own", () => thenable({ value: fails }, Promise.resolve())],
  ])("is for what it is given; of a handler that returns %s the error is told too", async ([, make]) => {
    const { socket, errors } = loneHandler(make);
    await rest();
    expect([errors, framesTo(socket)]).toEqual([[new Error("on purpose")], ["close 1011 internal error"]]);
  });
});

describe("loops of one run", () => {
  test("get a message each in the order in which they asked, and who asks later waits behind them", async () => {
    const { endpoint, peer } = loneHandler(() => new Promise(() => {}));
    const { connection } = endpoint.consumer;
    const [a, b] = [connection[Symbol.asyncIterator](), connection[Symbol.asyncIterator]()];
    const got: string[] = [];
    const ask = (name: string, loop: typeof a): void =>
      void loop.next().then(({ value, done }) => got.push(`${name}: ${done ? "end" : String(value)}`));
    ask("a", a);
    ask("b", b);
    expect(endpoint.consumer.wants).toBe(true);
    peer.send("1", "2", "3");
    await rest();
    expect([got, endpoint.consumer.wants]).toEqual([["a: 1", "b: 2"], false]);
    // What waits already is there at once, and is in hand of who took it.
    ask("b", b);
    await rest();
    expect(got.slice(2)).toEqual(["b: 3"]);
    expect([a.inHand, b.inHand]).toEqual([1, 1]);
  });

  test("want nothing any more when the one that waited has left", async () => {
    const { endpoint, peer, tally } = loneHandler(() => new Promise(() => {}));
    const loop = endpoint.consumer.connection[Symbol.asyncIterator]();
    const waiting = loop.next();
    await loop.return();
    expect(await waiting).toEqual({ value: undefined, done: true });
    peer.send("one");
    await rest();
    expect([endpoint.consumer.wants, tally.served]).toEqual([false, 0]);
    const next = endpoint.consumer.connection[Symbol.asyncIterator]();
    expect(await next.next()).toEqual({ value: "one", done: false });
    await next.return();
    expect(tally.served).toBe(1);
  });

  test("end with the input, those that wait and those that ask later", async () => {
    const { endpoint, peer } = loneHandler(() => new Promise(() => {}));
    const { connection } = endpoint.consumer;
    const loop = connection[Symbol.asyncIterator]();
    const waiting = loop.next();
    peer.close(1001);
    expect(await waiting).toEqual({ value: undefined, done: true });
    expect(await loop.next()).toEqual({ value: undefined, done: true });
    expect(await connection[Symbol.asyncIterator]().next()).toEqual({ value: undefined, done: true });
    expect(endpoint.consumer.wants).toBe(false);
  });
});

describe("what the connection goes through", () => {
  test("is told to whoever asked for it, and to who asks afterwards", async () => {
    const { endpoint, socket, peer } = loneHandler(() => new Promise(() => {}), { highWaterMark: 100 });
    const { connection } = endpoint.consumer;
    const { draining, closed } = connection;
    const stuck = socket.holdWrites();
    connection.send("x".repeat(200));
    const flushed = connection.flushed();
    const pinged = connection.ping();
    endpoint.drain();
    expect(draining.aborted).toBe(true);
    stuck.release();
    await flushed;
    peer.frames({ opcode: 0xa, payload: Buffer.from([0, 0, 0, 1]) });
    expect(await pinged).toBeGreaterThanOrEqual(0);
    expect(connection.signal.aborted).toBe(false);
    socket.destroy();
    expect(await closed).toMatchObject({ code: 1006, wasClean: false, cause: "destroyed" });
    expect([connection.signal.aborted, connection.draining]).toEqual([true, draining]);
  });
});
