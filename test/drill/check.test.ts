/** What a drill cannot be asked for: each refusal names the option, what was given and what is allowed. */
import { describe, expect, it } from "vitest";
import { checkOptions } from "../../src/drill/check.js";
import { DrillError } from "../../src/drill/errors.js";
import type { DrillOptions } from "../../src/drill/options.js";
import { profileNames } from "../../src/drill/profiles.js";

const command = ["node", "server.js"];
const url = "ws://127.0.0.1:8080/";

/** Why this is refused, without the marks of options; undefined when it is not. */
function refusal(options: object): string | undefined {
  try {
    checkOptions(options);
  } catch (error) {
    expect(error).toBeInstanceOf(DrillError);
    const { code, message } = error as DrillError;
    expect(code).toBe("LASTCALL_DRILL_OPTION");
    expect(message).toMatch(/^[^\n]+\.$/);
    return message.replaceAll("`", "");
  }
  return undefined;
}

function allowed(options: object): void {
  expect(refusal(options)).toBeUndefined();
}

/** The compiler sees to it that none is missing here. */
const every: Record<keyof Required<DrillOptions>, true> = {
  command: true,
  env: true,
  url: true,
  pid: true,
  stop: true,
  connections: true,
  requests: true,
  interval: true,
  size: true,
  readRate: true,
  profiles: true,
  killSignal: true,
  signalAfter: true,
  timeout: true,
  startTimeout: true,
  repeat: true,
  seed: true,
  lameDuck: true,
  subprotocol: true,
  headers: true,
  insecure: true,
  message: true,
  reply: true,
  open: true,
  openAck: true,
  script: true,
  effects: true,
  promise: true,
  acceptHandback: true,
  strict: true,
  exitCodes: true,
  signal: true,
  onProgress: true,
  onRun: true,
};

describe("a name that there is not", () => {
  it("is refused with all that there are", () => {
    const message = refusal({ command, conections: 3 });
    expect(message).toMatch(/^There is no option 'conections'\. There are: acceptHandback, .*, url\.$/);
    const names = message!
      .replace(/^.*There are: /, "")
      .replace(/\.$/, "")
      .split(", ");
    // Each of them is known indeed: what is wrong with it is its value.
    for (const name of names) {
      const wrong = refusal({ command, [name]: Symbol("wrong") });
      expect(wrong).toBeDefined();
      expect(wrong).not.toMatch(/no option/);
    }
    expect(names).toEqual(Object.keys(every).sort());
  });
});

