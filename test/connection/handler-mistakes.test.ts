/** Handlers that cannot work say so, instead of closing each connection in silence. */
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { each } from "../../src/connection/each.js";
import type { Connection, Handler } from "../../src/connection/handler.js";
import { framesTo, loneHandler, rest } from "./lone-endpoint.js";

/** What is told of this handler, by its code. */
async function told(handler: Handler): Promise<unknown[]> {
  const { errors, socket } = loneHandler(handler);
  await rest();
  // The client is told what it always was.
  expect(framesTo(socket).at(-1)).toBe("close 1000 ");
  return errors.map((error) => (error as { code?: string }).code);
}

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a handler that returned", () => {
  test.for<[string, Handler]>([
    ["a string", () => "reply"],
    ["a promise of a string, later", () => later().then(() => "reply")],
    ["a Buffer", () => Buffer.from("reply")],
    ["an ArrayBuffer", () => new ArrayBuffer(2)],
    ["an ArrayBuffer of another realm", () => runInNewContext("new ArrayBuffer(2)") as unknown],
    ["what each() makes", () => each((message) => message)],
    ["a string, though it has done something", (connection) => (connection.send("hello"), "reply")],
  ])("%s is told that nobody is sent that", async ([, handler]) => {
    expect(await told(handler)).toEqual(["LASTCALL_HANDLER_RETURNED"]);
  });

  test.for<[string, Handler]>([
    ["set only a timer", (connection) => void setTimeout(() => connection.send("late"), 1)],
    [
      "set only a timer, in an async function",
      async (connection) => void setTimeout(() => connection.send("late"), 1),
    ],
    [
      "was a generator",
      async function* (connection) {
        for await (const message of connection) yield message;
      },
    ],
    ["did nothing at all", () => {}],
  ])("at once and %s is told that this ends the connection", async ([, handler]) => {
    expect(await told(handler)).toEqual(["LASTCALL_HANDLER_IDLE"]);
    await later();
  });

  test.for<[string, (connection: Connection) => unknown]>([
    ["sent something", (connection) => connection.send("hello")],
    ["closed", (connection) => connection.close()],
    ["gave work to waitUntil", (connection) => connection.waitUntil(later())],
    [
      "asked for a message, and waits no more",
      (connection) => void connection[Symbol.asyncIterator]().next(),
    ],
    ["listens to its signals", (connection) => connection.draining.addEventListener("abort", () => {})],
    ["waited for something else", () => later()],
  ])("is not told that when it %s", async ([, handler]) => {
    expect(await told(handler)).toEqual([]);
  });
});
