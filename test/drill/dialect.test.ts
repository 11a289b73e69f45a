/** What the drill says to a server, and how it finds the request that a reply answers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  checkScript,
  createDialect,
  isReply,
  loadScript,
  type DialectOptions,
} from "../../src/drill/dialect.js";
import { DrillError } from "../../src/drill/errors.js";

function dialect(given: Partial<DialectOptions> = {}) {
  return createDialect({
    message: undefined,
    reply: "echo",
    open: undefined,
    openAck: undefined,
    script: {},
    ...given,
  });
}

const details = { id: "lc-7f3a-12", connection: 3, number: 2, size: 0 };

/** The DrillError that this throws. */
function thrownBy(act: () => unknown): DrillError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(DrillError);
    return error as DrillError;
  }
  throw new Error("it threw nothing");
}

describe("an id", () => {
  it("is a word that has the number in it and differs from that of any other request", () => {
    const talk = dialect();
    expect(talk.idOf(12)).toMatch(/^lc-[0-9a-z]{4}-12$/);
    expect(talk.idOf(12)).toBe(talk.idOf(12));
    expect(talk.idOf(1)).not.toBe(talk.idOf(11));
  });

  it("differs from that of another drill against the same server", () => {
    const ids = Array.from({ length: 20 }, () => dialect().idOf(1));
    // Two of 20 are the same in one of some thousand test runs, five never.
    expect(new Set(ids).size).toBeGreaterThan(15);
  });

  it("is found again, as it is, in what a server makes of it", () => {
    const talk = dialect();
    const text = fc.string().filter((each) => !/lc-|^[0-9]/.test(each));
    fc.assert(
      fc.property(fc.nat(), text, text, (n, before, after) => {
        const id = talk.idOf(n);
        expect(talk.match(`${before}${id} ${after}`)).toEqual({ ids: [id] });
      }),
    );
  });
});

describe("a request without a message of the user's", () => {
  it("is its id, filled up to its size", () => {
    for (let size = 0; size <= 100; size++) {
      const message = dialect().request(12, { ...details, size }) as string;
      expect(message.split(" ")[0]).toBe(details.id);
      const isTooShortToFill = size <= details.id.length + 1;
      expect(message.length).toBe(isTooShortToFill ? details.id.length : size);
    }
  });
});

describe("a message of the user's", () => {
  it("has its placeholders replaced, each wherever it stands, and nothing else", () => {
    const message = '{"id":"{id}","n":{n},"again":"{id}","from":"{connection}/{number}","{other}":"$&{}"}';
    expect(dialect({ message }).request(12, details)).toBe(
      '{"id":"lc-7f3a-12","n":12,"again":"lc-7f3a-12","from":"3/2","{other}":"$&{}"}',
    );
  });
});

describe("a reply", () => {
  it("by echo answers every request whose id is in it", () => {
    const talk = dialect();
    expect(talk.match("you said: lc-7f3a-12 xxx")).toEqual({ ids: ["lc-7f3a-12"] });
    expect(talk.match("lc-7f3a-1,lc-7f3a-2 and lc-0000-3")).toEqual({
      ids: ["lc-7f3a-1", "lc-7f3a-2", "lc-0000-3"],
    });
    expect(talk.match("welcome")).toEqual({ ids: [] });
  });

  it("by order answers the oldest", () => {
    expect(dialect({ reply: "order" }).match("whatever")).toBe("oldest");
  });

  it("by a path into JSON answers the id or the number that is there", () => {
    const at = (path: string, value: unknown) =>
      dialect({ reply: `json:${path}` }).match(typeof value === "string" ? value : JSON.stringify(value));
    expect(at("id", { id: "lc-7f3a-12" })).toEqual({ ids: ["lc-7f3a-12"] });
    expect(at("id", { id: 12 })).toEqual({ ns: [12] });
    expect(at("id", { id: "12" })).toEqual({ ns: [12] });
    expect(at("payload.data.0.id", { payload: { data: [{ id: 5 }] } })).toEqual({ ns: [5] });
  });

  it.each<[string, string]>([
    ["no JSON", "hello"],
    ["another object", '{"a":1}'],
    ["a path that ends early", '{"payload":null}'],
    ["a path into a text", '{"payload":"text"}'],
    ["a value that names nothing", '{"payload":{"id":true}}'],
    ["an object as the value", '{"payload":{"id":{}}}'],
  ])("by a path into JSON answers nothing when it is %s", (_, text) => {
    expect(dialect({ reply: "json:payload.id" }).match(text)).toBeUndefined();
  });

  it("can be told to be found in these ways only", () => {
    for (const reply of ["echo", "order", "json:id", "json:a.0.b"]) expect(isReply(reply)).toBe(true);
    for (const reply of [
      "",
      "Echo",
      "json",
      "json:",
      "json:.",
      "json:a.",
      "json:.a",
      "json:a..b",
      "orders",
    ]) {
      expect(isReply(reply), reply).toBe(false);
    }
  });
});

