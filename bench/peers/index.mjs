/**
 * Servers on other libraries, and ours, to be stopped: each library as its own documentation stops it, and as a careful
 * user would stop it by hand. What is measured with them is up to who uses the list.
 *
 * Each server listens on 127.0.0.1 at `PORT`; works `WORK` ms (100) on each message; appends its id, which is its first
 * word, to the file in `LASTCALL_EFFECTS`; then answers `done: <message>`. It serves the messages of a connection as is
 * usual for its library: at the same time where a function is called for each, one after the other where a loop reads
 * them (Python, Go and ours). On SIGTERM it stops in its variant's way, and ends by itself if that way allows it.
 *
 *   npm ci && npm run build && npm ci --prefix bench
 *   apt-get install --no-install-recommends python3-websockets golang-go golang-github-gorilla-websocket-dev
 *   apt-get install --no-install-recommends python3-aiohttp python3-uvicorn python3-tornado
 *   node scripts/test-runtimes.mjs installs Bun and Deno
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { commandOf, runtimes } from "../../scripts/runtimes.mjs";
import { binary, build } from "./gorilla/build.mjs";

/**
 * @typedef {object} Variant
 * @property {string} peer the library
 * @property {string} name the way to stop, different from those of the same peer
 * @property {() => string | undefined} version the library's version; undefined when it is not installed
 * @property {string} stop what it does on SIGTERM, in a line
 * @property {"built in" | "documented recipe" | "done by hand" | "not handled"} mark who makes it stop so: the library
 *   with one call; its user with the lines that its documentation gives or describes; its user alone; nobody
 * @property {string[]} command starts the server, from any folder
 * @property {() => void} [prepare] MUST be called before the first start; calling it again takes no time
 * @property {string} [url] where it serves, with `{port}`; by default ws://127.0.0.1:{port}/
 * @property {string} [subprotocol]
 * @property {string} [script] the path of a drill's script: how it is talked to
 * @property {number[]} [promise] close codes by which it promises that what it did not answer was never started
 * @property {StopCode[]} stopCode where the code of the stop is, for `cutStop`
 */

/**
 * @typedef {object} StopCode
 * @property {string} file
 * @property {string} name what the mark in front of the code says: `stop: <name>`
 */

/** @param {string} path */
const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** @param {string} folder */
const versionIn = (folder) => () => {
  const file = at(`${folder}/package.json`);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).version : undefined;
};

/**
 * What a program says, or undefined when it is not there or fails.
 *
 * @param {string} command
 * @param {string[]} args
 */
function said(command, args) {
  const { status, stdout } = spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return status === 0 ? stdout.trim() : undefined;
}

// Debian's own Python: the package belongs to it, not to another one that may come first on the PATH.
const PYTHON = "/usr/bin/python3";

/**
 * The code of a stop stands between `stop: <name>` and `end of stop`, in comments of its language.
 *
 * @param {Variant} variant
 */
export function cutStop({ stopCode }) {
  const pieces = stopCode.map(({ file, name }) => {
    const lines = readFileSync(file, "utf8").split("\n");
    const start = lines.findIndex((line) => line.endsWith(` stop: ${name}`)) + 1;
    const end = lines.findIndex((line, index) => index >= start && line.endsWith(" end of stop"));
    if (start === 0 || end === -1) throw new Error(`${file} has no stop that is named ${name}.`);
    return dedent(lines.slice(start, end));
  });
  return pieces.join("\n\n");
}

/** @param {string[]} lines */
function dedent(lines) {
  const depths = lines.filter((line) => line !== "").map((line) => line.search(/\S/));
  return lines.map((line) => line.slice(Math.min(...depths))).join("\n");
}

/** The file of a stop, and how it is named there. */
const stopIn = (file, name) => ({ file: at(file), name });

/** What all that is on Node has. */
const onNode = (file, name, ...args) => ({
  command: [process.execPath, at(file), ...args],
  stopCode: [stopIn(file, name)],
});

/** The best that can be done. */
const byHand = {
  name: "a drain by hand",
  stop: "lets in who has come, waits for every client's Pong and quiet, finishes what was started, then Close 1012",
  mark: "done by hand",
  promise: [1012],
};

/** The drain of the libraries that stand on `ws`. */
const byHandOnWs = (file) => ({
  ...byHand,
  ...onNode(file, "by hand"),
  stopCode: [stopIn(file, "by hand"), stopIn("drain-ws.mjs", "by hand")],
});

