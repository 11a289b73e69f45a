/**
 * What a drill says when it cannot run, and that nothing is left of it then: no process, no socket, no timer, no folder.
 */
import { once } from "node:events";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import {
  drill,
  DrillError,
  type DrillErrorCode,
  type DrillOptions,
  type DrillScript,
  type Progress,
} from "../../src/drill/index.js";
import { freePort } from "../../src/drill/listening.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { drillSmall, fixture } from "../tools/drill.js";
import { isAlive } from "../tools/run-process.js";
import { eventually } from "../tools/serve.js";
import { ms } from "../tools/timing.js";

let folder: string;
let temporary: string;
let told: string;
const { TMPDIR } = process.env;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lastcall-test-"));
  temporary = join(folder, "temporary");
  told = join(folder, "told");
  mkdirSync(temporary);
  writeFileSync(told, "");
  // Where the drill makes its folder: others may drill on this machine.
  process.env["TMPDIR"] = temporary;
});

afterEach(() => {
  if (TMPDIR === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = TMPDIR;
  rmSync(folder, { recursive: true });
});

function write(name: string, content: string, mode = 0o644): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode });
  return path;
}

/** What a strange server has told of itself. */
function toldLines(): string[] {
  return readFileSync(told, "utf8").split("\n").filter(Boolean);
}

function strange(what: string, options: DrillOptions = {}): DrillOptions {
  return { command: [...fixture("strange"), what], env: { TELL: told }, ...options };
}

/** What Node keeps open, as far as a drill could have opened it. */
function open(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => /^(TCP|TLS|Pipe|Process|Timeout)/.test(kind));
}