describe("what is said first", () => {
  it("is nothing, or what the user gives", () => {
    expect(dialect().opening(1)).toEqual([]);
    expect(dialect({ open: "hello" }).opening(1)).toEqual(["hello"]);
  });

  it("is waited for when the user says what comes back", () => {
    expect(dialect().waitsForAck).toBe(false);
    expect(dialect({ open: "hello" }).waitsForAck).toBe(false);
    const talk = dialect({ openAck: "welcome" });
    expect(talk.waitsForAck).toBe(true);
    expect(talk.isAck('{"type":"welcome"}')).toBe(true);
    expect(talk.isAck("wait")).toBe(false);
  });

  it("without a wait is answered by anything", () => {
    expect(dialect().isAck("whatever")).toBe(true);
  });
});

describe("a script", () => {
  it("counts where an option says the same", () => {
    const options = { message: "option {id}", open: "option", openAck: "option", reply: "order" };
    const script = {
      open: ["script", "two"],
      ack: (text: string) => text === "script",
      request: (n: number) => `script ${n}`,
      match: () => 7,
    };
    const talk = dialect({ ...options, script });
    expect(talk.opening(1)).toEqual(["script", "two"]);
    expect(talk.waitsForAck).toBe(true);
    expect([talk.isAck("script"), talk.isAck("option")]).toEqual([true, false]);
    expect(talk.request(4, details)).toBe("script 4");
    expect(talk.match("whatever")).toEqual({ ns: [7] });
  });

  it("leaves to the options what it does not say", () => {
    const talk = dialect({
      message: "option {id}",
      open: "option",
      openAck: "option",
      reply: "order",
      script: { open: "script" },
    });
    expect(talk.opening(1)).toEqual(["script"]);
    expect(talk.isAck("option")).toBe(true);
    expect(talk.request(4, details)).toBe("option lc-7f3a-12");
    expect(talk.match("whatever")).toBe("oldest");
  });

  it("is told of the connection that opens, and of the request", () => {
    const seen: unknown[] = [];
    const script = {
      open: (connection: number) => `hello from ${connection}`,
      request: (...args: unknown[]) => {
        seen.push(...args);
        return Buffer.from([1, 2]);
      },
    };
    const talk = dialect({ script });
    expect(talk.opening(3)).toEqual(["hello from 3"]);
    expect(talk.request(12, details)).toEqual(Buffer.from([1, 2]));
    expect(seen).toEqual([12, details]);
  });

  it("names a request by its number, its id, or its number as a string; or none", () => {
    const named = (value: string | number | undefined | null) =>
      dialect({ script: { match: () => value } }).match("reply");
    expect(named(12)).toEqual({ ns: [12] });
    expect(named("12")).toEqual({ ns: [12] });
    expect(named("lc-7f3a-12")).toEqual({ ids: ["lc-7f3a-12"] });
    expect(named(undefined)).toBeUndefined();
    expect(named(null)).toBeUndefined();
  });

  it.each<[string, () => unknown, string]>([
    [
      "open",
      () => dialect({ script: { open: () => 5 as unknown as string } }).opening(1),
      "a string or an array of strings; it returned a value of type number",
    ],
    [
      "open",
      () => dialect({ script: { open: () => ["a", 5] as unknown as string[] } }).opening(1),
      "a string or an array of strings; it returned a value of type object",
    ],
    [
      "request",
      () => dialect({ script: { request: () => null as unknown as string } }).request(1, details),
      "a string or a Buffer; it returned null",
    ],
    [
      "match",
      () => dialect({ script: { match: () => true as unknown as string } }).match("reply"),
      "a number, a string or undefined; it returned a value of type boolean",
    ],
  ])("whose %s() returns something else is told what it must return", (name, act, rest) => {
    const { code, message } = thrownBy(act);
    expect(code).toBe("LASTCALL_DRILL_SCRIPT");
    expect(message).toBe(`The script's ${name}() must return ${rest}.`);
  });

  it.each(["open", "ack", "request", "match"])("that throws in %s() is named, with its error", (name) => {
    const cause = new Error("no\nid");
    const lost = () => {
      throw cause;
    };
    const talk = dialect({ script: { [name]: lost } });
    const calls = {
      open: () => talk.opening(1),
      ack: () => talk.isAck("a"),
      request: () => talk.request(1, details),
      match: () => talk.match("a"),
    };
    const error = thrownBy(calls[name as keyof typeof calls]);
    expect(error.message).toBe(
      `The script's ${name}() threw: no id. Mend the script and run the drill again.`,
    );
    expect(error.cause).toBe(cause);
  });

  it.each<[object, string]>([
    [{ match: 5 }, "The script 'talk.mjs' must export match as a function."],
    [{ ack: "yes" }, "The script 'talk.mjs' must export ack as a function."],
    [{ request: null }, "The script 'talk.mjs' must export request as a function."],
    [{ open: 5 }, "The script 'talk.mjs' must export open as a string, an array of strings or a function."],
    [
      { send: () => {} },
      "The script 'talk.mjs' exports nothing of what a drill looks for: open, ack, request, match.",
    ],
  ])("is refused as %j", (given, message) => {
    const error = thrownBy(() => checkScript(given as Record<string, unknown>, "talk.mjs"));
    expect(error).toMatchObject({ code: "LASTCALL_DRILL_SCRIPT", message });
  });
});

describe("a script's file", () => {
  function write(content: string): string {
    const folder = mkdtempSync(join(tmpdir(), "lastcall-test-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "talk.mjs");
    writeFileSync(path, content);
    return path;
  }

  it("exports its parts by name, or as one object by default", async () => {
    const named = await loadScript(write("export const request = (n) => `n ${n}`;"));
    expect(named.request!(5, details)).toBe("n 5");
    const whole = await loadScript(write('export default { open: ["a", "b"], match: () => 3 };'));
    expect(whole).toMatchObject({ open: ["a", "b"] });
    expect(whole.match!("")).toBe(3);
  });

  it("that cannot be loaded is named, and why", async () => {
    const path = join(tmpdir(), "nowhere", "talk.mjs");
    await expect(loadScript(path)).rejects.toMatchObject({
      code: "LASTCALL_DRILL_SCRIPT",
      message: expect.stringMatching(
        /^The script '.*talk\.mjs' cannot be loaded: .*\. It must be an ES module that exports open, ack, request or match\.$/,
      ),
    });
  });

  it("that exports nothing of use is refused by its path", async () => {
    const path = write("export const hello = 1;");
    await expect(loadScript(path)).rejects.toThrow(`The script '${path}' exports nothing of what a drill`);
  });
});