const ws = [
  {
    name: "http.close()",
    stop: "stops listening; the clients stay, and so does the process",
    mark: "built in",
    ...onNode("ws/documented.mjs", "http.close", "http.close"),
  },
  {
    name: "wss.close()",
    stop: "stops listening and upgrading; the clients stay, and so does the process",
    mark: "built in",
    ...onNode("ws/documented.mjs", "wss.close", "wss.close"),
  },
  {
    name: "client.close(1001) for all",
    stop: "says Close to every client, whatever is in hand",
    mark: "documented recipe",
    ...onNode("ws/documented.mjs", "client.close", "client.close"),
  },
  {
    name: "client.terminate() for all",
    stop: "destroys every connection",
    mark: "documented recipe",
    ...onNode("ws/documented.mjs", "client.terminate", "client.terminate"),
  },
  byHandOnWs("ws/by-hand.mjs"),
].map((variant) => ({ peer: "ws", version: versionIn("../node_modules/ws"), ...variant }));

const socketIo = [
  {
    name: "io.close()",
    stop: "disconnects every client, whatever is in hand",
    mark: "built in",
    ...onNode("socket.io/documented.mjs", "io.close"),
  },
  byHandOnWs("socket.io/by-hand.mjs"),
].map((variant) => ({
  peer: "socket.io",
  version: versionIn("../node_modules/socket.io"),
  url: "ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket",
  script: at("socket.io/script.mjs"),
  ...variant,
}));

const fastify = [
  {
    name: "fastify.close()",
    stop: "says Close to every client, whatever is in hand",
    mark: "built in",
    ...onNode("fastify/documented.mjs", "fastify.close"),
  },
  byHandOnWs("fastify/by-hand.mjs"),
].map((variant) => ({
  peer: "@fastify/websocket",
  version: versionIn("../node_modules/@fastify/websocket"),
  ...variant,
}));

const graphqlWs = [
  {
    name: "dispose()",
    stop: "says Close 1001 to every client, whatever is in hand",
    mark: "built in",
    ...onNode("graphql-ws/documented.mjs", "dispose"),
  },
  byHandOnWs("graphql-ws/by-hand.mjs"),
].map((variant) => ({
  peer: "graphql-ws",
  version: versionIn("../node_modules/graphql-ws"),
  url: "ws://127.0.0.1:{port}/graphql",
  subprotocol: "graphql-transport-ws",
  script: at("graphql-ws/script.mjs"),
  ...variant,
}));

const uWebSockets = [
  {
    name: "us_listen_socket_close()",
    stop: "stops listening; the clients stay, and so does the process",
    mark: "built in",
    ...onNode("uwebsockets/documented.mjs", "us_listen_socket_close", "us_listen_socket_close"),
  },
  {
    name: "end(1001) for all",
    stop: "says Close to every client, whatever is in hand",
    mark: "documented recipe",
    ...onNode("uwebsockets/documented.mjs", "end", "end"),
  },
  { ...byHand, ...onNode("uwebsockets/by-hand.mjs", "by hand") },
].map((variant) => ({
  peer: "uWebSockets.js",
  version: versionIn("../node_modules/@trufflesuite/uws-js-unofficial"),
  ...variant,
}));

// -B: it leaves no compiled files in the folder.
const onPython = (file, name, ...args) => ({
  command: [PYTHON, "-B", at(file), ...args],
  stopCode: [stopIn(file, name)],
});

/** @param {string} expression says it, when its module is imported */
const pythonVersion = (expression) => () =>
  said(PYTHON, ["-c", `import ${expression.split(".")[0]}; print(${expression})`]);

const websockets = [
  {
    name: "leaving serve()",
    stop: "says Close 1001 to every client, whatever is in hand",
    mark: "documented recipe",
    ...onPython("websockets/documented.py", "leave serve()"),
  },
  { ...byHand, ...onPython("websockets/by_hand.py", "by hand") },
].map((variant) => ({
  peer: "Python websockets",
  version: pythonVersion("websockets.__version__"),
  ...variant,
}));

const aiohttp = [
  {
    name: "run_app()",
    stop: "stops listening, reads nothing more, and waits for its handlers for a minute",
    mark: "built in",
    ...onPython("aiohttp/documented.py", "run_app", "run_app"),
  },
  {
    name: "on_shutdown",
    stop: "says Close 1001 to every client, one after the other, whatever is in hand",
    mark: "documented recipe",
    ...onPython("aiohttp/documented.py", "on_shutdown", "on_shutdown"),
  },
].map((variant) => ({ peer: "aiohttp", version: pythonVersion("aiohttp.__version__"), ...variant }));

