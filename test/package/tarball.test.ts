/**
 * What a user gets: the packed tarball, installed in an empty project, runs the README's server.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { installNode, LINES, OLDEST } from "../../scripts/nodes.mjs";
import { ms } from "../tools/timing.js";
import { COMPILERS, installTarball, type Consumer } from "./consumer.js";
import { asCommonJs, asJavaScript, asTypeScript, readmeServer } from "./readme-server.js";

const run = promisify(execFile);
const server = readmeServer(new URL("../../README.md", import.meta.url));
const [, ...laterLines] = Object.values(LINES);
const VERSIONS = [OLDEST, ...laterLines];
const REQUESTS = ["one", "two", "three", "four", "five"];

let consumer: Consumer;
/** A port for the README's server. */
let port: number;

beforeAll(async () => {
  consumer = await installTarball();
  port = await freePort();
  await writeFile(join(consumer.directory, "server.mjs"), asJavaScript(server, port));
  await writeFile(join(consumer.directory, "server.cjs"), asCommonJs(server, port));
  await writeFile(join(consumer.directory, "server.ts"), asTypeScript(server, port));
  await writeFile(join(consumer.directory, "program.ts"), program);
});

afterAll(() => consumer.remove());

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port: free } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return free;
}

/** Connects as soon as the server listens; rejects when it ended instead. */
async function connect(child: ChildProcess): Promise<WebSocket> {
  while (child.exitCode === null && child.signalCode === null) {
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    const outcome = await new Promise((resolve) => client.once("open", resolve).once("error", resolve));
    if (outcome === undefined) return client;
    // Nobody tells a stranger when the server listens: ask again.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("The server ended before it listened.");
}

/** Runs the server, stops it with SIGTERM in the middle of its work, and returns what everyone saw. */
async function serveAndStop(node: string, file: string) {
  const child = spawn(node, [file], { cwd: consumer.directory, stdio: ["ignore", "pipe", "pipe"] });
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  const exit = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const giveUp = setTimeout(() => child.kill("SIGKILL"), ms(40_000));
  try {
    const client = await connect(child);
    const replies: string[] = [];
    client.on("message", (data: Buffer) => {
      replies.push(data.toString());
      if (replies.length === 1) child.kill("SIGTERM");
    });
    for (const request of REQUESTS) client.send(request);
    const [code] = (await once(client, "close")) as [number];
    const [exitCode, signal] = await exit;
    const [stdout, stderr] = await output;
    return { replies, code, exitCode, signal, stdout, stderr };
  } catch (error) {
    child.kill("SIGKILL");
    const [, stderr] = await output;
    throw new Error(`${String(error)}\n${stderr}`, { cause: error });
  } finally {
    clearTimeout(giveUp);
  }
}

const served = {
  replies: REQUESTS.map((request) => `done: ${request}`),
  code: 1012,
  exitCode: 0,
  signal: null,
  stdout: expect.stringMatching(/\S/),
};

/** What a user may write who has installed nothing but this package and a compiler. */
const program = `
import { createServer, each, type Connection, type DrainReport, type Message } from "lastcall";
import { drill, type DrillResult } from "lastcall/drill";
import { terminationSignals } from "lastcall/process";

const authenticate = () => ({ name: "Alice" });
const server = createServer({ authenticate }, async (connection) => {
  const name: string = connection.principal.name;
  for await (const message of connection) {
    connection.send(typeof message === "string" ? name + message : message.subarray(1));
  }
});
export const served: Promise<DrainReport> = server.run({ listen: 8080, signals: terminationSignals() });

async function reply(message: Message, connection: Connection): Promise<Buffer> {
  await connection.flushed();
  return Buffer.from(message.toString());
}
export async function inScope(): Promise<number> {
  const other = createServer(each(reply));
  const { port } = await other.listen({ port: 0, host: "127.0.0.1" });
  await other[Symbol.asyncDispose]();
  return port;
}
export const proven: Promise<DrillResult> = drill({ command: [process.execPath, "server.js"] });
`;

/** Imports and requires every path in the arguments and prints, for each, the code of the error. */
const reachInside = `
const { createRequire } = await import("node:module");
const require = createRequire(import.meta.url);
const codes = new Set();
for (const path of process.argv.slice(2)) {
  codes.add(await import(path).then(() => path, (error) => error.code));
  try { require(path); codes.add(path); } catch (error) { codes.add(error.code); }
}
console.log(JSON.stringify([...codes]));
`;

it("contains what runs, its types and what a reader needs, and nothing else", () => {
  const expected =
    /^(dist\/.+\.(js|d\.ts)|docs\/[\w-]+\.md|docs\/timeline-(good|bad)\.svg|package\.json|(README|CHANGELOG|SECURITY)\.md|LICENSE)$/;
  expect(consumer.packed.filter((path) => !expected.test(path))).toEqual([]);
  expect(consumer.packed).toEqual(expect.arrayContaining(["README.md", "LICENSE", "dist/index.js"]));
});

/** What a compiler made of a file. */
function compile(compiler: string, file: string, options: string): Promise<unknown> {
  const tsc = join(consumer.directory, "node_modules", compiler, "bin/tsc");
  const args = [tsc, ...options.split(" "), file].filter((arg) => arg !== "");
  return run(process.execPath, args, { cwd: consumer.directory }).catch((error: unknown) => error);
}

const fine = { stdout: "", stderr: "" };

describe.each(COMPILERS)("with the package %s, declarations included,", (compiler) => {
  it("the README's server is compiled", async () => {
    const options = `--module nodenext --target es2023 --strict --outDir ${compiler}`;
    expect(await compile(compiler, "server.ts", options)).toMatchObject(fine);
  });

  // Its own default, ES5, knows no private fields, and so none of today's packages for Node.
  const target = compiler === "typescript-5" ? "--target es2022" : "";
  it.each([
    "--module nodenext",
    "--module nodenext --target es2022",
    "--module esnext --moduleResolution bundler --target es2022",
    `--module esnext --moduleResolution bundler ${target}`,
    `--module preserve ${target}`,
  ])("a program that uses every entry is type-checked with its defaults and %s", async (options) => {
    expect(await compile(compiler, "program.ts", `--noEmit ${options}`)).toMatchObject(fine);
  });
});

describe.each(VERSIONS)("on Node %s", (version) => {
  let node: string;

  beforeAll(async () => {
    node = await installNode(version);
  });

  it.each([
    ["JavaScript", "server.mjs"],
    ["TypeScript", "typescript/server.js"],
    ["require()", "server.cjs"],
  ])("serves everything it was given before SIGTERM, written in %s", async (_, file) => {
    expect(await serveAndStop(node, file)).toMatchObject(served);
  });

  it("drills that server with the package's own command", async () => {
    const address = `ws://127.0.0.1:${port}/`;
    const args = ["drill", "--promise", "1012", "--url", address, "--", node, "server.mjs"];
    const command = join(consumer.directory, "node_modules/.bin/lastcall");
    const { stdout } = await run(node, [command, ...args], { cwd: consumer.directory });
    expect(stdout).toContain("Nothing was lost: 25 of 25 requests answered in 1 run.");
  });

  it("refuses to hand out its internals", async () => {
    const inside = consumer.packed.filter((path) => path.endsWith(".js")).map((path) => `lastcall/${path}`);
    await writeFile(join(consumer.directory, "inside.mjs"), reachInside);
    const { stdout } = await run(node, ["inside.mjs", ...inside], { cwd: consumer.directory });
    expect(inside.length).toBeGreaterThan(2);
    expect(JSON.parse(stdout)).toEqual(["ERR_PACKAGE_PATH_NOT_EXPORTED"]);
  });
});
