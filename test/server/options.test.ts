/** A bad option fails at once, with its name, what was given and what is allowed. */
import { describe, expect, test } from "vitest";
import { createServer, defaults, each, InvalidOptionError, type ServerOptions } from "../../src/index.js";
import { drainDefaults, type DrainOptions } from "../../src/drain/options.js";
import { completeDrainOptions, resolveOptions } from "../../src/server/option-checks.js";

const handler = (): void => {};

/** Makes a server with options that TypeScript would not let through. */
function make(options: unknown): void {
  createServer(options as ServerOptions, handler);
}

function thrownBy(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

interface Bad {
  option: string;
  given: unknown;
  /** How the message shows what was given. */
  shown: string;
  /** What the message says is allowed. */
  allowed: string;
}

const bad: readonly Bad[] = [
  { option: "path", given: "chat", shown: '"chat"', allowed: "begins with '/'" },
  { option: "path", given: "/chat?room=1", shown: '"/chat?room=1"', allowed: "without a query" },
  { option: "path", given: "/room/:id", shown: '"/room/:id"', allowed: "one path, not a pattern" },
  { option: "path", given: "/chat/*", shown: '"/chat/*"', allowed: "look at the request's url" },
  { option: "path", given: "/räume", shown: '"/räume"', allowed: 'percent-encoded: "/r%C3%A4ume"' },
  { option: "path", given: "/a b", shown: '"/a b"', allowed: 'percent-encoded: "/a%20b"' },
  { option: "path", given: 7, shown: "7", allowed: "a path" },
  { option: "protocols", given: "chat", shown: '"chat"', allowed: "a list" },
  { option: "protocols", given: ["chat room"], shown: "an array of 1", allowed: "HTTP tokens" },
  { option: "protocols", given: [1], shown: "an array of 1", allowed: "HTTP tokens" },
  {
    option: "origins",
    given: "https://app.example",
    shown: '"https://app.example"',
    allowed: 'a list of origins or "*"',
  },
  { option: "origins", given: ["app.example"], shown: '"app.example"', allowed: "such as https://" },
  { option: "origins", given: ["*"], shown: '"*"', allowed: "such as https://" },
  {
    option: "origins",
    given: ["https://*.example.com"],
    shown: '"https://*.example.com"',
    allowed: "each in full",
  },
  {
    option: "origins",
    given: ["wss://app.example"],
    shown: '"wss://app.example"',
    allowed: "such as https://",
  },
  { option: "origins", given: [/./], shown: "an object (RegExp)", allowed: "such as https://" },
  { option: "authenticate", given: true, shown: "true", allowed: "a function" },
  { option: "onError", given: "log", shown: '"log"', allowed: "a function" },
  { option: "maxPayload", given: 0, shown: "0", allowed: "bytes from 1" },
  { option: "maxPayload", given: "1mb", shown: '"1mb"', allowed: "bytes from 1" },
  { option: "maxPayload", given: 1.5, shown: "1.5", allowed: "a whole number" },
  { option: "maxPayload", given: Infinity, shown: "Infinity", allowed: "bytes from 1" },
  { option: "maxFragments", given: 0, shown: "0", allowed: "a whole number from 1, or Infinity" },
  { option: "maxFragments", given: 2.5, shown: "2.5", allowed: "a whole number from 1, or Infinity" },
  { option: "maxConnections", given: -1, shown: "-1", allowed: "a whole number from 1, or Infinity" },
  { option: "maxConnections", given: NaN, shown: "NaN", allowed: "a whole number from 1, or Infinity" },
  { option: "inboxLimit", given: 1024, shown: "1024", allowed: "an object" },
  { option: "inboxLimit.bytes", given: 0, shown: "0", allowed: "bytes from 1" },
  { option: "inboxLimit.messages", given: null, shown: "null", allowed: "a whole number from 1" },
  { option: "inboxLimit.size", given: 5, shown: "5", allowed: "no such option; there are: bytes, messages" },
  { option: "highWaterMark", given: -5, shown: "-5", allowed: "bytes from 1" },
  { option: "outboxLimit", given: 10n, shown: "10", allowed: "bytes from 1" },
  { option: "handshakeTimeout", given: 0, shown: "0", allowed: "milliseconds from 1" },
  { option: "handshakeTimeout", given: Infinity, shown: "Infinity", allowed: "milliseconds from 1" },
  {
    option: "closeReplyTimeout",
    given: 2 ** 31,
    shown: "2147483648",
    allowed: "milliseconds from 0 to 2147483647",
  },
  { option: "goneTimeout", given: "30s", shown: '"30s"', allowed: "milliseconds from 0" },
  { option: "heartbeat", given: true, shown: "true", allowed: "an object, or false for none" },
  { option: "heartbeat", given: [], shown: "an array of 0", allowed: "an object" },
  { option: "heartbeat.interval", given: 0, shown: "0", allowed: "milliseconds from 1" },
  { option: "heartbeat.timeout", given: "soon", shown: '"soon"', allowed: "milliseconds from 1" },
  {
    option: "heartbeat.period",
    given: 1,
    shown: "1",
    allowed: "no such option; there are: interval, timeout",
  },
  { option: "drain", given: 5000, shown: "5000", allowed: "an object" },
  { option: "drain.deadline", given: 0, shown: "0", allowed: "milliseconds from 1" },
  { option: "drain.deadline", given: Infinity, shown: "Infinity", allowed: "milliseconds from 1" },
  { option: "drain.lastCall", given: -1, shown: "-1", allowed: "milliseconds from 0, or Infinity" },
  { option: "drain.patience", given: NaN, shown: "NaN", allowed: "milliseconds from 0, or Infinity" },
  { option: "drain.quiet", given: "100", shown: '"100"', allowed: "milliseconds from 0, or Infinity" },
  { option: "drain.barrierTimeout", given: Infinity, shown: "Infinity", allowed: "milliseconds from 0" },
  { option: "drain.handshakeGrace", given: -1, shown: "-1", allowed: "milliseconds from 0" },
  { option: "drain.closeTimeout", given: {}, shown: "an object (Object)", allowed: "milliseconds from 0" },
  { option: "drain.lingerTimeout", given: false, shown: "false", allowed: "milliseconds from 0" },
  { option: "drain.lameDuck", given: "5s", shown: '"5s"', allowed: "milliseconds from 0" },
  { option: "drain.pace", given: 0, shown: "0", allowed: "connections per second from 1" },
  { option: "drain.spread", given: "60s", shown: '"60s"', allowed: "milliseconds from 0" },
  { option: "drain.spread", given: Infinity, shown: "Infinity", allowed: "milliseconds from 0" },
  { option: "drain.spread", given: 20_001, shown: "20001", allowed: "at most 20000 ms" },
  { option: "drain.code", given: 1006, shown: "1006", allowed: "from 1000 to 1014" },
  { option: "drain.code", given: "1012", shown: '"1012"', allowed: "from 1000 to 1014" },
  { option: "drain.code", given: 1012.5, shown: "1012.5", allowed: "from 1000 to 1014" },
  {
    option: "drain.reason",
    given: "ä".repeat(62),
    shown: "a string of 62 characters",
    allowed: "at most 123 bytes",
  },
  { option: "drain.reason", given: 1012, shown: "1012", allowed: "a string" },
  {
    option: "deadline",
    given: 5000,
    shown: "5000",
    allowed: "no such option (did you mean drain.deadline?); there are: path",
  },
  {
    option: "maxPayLoad",
    given: 5000,
    shown: "5000",
    allowed: "no such option (did you mean maxPayload?); there are: path",
  },
  {
    option: "drain.lastcall",
    given: 5000,
    shown: "5000",
    allowed: "no such option (did you mean lastCall?); there are: deadline",
  },
  { option: "drain.timeout", given: 1, shown: "1", allowed: "no such option; there are: deadline, lastCall" },
  {
    option: "perMessageDeflate",
    given: true,
    shown: "true",
    allowed: "no such option (did you mean compression?); there are: path, protocols",
  },
  { option: "compression", given: "on", shown: '"on"', allowed: "true, false or an object" },
  { option: "compression.threshold", given: -1, shown: "-1", allowed: "bytes from 0" },
  { option: "compression.serverNoContextTakeover", given: 1, shown: "1", allowed: "true or false" },
  { option: "compression.clientNoContextTakeover", given: "no", shown: '"no"', allowed: "true or false" },
  { option: "compression.serverMaxWindowBits", given: 8, shown: "8", allowed: "from 9 to 15" },
  { option: "compression.serverMaxWindowBits", given: 16, shown: "16", allowed: "from 9 to 15" },
  { option: "compression.clientMaxWindowBits", given: 9.5, shown: "9.5", allowed: "a whole number from 9" },
  {
    option: "compression.level",
    given: 9,
    shown: "9",
    allowed: "no such option; there are: threshold, serverNoContextTakeover",
  },
];

describe("createServer refuses", () => {
  test.for(bad)("$option: $shown", ({ option, given, shown, allowed }) => {
    const [name, nested] = option.split(".") as [string, string | undefined];
    const error = thrownBy(() => make({ [name]: nested === undefined ? given : { [nested]: given } }));
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject({ code: "LASTCALL_INVALID_OPTION", option });
    const { message } = error as Error;
    expect(message.startsWith(`${option} must be `)).toBe(true);
    expect(message).toContain(allowed);
    expect(message.endsWith(`; it was ${shown}.`)).toBe(true);
  });

  test.for([null, 5, "options", []])("options that are no object: %s", (options) => {
    expect(thrownBy(() => make(options))).toMatchObject({
      code: "LASTCALL_INVALID_OPTION",
      message: expect.stringMatching(/^The options must be an object; it was /) as string,
    });
  });

  test.for([undefined, null, {}, "echo"])("a handler that is no function: %s", (given) => {
    expect(thrownBy(() => createServer(given as never))).toMatchObject({
      code: "LASTCALL_INVALID_OPTION",
      message: expect.stringMatching(/^The handler must be a function; it was /) as string,
    });
  });

  test.for([{}, { path: "/chat" }, undefined, null, handler])(
    "the handler first, as it once was, and shows the order of now: %s",
    (options) => {
      const swapped = createServer as (...given: unknown[]) => unknown;
      expect(thrownBy(() => swapped(handler, options))).toMatchObject({
        code: "LASTCALL_INVALID_OPTION",
        message: expect.stringContaining("createServer(options, handler)") as string,
      });
    },
  );

  test("an outboxLimit below the highWaterMark: the next message would never come", () => {
    expect(thrownBy(() => make({ highWaterMark: 2000, outboxLimit: 1000 }))).toMatchObject({
      option: "outboxLimit",
      message: "outboxLimit must be at least highWaterMark; it was 1000.",
    });
  });

  test("a value of whose content nothing should stand in a log", () => {
    const error = thrownBy(() => make({ authenticate: { password: "hunter2" } }));
    expect(String(error)).not.toContain("hunter2");
    const long = thrownBy(() => make({ path: "secret".repeat(10) }));
    expect(String(long)).not.toContain("secret");
  });
});

describe("each refuses", () => {
  test.for([0, -1, 1.5, Infinity, "2", null])("concurrency: %s", (concurrency) => {
    expect(thrownBy(() => each(handler, { concurrency: concurrency as number }))).toMatchObject({
      code: "LASTCALL_INVALID_OPTION",
      option: "concurrency",
    });
  });
});

describe("createServer accepts", () => {
  test("no options, and options that are undefined: they mean the default", () => {
    const given = Object.fromEntries(Object.keys(defaults).map((name) => [name, undefined]));
    expect(resolveOptions(given)).toEqual(resolveOptions());
    expect(
      resolveOptions({ drain: { deadline: undefined }, inboxLimit: { bytes: undefined } } as never),
    ).toEqual(resolveOptions());
    expect(() => createServer(given, handler)).not.toThrow();
  });

  test("a part of a group: the rest keeps its defaults", () => {
    const { inboxLimit, heartbeat, drain } = resolveOptions({
      inboxLimit: { messages: 5 },
      heartbeat: { interval: 1000 },
      drain: { quiet: 0 },
    });
    expect(inboxLimit).toEqual({ bytes: 1024 * 1024, messages: 5 });
    expect(heartbeat).toEqual({ interval: 1000, timeout: 10_000 });
    expect(drain).toEqual({ ...drainDefaults, quiet: 0 });
  });

  test("no heartbeat, and Infinity where it means 'until they leave'", () => {
    expect(resolveOptions({ heartbeat: false }).heartbeat).toBe(false);
    const { drain, maxConnections } = resolveOptions({
      maxConnections: Infinity,
      drain: { quiet: Infinity, patience: Infinity, pace: Infinity },
    });
    expect(maxConnections).toBe(Infinity);
    expect(drain).toMatchObject({ quiet: Infinity, patience: Infinity, pace: Infinity });
  });

  test("options that are changed later without heeding the change", () => {
    const protocols = ["chat"];
    const resolved = resolveOptions({ protocols });
    protocols.push("later");
    expect(resolved.protocols).toEqual(["chat"]);
  });
});

describe("the times of a drain", () => {
  const fitted = (given: Partial<DrainOptions>): DrainOptions => completeDrainOptions(given);

  test.for([
    { lameDuck: 1000, deadline: 1000 },
    { lameDuck: 1500, deadline: 1000 },
    { lameDuck: drainDefaults.deadline },
    { lameDuck: 800, deadline: 1000 },
    { lameDuck: 100, lastCall: 100 },
  ])("%j is refused: nobody would be served", (given) => {
    expect(thrownBy(() => make({ drain: given }))).toMatchObject({
      option: "drain.lameDuck",
      message: expect.stringMatching(
        /^drain\.lameDuck must be below lastCall, which is at \d+ ms and follows the deadline; it was \d+\.$/,
      ) as string,
    });
  });

  test.for([{ lastCall: 1001, deadline: 1000 }, { lastCall: drainDefaults.deadline + 1 }])(
    "%j is refused: there would be no last call",
    (given) => {
      expect(thrownBy(() => make({ drain: given }))).toMatchObject({
        option: "drain.lastCall",
        message: expect.stringMatching(/at most the deadline of \d+ ms, or Infinity/) as string,
      });
    },
  );

  test("a spread begins after the lame duck and is over by the last call; that of the server gives way to a call's deadline", () => {
    expect(fitted({ spread: 60_000, deadline: 75_000 }).spread).toBe(60_000);
    expect(fitted({ spread: 7_000, lameDuck: 1_000, deadline: 10_000 }).spread).toBe(7_000);
    expect(thrownBy(() => fitted({ spread: 7_001, lameDuck: 1_000, deadline: 10_000 }))).toMatchObject({
      option: "spread",
    });
    expect(() => completeDrainOptions({ deadline: 5_000 }, "", { spread: 60_000 })).not.toThrow();
  });

  test("a lame duck just below the last call is accepted, and one of 0 with a last call at once", () => {
    expect(fitted({ lameDuck: 799, deadline: 1000 }).lameDuck).toBe(799);
    expect(fitted({ lameDuck: 999, deadline: 1000, lastCall: Infinity }).lameDuck).toBe(999);
    expect(fitted({ lameDuck: 0, lastCall: 0 })).toMatchObject({ lameDuck: 0, lastCall: 0 });
  });

  test("those of the server give way to a call that leaves less: the last call keeps its share, the lame duck half of that", () => {
    const call = (ofServer: Partial<DrainOptions>, given: Partial<DrainOptions>): DrainOptions =>
      completeDrainOptions(given, "", ofServer);
    const patient = { lameDuck: 15_000, deadline: 30_000 };
    expect(call(patient, {})).toMatchObject({ lameDuck: 15_000, lastCall: 24_000 });
    expect(call(patient, { deadline: 10_000 })).toMatchObject({ lameDuck: 4_000, lastCall: 8_000 });
    expect(call(patient, { lastCall: 0 })).toMatchObject({ lameDuck: 0, lastCall: 0, deadline: 30_000 });
    expect(call(patient, { deadline: 60_000 })).toMatchObject({ lameDuck: 15_000, lastCall: 48_000 });
    expect(thrownBy(() => call(patient, { lameDuck: 9_000, deadline: 10_000 }))).toMatchObject({
      option: "lameDuck",
    });
    const late = { lastCall: 24_000, deadline: 25_000 };
    expect(call(late, { deadline: 5_000 }).lastCall).toBe(4_000);
    expect(call(late, { deadline: 50_000 }).lastCall).toBe(24_000);
    expect(call({ lastCall: Infinity }, { deadline: 5_000 }).lastCall).toBe(5_000);
  });

  test("last call follows the deadline at 80 %, unless it is given", () => {
    expect(fitted({}).lastCall).toBe(20_000);
    expect(fitted({ deadline: 10_000 }).lastCall).toBe(8000);
    expect(fitted({ deadline: 10_000, lastCall: 1000 }).lastCall).toBe(1000);
  });

  test("what reaches past the deadline or last call is clamped: it means 'until then'", () => {
    expect(fitted({ deadline: 1000, lastCall: Infinity }).lastCall).toBe(1000);
    expect(fitted({ deadline: 1000, patience: 5000 }).patience).toBe(800);
    expect(fitted({ deadline: 1000 })).toMatchObject({ patience: 800, handshakeGrace: 1000 });
    expect(fitted({ deadline: 500 }).handshakeGrace).toBe(500);
  });

  test("shutdown() lays its options over the server's, and refuses what does not fit them", async () => {
    const server = createServer({ drain: { lameDuck: 5000 } }, handler);
    await expect(server.shutdown({ lameDuck: 4000, deadline: 4000 })).rejects.toMatchObject({
      option: "lameDuck",
    });
    await expect(server.shutdown({ deadlin: 4000 } as never)).rejects.toMatchObject({ option: "deadlin" });
    await expect(server.shutdown({ code: 999 })).rejects.toMatchObject({ option: "code" });
    expect(server.state).toBe("idle");
    await server.close();
  });
});

test("the defaults cannot be changed by accident", () => {
  expect(Object.isFrozen(defaults)).toBe(true);
  for (const value of Object.values(defaults)) expect(Object.isFrozen(value)).toBe(true);
});