const uvicorn = [
  {
    peer: "uvicorn",
    version: pythonVersion("uvicorn.__version__"),
    name: "run()",
    stop: "ends every connection without a Close, whatever is in hand",
    mark: "built in",
    ...onPython("uvicorn/documented.py", "run"),
  },
];

const tornado = [
  {
    name: "stop()",
    stop: "stops listening and ends; close_all_connections() does not know of WebSockets",
    mark: "built in",
    ...onPython("tornado/documented.py", "stop", "stop"),
  },
  {
    name: "close(1001) for all",
    stop: "says Close to every client, whatever is in hand",
    mark: "documented recipe",
    ...onPython("tornado/documented.py", "close", "close"),
  },
].map((variant) => ({ peer: "Tornado", version: pythonVersion("tornado.version"), ...variant }));

/** What all that is on Bun or Deno has. */
const onRuntime = (runtime, file, ...args) => ({
  version: () => (commandOf(runtime) === undefined ? undefined : runtimes[runtime].version),
  command: [...(commandOf(runtime) ?? []), at(file), ...args],
});

const bunServe = [
  {
    name: "server.stop()",
    stop: "stops listening; the clients stay, and so does the process",
    mark: "built in",
  },
  { name: "server.stop(true)", stop: "says Close to every client, whatever is in hand", mark: "built in" },
].map((variant) => {
  const way = variant.name.replace("()", "");
  const file = "bun/documented.mjs";
  return { peer: "Bun.serve", ...variant, ...onRuntime("bun", file, way), stopCode: [stopIn(file, way)] };
});

const denoServe = [
  {
    name: "server.shutdown()",
    stop: "says Close 1001 to every client, whatever is in hand, and ends the connection without waiting",
    mark: "built in",
  },
  {
    name: "socket.close(1001) for all",
    stop: "says Close to every client, whatever is in hand",
    mark: "documented recipe",
  },
].map((variant) => {
  const way = variant.name.replace(/\(.*/, "");
  const file = "deno/documented.mjs";
  return { peer: "Deno.serve", ...variant, ...onRuntime("deno", file, way), stopCode: [stopIn(file, way)] };
});

const onGo = (way, file = "gorilla/main.go") => ({ command: [binary, way], stopCode: [stopIn(file, way)] });

const gorilla = [
  {
    name: "Shutdown()",
    stop: "stops listening and ends; Shutdown() does not know of WebSockets",
    mark: "built in",
    ...onGo("shutdown"),
  },
  {
    name: "Shutdown(), raced",
    stop: "ends when Shutdown() begins",
    mark: "not handled",
    ...onGo("raced"),
  },
  {
    name: "Shutdown() and a WaitGroup",
    stop: "stops listening, and waits until the clients have left by themselves",
    mark: "done by hand",
    ...onGo("waitgroup"),
  },
  {
    name: "RegisterOnShutdown()",
    stop: "says Close 1001 to every client, whatever is in hand, and waits until they have left",
    mark: "documented recipe",
    ...onGo("notify"),
  },
  { ...byHand, ...onGo("by-hand", "gorilla/byhand.go") },
].map((variant) => ({
  peer: "net/http and gorilla/websocket",
  version: gorillaVersion,
  prepare: build,
  ...variant,
}));

/** Debian's package of it, without Debian's own number. */
function gorillaVersion() {
  const query = ["--show", "--showformat", "${Version}", "golang-github-gorilla-websocket-dev"];
  const hasGo = said("go", ["version"]) !== undefined;
  return hasGo ? said("dpkg-query", query)?.replace(/-.*/, "") : undefined;
}

const lastcall = [
  {
    peer: "lastcall",
    name: "server.shutdown()",
    // What runs is what was built.
    version: () => (existsSync(at("../../dist")) ? versionIn("../..")() : undefined),
    stop: "lets in who has come, serves what was sent, then Close 1012",
    mark: "built in",
    promise: [1012],
    ...onNode("lastcall/server.mjs", "shutdown"),
  },
];

/** The same server on the other runtimes. */
const lastcallElsewhere = /** @type {const} */ (["bun", "deno"]).map((runtime) => ({
  .../** @type {Variant} */ (lastcall[0]),
  peer: `lastcall on ${runtimes[runtime].title}`,
  ...onRuntime(runtime, "lastcall/server.mjs"),
}));

/** @type {Variant[]} */
export const variants = [
  ...ws,
  ...socketIo,
  ...fastify,
  ...graphqlWs,
  ...uWebSockets,
  ...websockets,
  ...gorilla,
  ...aiohttp,
  ...uvicorn,
  ...tornado,
  ...bunServe,
  ...denoServe,
  ...lastcall,
  ...lastcallElsewhere,
];
