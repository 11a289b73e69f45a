/** What is misspelt or misplaced in any call fails, and does not quietly do something else. */
import { describe, expect, it } from "vitest";
import { createServer, each, InvalidOptionError } from "../../src/index.js";
import { terminationSignals } from "../../src/process/index.js";
import { untold } from "../tools/serve.js";

/** Calls that TypeScript would not let through. */
const calls: Record<string, (given: never) => unknown> = {
  "broadcast's options": (given) => createServer(() => {}).broadcast("news", given),
  "each's options": (given) => each((message) => message, given),
  "terminationSignals' options": (given) => terminationSignals(given),
};

const bad: [string, unknown][] = [
  ["an option that there is not", { were: () => false }],
  ["a function where options go", () => false],
  ["a number", 4],
  ["null", null],
  ["a list", []],
];

describe.each(Object.entries(calls))("%s", (_, call) => {
  it.each(bad)("refuse %s", (_, given) => {
    expect(() => call(given as never)).toThrow(InvalidOptionError);
  });
});

it("refuses a filter of broadcast that is no function, whoever is connected", () => {
  const server = createServer(() => {});
  expect(() => server.broadcast("news", { where: "room1" as never })).toThrow(/^where must be a function/);
});

it("shows what goes into the second argument of broadcast", () => {
  const broadcast = () => createServer(() => {}).broadcast("news", (() => true) as never);
  expect(broadcast).toThrow(/^The options of broadcast\(\) must be an object, { where }; it was a function/);
});

it.each([
  ["port", 8080, "run({ listen })"],
  ["server", {}, "run({ listen })"],
  ["verifyClient", () => true, "authenticate"],
  ["handleProtocols", () => "", "protocols"],
  ["perMessageDeflate", true, "compression"],
])("says what takes the place of the option %s that ws has", (name, value, meant) => {
  const message = `${name} must be left out, since there is no such option (did you mean ${meant}?)`;
  const given = { [name]: value } as never;
  expect(() => createServer(given, () => {})).toThrow(message);
  // Also without a handler, as ws is called.
  expect(() => createServer(given)).toThrow(message);
});

it("refuses to make a handler of what is no function", () => {
  expect(() => each(undefined as never)).toThrow(
    /^The first argument of each\(\) must be a function; it was undefined/,
  );
});

it("refuses signals that are no list, or an empty one: nothing would be heard", () => {
  for (const signals of ["SIGTERM" as never, []]) {
    expect(() => terminationSignals({ signals })).toThrow(/a list of names/);
  }
});

it.each([
  ["a callback", () => {}, /a promise instead of calling back; it was a function/],
  ["a host", "127.0.0.1", /a host goes into { port, host }.*; it was "127.0.0.1"/],
])("refuses to listen with %s behind the port, as node:net takes it", async (_, second, message) => {
  const server = createServer(() => {});
  const listen = server.listen.bind(server) as (...given: unknown[]) => Promise<unknown>;
  await expect(listen(0, second)).rejects.toThrow(message);
  expect(server.address()).toBe(null);
});

it.each([
  [{ listn: 0 }, /^listn must be left out/],
  [8080, /^The options of run\(\) must be an object, { listen, signals }; it was 8080/],
  [undefined, /^The options of run\(\) must be an object, .*; it was undefined/],
  // A process that nothing has told to stop dies of SIGTERM undrained.
  [{ listen: 0 }, /^signals must be what terminationSignals\(\) returns.*; it was undefined/],
  [{ listen: 0, signals: undefined }, /^signals must be what terminationSignals\(\) returns/],
  [{ listen: 0, signals: terminationSignals }, /^signals must be what terminationSignals\(\).*a function/],
  [{ listen: 0, ...terminationSignals }, /^signals must be/],
  [terminationSignals, /^The options of run\(\) must be an object.*a function/],
  [{ listen: 0, signals: new AbortController().signal }, /^signals\.shutdown must be an AbortSignal/],
  [{ listen: 0, signals: {} }, /^signals\.shutdown must be an AbortSignal/],
  [{ listen: 0, signals: { ...untold, stop: untold.shutdown } }, /^signals\.stop must be left out/],
  [{ listen: 0, signals: { shutdown: new AbortController() } }, /^signals\.shutdown must be an AbortSignal/],
  [{ listen: 0, signals: { ...untold, close: () => {} } }, /^signals\.close must be an AbortSignal/],
  [{ listen: 0, shutdown: untold.shutdown }, /^shutdown must be left out/],
])("refuses to run with %o", async (given, message) => {
  const server = createServer(() => {});
  await expect(server.run(given as never)).rejects.toThrow(message);
  expect(server.state).toBe("idle");
});
