/** The errors that users can tell apart: their classes, names and codes. */
import { describe, expect, test } from "vitest";
import {
  ConnectionGoneError,
  InvalidOptionError,
  LastcallError,
  ServerStateError,
  UpgradeRejected,
} from "../../src/index.js";

/** Codes are stable: whoever changes this table breaks somebody's `switch`. */
const errors = [
  {
    error: new InvalidOptionError("maxPayload", 0, "from 1"),
    name: "InvalidOptionError",
    code: "LASTCALL_INVALID_OPTION",
  },
  { error: new ServerStateError("Too late."), name: "ServerStateError", code: "LASTCALL_SERVER_STATE" },
  { error: new ConnectionGoneError("Gone."), name: "ConnectionGoneError", code: "LASTCALL_CONNECTION_GONE" },
  { error: new UpgradeRejected(403), name: "UpgradeRejected", code: "LASTCALL_UPGRADE_REJECTED" },
  { error: new LastcallError("LASTCALL_OTHER", "Other."), name: "LastcallError", code: "LASTCALL_OTHER" },
] as const;

describe("every error", () => {
  test.for(errors)("$name is a LastcallError with a name and a stable code", ({ error, name, code }) => {
    expect(error).toBeInstanceOf(LastcallError);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe(name);
    expect(error.constructor.name).toBe(name);
    expect(error.code).toBe(code);
    expect(String(error)).toBe(`${name}: ${error.message}`);
    expect(error.stack).toContain("errors.test.ts");
  });

  test("can be told from the others by its class", () => {
    for (const { error } of errors) {
      const classes = [InvalidOptionError, ServerStateError, ConnectionGoneError, UpgradeRejected];
      const matching = classes.filter((each) => error instanceof each).map((each) => each.name);
      expect(matching).toEqual(error.name === "LastcallError" ? [] : [error.name]);
    }
  });

  test("can carry its cause", () => {
    const cause = new Error("below");
    expect(new LastcallError("LASTCALL_OTHER", "Other.", { cause }).cause).toBe(cause);
  });
});

describe("InvalidOptionError", () => {
  test("names the option, what was given and what is allowed", () => {
    const error = new InvalidOptionError("drain.deadline", -5, "a number of milliseconds from 1");
    expect(error.option).toBe("drain.deadline");
    expect(error.message).toBe("drain.deadline must be a number of milliseconds from 1; it was -5.");
  });

  test.for([
    ["text", '"text"'],
    ["x".repeat(41), "a string of 41 characters"],
    [undefined, "undefined"],
    [null, "null"],
    [NaN, "NaN"],
    [10n, "10"],
    [Symbol("it"), "Symbol(it)"],
    [() => 1, "a function"],
    [[1, 2], "an array of 2"],
    [new Map(), "an object (Map)"],
    [Object.create(null) as object, "an object (without a class)"],
  ] as const)("shows %s as %s", ([given, shown]) => {
    expect(new InvalidOptionError("it", given, "right").message).toBe(`it must be right; it was ${shown}.`);
  });
});

describe("UpgradeRejected", () => {
  test("carries the answer, and its message is the body or tells the status", () => {
    expect(new UpgradeRejected(401, "Sign in.", { "WWW-Authenticate": "Bearer" })).toMatchObject({
      status: 401,
      body: "Sign in.",
      headers: { "WWW-Authenticate": "Bearer" },
      message: "Sign in.",
    });
    expect(new UpgradeRejected(503)).toMatchObject({ status: 503, body: "", headers: {} });
    expect(new UpgradeRejected(503).message).toContain("503");
  });

  test.for([200, 101, 399, 600, 401.5, NaN, "401"])("refuses the status %s", (status) => {
    expect(() => new UpgradeRejected(status as number)).toThrow(InvalidOptionError);
  });

  test.for([
    { "bad name": "x" },
    { "": "x" },
    { "X-Split": "a\r\nSet-Cookie: b" },
    { "X-Nul": "a\0b" },
    { "X-Euro": "€" },
  ] as Record<string, string>[])("refuses the header %j, which could not be sent", (headers) => {
    expect(() => new UpgradeRejected(401, "", headers)).toThrow(InvalidOptionError);
  });
});