/** What is open now and was not before. The test runner has timers of its own, which come and go. */
function opened(before: readonly string[]): string[] {
  const left = [...before];
  return open().filter((kind) => {
    const index = left.indexOf(kind);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
}

/** Resolves when nothing is left of what was begun, in this process and beside it. */
async function expectNothingLeft(before: readonly string[]): Promise<void> {
  // What is destroyed takes a turn to be gone.
  const patient = performance.now() + ms(5_000);
  while (opened(before).length > 0 && performance.now() < patient) await setImmediate();
  expect(opened(before)).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
  const pids = toldLines().flatMap((line) => (line.startsWith("pid ") ? [Number(line.slice(4))] : []));
  expect(pids.filter(isAlive)).toEqual([]);
}

async function expectError(
  code: DrillErrorCode,
  message: RegExp,
  options: object,
  cause?: Error,
): Promise<void> {
  const before = open();
  const error = await drill(options as DrillOptions).then(
    () => new Error("it resolved"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DrillError);
  const drillError = error as DrillError;
  // Options stand in backquotes, which test/cli/drill-flags.test.ts is about.
  expect(drillError.message.replaceAll("`", "")).toMatch(message);
  expect(drillError.message).not.toMatch(/[\r\n]/);
  expect({ name: drillError.name, code: drillError.code }).toEqual({ name: "DrillError", code });
  if (cause !== undefined) expect(drillError.cause).toBe(cause);
  await expectNothingLeft(before);
}

/** An address at which nobody listens. */
async function nobody(): Promise<string> {
  return `ws://127.0.0.1:${await freePort()}/`;
}

/** A correct server, started by the test, which ends with it. */
async function somebody(): Promise<string> {
  const { port } = new URL(await nobody());
  const child = spawn(process.execPath, fixture("correct-ws").slice(1), {
    env: { ...process.env, PORT: port },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await once(child, "close");
  });
  return `ws://127.0.0.1:${port}/`;
}

const command = fixture("correct-ws");
const url = "ws://127.0.0.1:9/";

describe("what is not allowed", () => {
  it.each<[string, object, RegExp]>([
    [
      "an option that there is not",
      { command, conections: 3 },
      /^There is no option 'conections'\. There are: /,
    ],
    [
      "a profile that there is not",
      { command, profiles: ["fast"] },
      /^There is no profile 'fast'\. There are: pip/,
    ],
    ["no profile at all", { command, profiles: [] }, /^profiles must be 'all' or a list of names\.$/],
    ["a profile without a list", { command, profiles: "pipelined" }, /^profiles must be 'all' or a list/],
    ["nothing to drill", {}, /^Nothing to drill: give command, or url with pid or stop\.$/],
    ["an empty command", { command: [] }, /^command must be a list of strings/],
    ["a command as one string", { command: "node server.js" }, /^command must be a list of strings/],
    ["a command and a pid", { command, pid: 1 }, /^A command is stopped by a signal/],
    ["an address without a way to stop", { url }, /exactly one of pid and stop/],
    ["two ways to stop", { url, pid: 1, stop: "true" }, /exactly one of pid and stop/],
    ["an address of HTTP", { url: "http://localhost/", pid: 1 }, /^url must begin with ws:\/\/ or wss:\/\//],
    ["a port that nobody has", { url: "ws://localhost:{port}/", pid: 1 }, /^\{port\} in url needs a command/],
    ["two runs with one process", { url, pid: 1, repeat: 2 }, /^A process ends once/],
    ["all profiles with one process", { url, pid: 1, profiles: "all" }, /^A process ends once/],
    [
      "half a connection",
      { command, connections: 0.5 },
      /^connections must be a whole number from 1 to 20000; it/,
    ],
    ["no request", { command, requests: 0 }, /^requests must be a whole number from 1 .*; it was 0\.$/],
    [
      "a number as a string",
      { command, signalAfter: "50" },
      /^signalAfter must be a whole number .*; it was '50'\.$/,
    ],
    [
      "too many requests",
      { command, connections: 20_000, requests: 100_000 },
      /^connections × requests must be/,
    ],
    ["a time without an end", { command, timeout: Infinity }, /^timeout must be a whole number/],
    ["a lame duck that outlives its drill", { command, lameDuck: 60_000 }, /^lameDuck is part of timeout/],
    [
      "a signal that there is not",
      { command, killSignal: "SIGSTOPPED" },
      /^There is no signal 'SIGSTOPPED'\./,
    ],
    [
      "an exit code of no process",
      { command, exitCodes: [256] },
      /^exitCodes must hold numbers from 0 to 255/,
    ],
    ["a close code of no Close", { command, promise: [12] }, /^promise must hold close codes/],
    [
      "a message that says nothing of itself",
      { command, message: "hello" },
      /^message must contain \{id\} or \{n\}/,
    ],
    [
      "a way to find replies that there is not",
      { command, reply: "json:" },
      /^reply must be echo, order or json/,
    ],
    ["a subprotocol that is no token", { command, subprotocol: "a b" }, /^subprotocol must be a token/],
    [
      "a header in a header",
      { command, headers: { A: "b\r\nC: d" } },
      /^The header 'A' cannot be carried by HTTP/,
    ],
    ["a word for yes", { command, strict: "yes" }, /^strict must be true or false; it was 'yes'\.$/],
    ["a list for a word", { command, open: ["a"] }, /^open must be a string; it was of type object\.$/],
  ])("%s", (_, options, message) => expectError("LASTCALL_DRILL_OPTION", message, options));
});

describe("a server that does not start", () => {
  const code = "LASTCALL_DRILL_START";

  it("is a program that there is not", () =>
    expectError(code, /^The command 'nginy -g x' does not start: there is no such program\. Give a program/, {
      command: ["nginy", "-g", "x"],
    }));

  it("is a file that is no program", () =>
    expectError(code, /does not start: it may not be executed\. Give a program/, {
      command: [write("server.js", "#!/bin/sh\n")],
    }));

  it("never listens; its last lines are told", () =>
    expectError(
      code,
      /^Nothing listens at ws:\/\/127\.0\.0\.1:\d+\/ after \S+ s\. Does the server listen on the port in PORT, or on another one \(url\)\? It printed: .*not yet$/,
      strange("never listens", { startTimeout: ms(1_000) }),
    ));

  it("ends before it listens; its last lines are told", () =>
    expectError(
      code,
      /^The server ended with exit code 3 before it listened\. It printed: .*no database at db:5432/,
      strange("exits early"),
    ));

  it("dies before it listens", () =>
    expectError(code, /^The server ended with SIGABRT before it listened\./, strange("dies early")));

  it("answers HTTP alone", () =>
    expectError(
      code,
      /answered the WebSocket handshake with HTTP 404\. Give the right path \(url\), or what it asks for/,
      strange("answers HTTP 404"),
    ));

  it.each(["speaks something else", "answers with something else"])("%s than HTTP", (what) =>
    expectError(
      code,
      /is no WebSocket server that the drill can talk to: an answer that is not HTTP\.$/,
      strange(what),
    ),
  );

  it("accepts and says nothing", () =>
    expectError(
      code,
      /accepts connections but does not answer a WebSocket handshake\. Is it a WebSocket server, and the right port\?$/,
      strange("says nothing", { startTimeout: ms(1_500) }),
    ));

  it("would be mistaken for another that listens there already", async () => {
    const other = await somebody();
    const message =
      /^A WebSocket server answers at ws:\S+ before the command is started, .*\. Stop it, or let/;
    await expectError(code, message, strange("says nothing", { url: other }));
    expect(toldLines()).toEqual([]);
  });

  it("does not agree to the subprotocol", () =>
    expectError(code, /a 101 without the subprotocol 'graphql-transport-ws'\.$/, {
      command: fixture("ours"),
      subprotocol: "graphql-transport-ws",
    }));

  it.skipIf(!hasOpenssl)("has a certificate that nobody trusts", async () => {
    const { key, cert } = selfSignedCertificate();
    await expectError(
      code,
      /has a certificate that is not trusted \(\w+\)\. Give insecure if that is meant\.$/,
      {
        command: fixture("ours"),
        env: { TLS: write("both.pem", key + cert) },
        url: "wss://localhost:{port}/",
      },
    );
  });
});

describe("a server that runs already", () => {
  it("is no process any more", async () => {
    const child = spawn("true", { stdio: "ignore" });
    await once(child, "close");
    await expectError(
      "LASTCALL_DRILL_START",
      /^There is no process with the id \d+\. Give the id of the server/,
      {
        url,
        pid: child.pid,
      },
    );
  });

  it.each(["pid", "stop"])("does not listen, whatever stops it (%s)", async (how) => {
    const way = how === "pid" ? { pid: process.pid } : { stop: () => expect.unreachable() };
    const message = /^Nothing listens at ws:\/\/127\.0\.0\.1:\d+\/\. Does the server listen/;
    await expectError("LASTCALL_DRILL_START", message, { url: await nobody(), ...way });
  });

  it("cannot be stopped by a command that fails, whose last lines are told", async () => {
    const message =
      /^The command 'echo no such unit >&2; exit 5', which should stop the server, ended with 5\. It printed: no such unit$/;
    const stop = "echo no such unit >&2; exit 5";
    await expectError("LASTCALL_DRILL_STOP", message, { url: await somebody(), stop });
  });

  it.each(["throws", "rejects"])("cannot be stopped by a function that %s", async (how) => {
    const failure = new Error("no\npermission");
    const stop = (): unknown => {
      if (how === "rejects") return Promise.reject(failure);
      throw failure;
    };
    const message = /^The function that should stop the server threw: no permission\.$/;
    await expectError("LASTCALL_DRILL_STOP", message, { url: await somebody(), stop }, failure);
  });
});

it("an effects file that cannot be read ends the drill", () =>
  expectError("LASTCALL_DRILL_EFFECTS", /^The effects file '.*' cannot be read: .*\.$/, {
    ...strange("echoes"),
    effects: folder,
  }));

describe("a script", () => {
  const code = "LASTCALL_DRILL_SCRIPT";
  const small = { command, connections: 2, requests: 1 };

  it("cannot be loaded when it is not there", () =>
    expectError(
      code,
      /^The script '.*nowhere\.mjs' cannot be loaded: .* It must be an ES module that exports open/,
      {
        ...small,
        script: join(folder, "nowhere.mjs"),
      },
    ));

  it("cannot be loaded when it is no JavaScript", () =>
    expectError(code, /^The script '.*talk\.mjs' cannot be loaded: .*\. It must be an ES module/, {
      ...small,
      script: write("talk.mjs", "export const request = n =>\n"),
    }));

  it("exports nothing that a drill looks for", () =>
    expectError(code, /exports nothing of what a drill looks for: open, ack, request, match\.$/, {
      ...small,
      script: fileURLToPath(new URL("../fixtures/drill/scripts.mjs", import.meta.url)),
    }));

  it("exports what is no function", () =>
    expectError(code, /^The script '.*talk\.mjs' must export match as a function\.$/, {
      ...small,
      script: write("talk.mjs", 'export const match = "id";\n'),
    }));

  const lost = () => {
    throw new Error("I am\nlost");
  };
  const parts: [string, DrillScript][] = [
    ["open", { open: lost }],
    ["ack", { open: "hello", ack: lost }],
    ["request", { request: lost }],
    ["match", { match: lost }],
  ];

  it.each(parts)("that throws in %s ends the drill", (name, script) =>
    expectError(
      code,
      new RegExp(
        `^The script's ${name}\\(\\) threw: I am lost\\. Mend the script and run the drill again\\.$`,
      ),
      { ...small, script },
    ),
  );

  it.each<[string, string, object]>([
    ["open", "a string or an array of strings; it returned a value of type number", { open: () => 7 }],
    ["request", "a string or a Buffer; it returned a value of type undefined", { request: () => undefined }],
    ["request", "a string or a Buffer; it returned a value of type object", { request: async () => "later" }],
    ["match", "a number, a string or undefined; it returned a value of type object", { match: () => ({}) }],
  ])("whose %s() returns nonsense ends the drill: %s", (name, what, script) =>
    expectError(code, new RegExp(`^The script's ${name}\\(\\) must return ${what}\\.$`), {
      ...small,
      script,
    }),
  );
});

describe("a drill that is interrupted", () => {
  async function interruptAt(
    options: DrillOptions,
    isThere: (progress: Progress, abort: () => void) => boolean,
  ) {
    const before = open();
    const controller = new AbortController();
    const abort = () => controller.abort();
    const result = await drillSmall(undefined, {
      ...options,
      signal: controller.signal,
      onProgress: (progress) => {
        if (isThere(progress, abort)) abort();
      },
    });
    expect(result).toMatchObject({ interrupted: true, passed: false });
    expect(result.sentence).toMatch(/^Interrupted: \d+ of \d+ requests? answered in \d runs?\.$/);
    await expectNothingLeft(before);
    for (const { process: server } of result.runs) expect(isAlive(server.pid!)).toBe(false);
    return result.runs;
  }

  /** Nobody is blamed for what was not played to its end. */
  const unfinished = { passed: false, failures: [], process: { exitCode: 0, killed: false } };

  it("before it has begun starts nothing", async () => {
    const before = open();
    const options = strange("never listens", { signal: AbortSignal.abort() });
    expect(await drill(options)).toMatchObject({ interrupted: true, passed: false, runs: [] });
    expect(toldLines()).toEqual([]);
    await expectNothingLeft(before);
  });

  it("while the server starts tells that to stop", async () => {
    const runs = await interruptAt(strange("never listens"), ({ phase }, abort) => {
      if (phase === "starting") void eventually(() => toldLines().length > 0).then(abort);
      return false;
    });
    expect(runs).toEqual([]);
    expect(toldLines()).toEqual([expect.stringMatching(/^pid/), "SIGTERM"]);
  });

  it("while its clients connect tells the server to stop", async () => {
    const [run] = await interruptAt(strange("lets one in"), ({ phase }) => phase === "connecting");
    expect(run).toMatchObject({ ...unfinished, sent: 0 });
    expect(toldLines()).toEqual([expect.stringMatching(/^pid/), "SIGTERM"]);
  });

  it("under load tells the server to stop, and hears the answers", async () => {
    const options: DrillOptions = {
      command,
      env: { WORK: "300" },
      signalAfter: ms(60_000),
      timeout: ms(120_000),
    };
    const [run] = await interruptAt(options, ({ phase, sent }) => phase === "loading" && sent === 9);
    expect(run).toMatchObject({ ...unfinished, counts: { answered: 9 } });
    expect(run!.process.output).toEqual(["listening", "got SIGTERM"]);
  });

  it("while the server goes down lets it", async () => {
    const options: DrillOptions = { command, env: { HOLD: "1", WORK: "200" }, repeat: 3 };
    const [run, ...others] = await interruptAt(options, ({ phase }) => phase === "stopping");
    expect(run).toMatchObject({ ...unfinished, counts: { answered: 9 } });
    expect(run!.process.output).toEqual(["listening", "got SIGTERM"]);
    expect(others).toEqual([]);
  });
});