describe("a number", () => {
  it.each<[string, number, number]>([
    ["connections", 1, 20_000],
    ["requests", 1, 100_000],
    ["interval", 0, 3_600_000],
    ["size", 0, 16 * 1024 * 1024],
    ["signalAfter", 0, 3_600_000],
    ["timeout", 1, 3_600_000],
    ["startTimeout", 1, 3_600_000],
    ["repeat", 1, 1_000],
    ["lameDuck", 0, 3_600_000],
    ["seed", 0, 2 ** 31 - 1],
  ])("%s is a whole one from %d to %d", (name, from, to) => {
    // So that lameDuck and the number of requests are not what is wrong.
    const others = { requests: 1, connections: 1, timeout: 3_600_000 };
    const refused = (value: unknown) => refusal({ command, ...others, [name]: value });
    const rule = `${name} must be a whole number from ${from} to ${to}; it was `;
    expect(refused(from - 1)).toBe(`${rule}${from - 1}.`);
    expect(refused(to + 1)).toBe(`${rule}${to + 1}.`);
    expect(refused(from + 0.5)).toBe(`${rule}${from + 0.5}.`);
    expect(refused(NaN)).toBe(`${rule}NaN.`);
    expect(refused("5")).toBe(`${rule}'5'.`);
    expect(refused(null)).toBe(`${rule}null.`);
    expect(refused([5])).toBe(`${rule}of type object.`);
    expect(refused(undefined)).toBeUndefined();
    expect(refused(from === 0 && name === "lameDuck" ? 1 : from)).toBeUndefined();
    if (name !== "lameDuck") expect(refused(to)).toBeUndefined();
  });

  it("of a process is a whole one, too", () => {
    expect(refusal({ url, pid: 0 })).toBe("pid must be a whole number from 1 to 2147483647; it was 0.");
    allowed({ url, pid: 1 });
  });

  it("of all requests is at most a million", () => {
    allowed({ command, connections: 1_000, requests: 1_000 });
    expect(refusal({ command, connections: 1_000, requests: 1_001 })).toBe(
      "connections × requests must be at most 1000000; it was 1001000.",
    );
    expect(refusal({ command, requests: 100_000, connections: 11 })).toMatch(/it was 1100000\.$/);
  });

  it("of all requests' bytes is at most 256 MiB", () => {
    allowed({ command, connections: 16, requests: 1, size: 16 * 1024 * 1024 });
    expect(refusal({ command, connections: 17, requests: 1, size: 16 * 1024 * 1024 })).toBe(
      "connections × requests × size must be at most 268435456 bytes; it was 285212672.",
    );
  });

  it("of a lame duck's milliseconds is part of the timeout", () => {
    allowed({ command, lameDuck: 29_999 });
    expect(refusal({ command, lameDuck: 30_000 })).toBe(
      "lameDuck is part of timeout and must be shorter; it was 30000 of 30000 ms.",
    );
    expect(refusal({ command, lameDuck: 5, timeout: 4 })).toMatch(/it was 5 of 4 ms\.$/);
  });
});

describe("the kind of a value", () => {
  it.each(["url", "subprotocol", "message", "reply", "open", "openAck", "effects"])(
    "of %s is a string",
    (name) => {
      expect(refusal({ command, [name]: 5 })).toBe(`${name} must be a string; it was 5.`);
      expect(refusal({ command, [name]: null })).toBe(`${name} must be a string; it was null.`);
    },
  );

  it.each(["insecure", "strict", "acceptHandback"])("of %s is true or false", (name) => {
    expect(refusal({ command, [name]: "yes" })).toBe(`${name} must be true or false; it was 'yes'.`);
    allowed({ command, [name]: true });
    allowed({ command, [name]: false });
  });

  it.each<[string, unknown, string, unknown]>([
    ["env", { A: 1 }, "an object of strings; it was of type object", { A: "1" }],
    ["env", "A=1", "an object of strings; it was 'A=1'", {}],
    ["headers", { A: 1 }, "an object of strings; it was of type object", { A: "1" }],
    ["headers", null, "an object of strings; it was null", {}],
    ["promise", 1012, "a list of close codes; it was 1012", [1012]],
    ["exitCodes", 0, "a list of numbers; it was 0", [0]],
    ["exitCodes", [], "a list of numbers; it was of type object", [0, 143]],
    ["script", "", "the path of a module or an object; it was ''", "talk.mjs"],
    ["script", null, "the path of a module or an object; it was null", { open: "hello" }],
    ["signal", "SIGTERM", "an AbortSignal; it was 'SIGTERM'", new AbortController().signal],
    ["onProgress", true, "a function; it was true", () => {}],
    ["onRun", {}, "a function; it was of type object", () => {}],
  ])("of %s is not %j: it must be %s", (name, given, rest, right) => {
    expect(refusal({ command, [name]: given })).toBe(`${name} must be ${rest}.`);
    allowed({ command, [name]: right });
  });

  it("of stop is a shell command that says something, or a function", () => {
    const rule = "stop must be a shell command or a function; it was";
    expect(refusal({ url, stop: 5 })).toBe(`${rule} 5.`);
    expect(refusal({ url, stop: " " })).toBe(`${rule} ' '.`);
    allowed({ url, stop: "systemctl restart app" });
    allowed({ url, stop: () => {} });
  });

  it("is shown in part when it is long", () => {
    expect(refusal({ command, signalAfter: "x".repeat(100) })).toMatch(/; it was 'x{80}'\.$/);
  });
});

describe("profiles", () => {
  it("are all, or a list of names that there are", () => {
    allowed({ command, profiles: "all" });
    allowed({ command, profiles: ["far", "pipelined", "far"] });
    expect(refusal({ command, profiles: "far" })).toBe("profiles must be 'all' or a list of names.");
    expect(refusal({ command, profiles: [] })).toBe("profiles must be 'all' or a list of names.");
    expect(refusal({ command, profiles: ["far", "fast"] })).toBe(
      `There is no profile 'fast'. There are: ${profileNames.join(", ")}, or all.`,
    );
    expect(refusal({ command, profiles: [5] })).toMatch(/^There is no profile 5\./);
    expect(refusal({ command, profiles: ["toString"] })).toMatch(/^There is no profile 'toString'/);
  });
});

describe("codes and signals", () => {
  it("of a Close are those that a Close can carry", () => {
    allowed({ command, promise: [1000, 4999] });
    for (const code of [999, 5000, 1012.5, "1012"]) {
      const shown = typeof code === "string" ? `'${code}'` : code;
      expect(refusal({ command, promise: [1012, code] })).toBe(
        `promise must hold close codes from 1000 to 4999; it held ${shown}.`,
      );
    }
  });

  it("of an exit are those of a process", () => {
    allowed({ command, exitCodes: [0, 255] });
    for (const code of [-1, 256, 0.5]) {
      expect(refusal({ command, exitCodes: [0, code] })).toBe(
        `exitCodes must hold numbers from 0 to 255; it held ${code}.`,
      );
    }
  });

  it("are those of this system", () => {
    allowed({ command, killSignal: "SIGQUIT" });
    expect(refusal({ command, killSignal: "TERM" })).toBe(
      "There is no signal 'TERM'. Most servers stop at SIGTERM, SIGINT or SIGQUIT.",
    );
    expect(refusal({ command, killSignal: "toString" })).toMatch(/^There is no signal 'toString'\./);
  });
});

describe("what is drilled", () => {
  it("has to be said", () => {
    expect(refusal({})).toBe("Nothing to drill: give command, or url with pid or stop.");
  });

  it("is a command, which is stopped by a signal", () => {
    const rule = "command must be a list of strings: a program and its arguments.";
    for (const wrong of ["node server.js", [], ["node", 5], null]) {
      expect(refusal({ command: wrong })).toBe(rule);
    }
    allowed({ command, url: "ws://localhost:{port}/chat" });
    for (const other of [{ pid: 5 }, { stop: "true" }]) {
      expect(refusal({ command, ...other })).toBe(
        "A command is stopped by a signal: give either the command, or url with pid or stop.",
      );
    }
  });

  it("or an address with one way to stop it", () => {
    const rule = "A server that runs already needs exactly one of pid and stop: how it is told to stop.";
    expect(refusal({ url })).toBe(rule);
    expect(refusal({ url, pid: 5, stop: "true" })).toBe(rule);
    expect(refusal({ url: "ws://localhost:{port}/", pid: 5 })).toBe(
      "{port} in url needs a command that is given the port.",
    );
  });

  it("is read at a rate by slow-reader alone, and leaves the replies time", () => {
    const readRate = 10_000;
    allowed({ command, profiles: ["far", "slow-reader"], readRate });
    allowed({ command, profiles: "all", readRate, size: 50_000 });
    expect(refusal({ command, readRate })).toBe(
      "readRate is about the profile slow-reader, which is not among those that are played.",
    );
    expect(refusal({ command, profiles: "all", readRate, size: 100_000, timeout: 50_000 })).toBe(
      "At 10000 bytes a second, 5 replies of 100000 bytes are read in 50 s, which is not within the timeout of 50 s.",
    );
  });

  it("can be played once when it is a process", () => {
    const rule = /^A process ends once: with pid, one profile can be played, and without repeats\./;
    allowed({ url, pid: 5 });
    allowed({ url, pid: 5, profiles: ["far"] });
    allowed({ url, pid: 5, profiles: ["far", "far"] });
    expect(refusal({ url, pid: 5, repeat: 2 })).toMatch(rule);
    expect(refusal({ url, pid: 5, profiles: ["far", "flood"] })).toMatch(rule);
    expect(refusal({ url, pid: 5, profiles: "all" })).toMatch(rule);
    allowed({ url, stop: "true", profiles: "all", repeat: 2 });
  });

  it("is at an address of WebSocket", () => {
    allowed({ command, url: "wss://localhost:{port}/" });
    allowed({ command, url: "ws://[::1]:{port}/{port}" });
    for (const wrong of ["http://localhost/", "localhost:8080", "", "ws://"]) {
      expect(refusal({ command, url: wrong })).toBe(
        `url must begin with ws:// or wss://; it was '${wrong}'.`,
      );
    }
    allowed({ url: "ws://me:p%40ss@localhost/", pid: 5 });
    expect(refusal({ url: "ws://me:100%@localhost/", pid: 5 })).toBe(
      "url must have its name and password percent-encoded.",
    );
  });
});

describe("what is said to it", () => {
  it("has a subprotocol that a header can carry", () => {
    allowed({ command, subprotocol: "graphql-transport-ws" });
    expect(refusal({ command, subprotocol: "a, b" })).toBe(
      "subprotocol must be a token that a header can carry; it was 'a, b'.",
    );
  });

  it("has headers that HTTP can carry", () => {
    allowed({ command, headers: { Cookie: "a=b; c=d", "X-Name": "Größe\tx" } });
    for (const headers of [{ "A B": "x" }, { "": "x" }, { "A:": "x" }, { A: "x\r\nB: y" }, { A: "☃" }]) {
      const [name] = Object.keys(headers);
      expect(refusal({ command, headers })).toBe(`The header '${name}' cannot be carried by HTTP.`);
    }
  });

  it("has no headers that would make the drill's clients understand something else", () => {
    for (const name of ["Sec-WebSocket-Key", "sec-websocket-version", "SEC-WEBSOCKET-EXTENSIONS"]) {
      expect(refusal({ command, headers: { [name]: "x" } })).toBe(
        `The header '${name}' is the drill's own: its clients give a key, and speak without extensions.`,
      );
    }
    allowed({ command, headers: { Host: "example.org", Origin: "https://example.org" } });
  });

  it("is found again by one of three ways", () => {
    for (const reply of ["echo", "order", "json:a.b"]) allowed({ command, reply });
    expect(refusal({ command, reply: "json" })).toBe(
      "reply must be echo, order or json:<path>; it was 'json'.",
    );
  });

  it("is told from others by an id or a number, unless a script or the order does it", () => {
    const rule = /^message must contain \{id\} or \{n\}, so that its reply can be told from others;/;
    expect(refusal({ command, message: "ping {connection}" })).toMatch(rule);
    expect(refusal({ command, message: "ping", script: { match: () => 1 } })).toMatch(rule);
    allowed({ command, message: "ping {id}" });
    allowed({ command, message: "ping {n}" });
    allowed({ command, message: "ping", reply: "order" });
    allowed({ command, message: "ping", script: "talk.mjs" });
    allowed({ command, message: "ping", script: { request: () => "pong" } });
  });
});

describe("a system without signals", () => {
  it("cannot be drilled on", () => {
    const { platform } = process;
    Object.defineProperty(process, "platform", { value: "win32" });
    try {
      expect(refusal({ command })).toBe("A drill needs signals and process groups: Linux or macOS.");
    } finally {
      Object.defineProperty(process, "platform", { value: platform });
    }
  });
});
