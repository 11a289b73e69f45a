/** What a drill can be asked for, its defaults, and what is not allowed. */
import { constants } from "node:os";
import { isProtocolName } from "../wire/handshake.js";
import { checkScript, createDialect, isReply, loadScript, type DrillScript } from "./dialect.js";
import { DrillError } from "./errors.js";
import type { UpgradeTarget } from "./handshake.js";
import { profileNames, profiles, type ProfileName } from "./profiles.js";
import type { Progress } from "./progress.js";
import type { DrillSettings, RunResult } from "./result.js";

/** What a drill is asked for. Times are in milliseconds, sizes in bytes. */
export interface DrillOptions {
  /**
   * The program that is the server, and its arguments; no shell. It finds a free port in `PORT`, and `{port}` in an
   * argument is replaced by it. Either this, or `url` with `pid` or `stop`.
   */
  command?: readonly string[];
  /** Environment of the command, beside that of this process. */
  env?: Readonly<Record<string, string>>;
  /** The server's address, `ws:` or `wss:`. With a command `{port}` is replaced. Default: ws://127.0.0.1:{port}/ */
  url?: string;
  /** The process of a server that runs already. */
  pid?: number;
  /** How to stop a server that runs already: a shell command, or a function. */
  stop?: string | (() => unknown);

  /** Connections that are opened. Default 5. */
  connections?: number;
  /** Requests on each. Default 5. */
  requests?: number;
  /** Between messages that profiles send by the clock. Default 50. */
  interval?: number;
  /** Bytes of a request, at least. Default 64; profiles that need more have more. */
  size?: number;
  /** How the clients behave: names of profiles, or "all". Default "pipelined". */
  profiles?: readonly ProfileName[] | "all";
  /** What the process is sent. Default SIGTERM. */
  killSignal?: NodeJS.Signals;
  /** From the beginning of the load to the signal. Default 50. */
  at?: number;
  /** From the signal to the end; who takes longer hangs, and is killed. Default 30 000. */
  timeout?: number;
  /** Until a command listens, and then until its clients may send requests. Default 15 000. */
  startTimeout?: number;
  /** How often each profile is played. Default 1. */
  repeat?: number;
  /** For the same times and fragments again. Default: a new one each time. */
  seed?: number;
  /** New connections must be accepted for so long after the signal (a lame duck). Default 0. */
  acceptFor?: number;

  /** The subprotocol that is offered; a server that does not agree to it cannot be drilled. */
  subprotocol?: string;
  /** Further headers of the opening handshake. They are in no report. */
  headers?: Readonly<Record<string, string>>;
  /** Certificates of `wss:` are not checked. Default false. */
  insecure?: boolean;

  /** The message of a request; {id}, {n}, {connection} and {number} are replaced. Default: the id, filled up to `size`. */
  message?: string;
  /** How the request of a reply is found: "echo" (it contains the id), "order", or "json:<path>". Default "echo". */
  reply?: string;
  /** What a client sends first. */
  open?: string;
  /** Requests are sent when a message has come that contains this. */
  openAck?: string;
  /** The path of a module, or an object, that says more than `message`, `reply`, `open` and `openAck` can. */
  script?: string | DrillScript;

  /**
   * The file to which the server appends the id of each request that it has executed, one a line. A command finds its
   * path in `LASTCALL_EFFECTS`. Default with a command: a temporary file, judged if the server makes it.
   */
  effects?: string;
  /** Close codes by which the server promises that what it did not answer was never started. Default: none. */
  promise?: readonly number[];
  /** A request from before the signal may be handed back by a promise. Default false. */
  acceptHandback?: boolean;
  /** Requests that were cut off, and connections that were turned away, fail. Default false. */
  strict?: boolean;
  /** Exit codes that are right; the end by a signal is 128 + its number, as in a shell. Default [0]. */
  exitCodes?: readonly number[];

  /** Aborting it ends the drill: the server is stopped as gracefully, and the result tells what was seen. */
  signal?: AbortSignal;
  /** Hears how far the drill is. */
  onProgress?: (progress: Progress) => void;
  /** Hears of each run when it is over. */
  onRun?: (played: { run: RunResult; isLastOfProfile: boolean }) => void;
}

/** The defaults of the options that have one. */
export const drillDefaults = {
  connections: 5,
  requests: 5,
  interval: 50,
  size: 64,
  killSignal: "SIGTERM",
  at: 50,
  timeout: 30_000,
  startTimeout: 15_000,
  repeat: 1,
  acceptFor: 0,
  reply: "echo",
  exitCodes: [0],
} as const;

/** Whole numbers, and what is allowed. */
const numbers = {
  connections: [1, 20_000],
  requests: [1, 100_000],
  interval: [0, 3_600_000],
  size: [0, 16 * 1024 * 1024],
  at: [0, 3_600_000],
  timeout: [1, 3_600_000],
  startTimeout: [1, 3_600_000],
  repeat: [1, 1_000],
  acceptFor: [0, 3_600_000],
  seed: [0, 2 ** 31 - 1],
  pid: [1, 2 ** 31 - 1],
} as const satisfies Partial<Record<keyof DrillOptions, readonly [number, number]>>;

/** Requests of one run: each is kept until its end. */
const MOST_REQUESTS = 1_000_000;

const texts = ["url", "subprotocol", "message", "reply", "open", "openAck", "effects"] as const;
const switches = ["insecure", "strict", "acceptHandback"] as const;
const others = [
  "command",
  "env",
  "stop",
  "profiles",
  "killSignal",
  "headers",
  "script",
  "promise",
  "exitCodes",
  "signal",
  "onProgress",
  "onRun",
] as const;

function refuse(message: string): never {
  throw new DrillError("LASTCALL_DRILL_OPTION", message);
}

function show(value: unknown): string {
  if (typeof value === "string") return `'${value.slice(0, 80)}'`;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return value === null ? "null" : `of type ${typeof value}`;
}

function checkEach(options: DrillOptions): void {
  const known = new Set<string>([...Object.keys(numbers), ...texts, ...switches, ...others]);
  for (const name of Object.keys(options)) {
    if (!known.has(name)) refuse(`There is no option '${name}'. There are: ${[...known].sort().join(", ")}.`);
  }
  for (const [name, [from, to]] of Object.entries(numbers)) {
    const value: unknown = options[name as keyof typeof numbers];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || (value as number) < from || (value as number) > to) {
      refuse(`${name} must be a whole number from ${from} to ${to}; it was ${show(value)}.`);
    }
  }
  for (const name of texts) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "string")
      refuse(`${name} must be a string; it was ${show(value)}.`);
  }
  for (const name of switches) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "boolean")
      refuse(`${name} must be true or false; it was ${show(value)}.`);
  }
}

function checkLists({ profiles: names, promise = [], exitCodes = [], killSignal }: DrillOptions): void {
  if (names !== undefined && names !== "all") {
    if (!Array.isArray(names) || names.length === 0) refuse("profiles must be 'all' or a list of names.");
    for (const name of names as readonly string[]) {
      if (!Object.hasOwn(profiles, name))
        refuse(`There is no profile '${name}'. There are: ${profileNames.join(", ")}, or all.`);
    }
  }
  for (const code of promise) {
    if (!Number.isInteger(code) || code < 1000 || code > 4999)
      refuse(`promise must hold close codes from 1000 to 4999; it held ${show(code)}.`);
  }
  for (const code of exitCodes) {
    if (!Number.isInteger(code) || code < 0 || code > 255)
      refuse(`exitCodes must hold numbers from 0 to 255; it held ${show(code)}.`);
  }
  if (killSignal !== undefined && !Object.hasOwn(constants.signals, killSignal))
    refuse(`There is no signal '${killSignal}'. Most servers stop at SIGTERM, SIGINT or SIGQUIT.`);
}

function checkTarget(options: DrillOptions): void {
  const { command, url, pid, stop, profiles: names = [], repeat = 1 } = options;
  if (command !== undefined) {
    if (!Array.isArray(command) || command.length === 0 || command.some((part) => typeof part !== "string"))
      refuse("command must be a list of strings: a program and its arguments.");
    if (pid !== undefined || stop !== undefined)
      refuse("A command is stopped by a signal: give either the command, or url with pid or stop (--exec).");
    return;
  }
  if (url === undefined)
    refuse("Nothing to drill: give a command behind '--', or --url with --pid or --exec.");
  if ((pid === undefined) === (stop === undefined))
    refuse(
      "A server that runs already needs exactly one of pid and stop (--pid or --exec): how it is told to stop.",
    );
  if (url.includes("{port}")) refuse("{port} in the url needs a command that is given the port.");
  const runs = (names === "all" ? profileNames.length : names.length) * repeat;
  if (pid !== undefined && runs > 1)
    refuse(
      "A process ends once: with a pid, one profile can be played, and without repeats. Give the command instead.",
    );
}

function checkTalk({ url, subprotocol, reply = "echo", headers = {}, message, script }: DrillOptions): void {
  if (url !== undefined) parseUrl(url.replace("{port}", "1"));
  if (subprotocol !== undefined && !isProtocolName(subprotocol))
    refuse(`subprotocol must be a token that a header can carry; it was ${show(subprotocol)}.`);
  if (!isReply(reply)) refuse(`reply must be echo, order or json:<path>; it was ${show(reply)}.`);
  for (const [name, value] of Object.entries(headers)) {
    if (!isProtocolName(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value))
      refuse(`The header '${name}' cannot be carried by HTTP.`);
  }
  const hasOwnRequests = script !== undefined && (typeof script === "string" || script.request !== undefined);
  if (message !== undefined && reply !== "order" && !/\{(id|n)\}/.test(message) && !hasOwnRequests)
    refuse(
      "message must contain {id} or {n}, so that its reply can be told from others; or use reply 'order'.",
    );
}

function parseUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || (parsed.protocol !== "ws:" && parsed.protocol !== "wss:"))
    refuse(`url must begin with ws:// or wss://; it was ${show(url)}.`);
  return parsed;
}

/** Where the handshakes go, with the port filled in. */
export function upgradeTarget(options: DrillOptions, port: number | undefined): UpgradeTarget {
  const { url = "ws://127.0.0.1:{port}/", insecure = false, subprotocol, headers = {} } = options;
  const parsed = parseUrl(url.replace("{port}", String(port)));
  const { protocol, hostname, port: given, host, pathname, search, username, password } = parsed;
  const isTls = protocol === "wss:";
  // An IPv6 address stands in brackets in a URL.
  const name = hostname.replace(/^\[(.*)\]$/, "$1");
  return {
    endpoint: {
      host: name,
      port: given === "" ? (isTls ? 443 : 80) : Number(given),
      tls: isTls
        ? { servername: /[a-z]/i.test(name) && !name.includes(":") ? name : "", insecure }
        : undefined,
    },
    host,
    path: pathname + search,
    subprotocol,
    headers: [...(username === "" ? [] : [basic(username, password)]), ...Object.entries(headers)],
  };
}

/** Credentials of a URL as a header (RFC 7617). */
function basic(username: string, password: string): [string, string] {
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return ["Authorization", `Basic ${Buffer.from(credentials).toString("base64")}`];
}

/** Checks what was asked for. Throws a DrillError that says what is not allowed. */
export function checkOptions(options: DrillOptions): void {
  if (process.platform === "win32") refuse("A drill needs signals and process groups: Linux or macOS.");
  checkEach(options);
  checkLists(options);
  checkTarget(options);
  checkTalk(options);
  const { connections = drillDefaults.connections, requests = drillDefaults.requests } = options;
  const { acceptFor = drillDefaults.acceptFor, timeout = drillDefaults.timeout } = options;
  if (acceptFor >= timeout)
    refuse(`acceptFor is part of timeout and must be shorter; it was ${acceptFor} of ${timeout} ms.`);
  if (connections * requests > MOST_REQUESTS)
    refuse(`connections × requests must be at most ${MOST_REQUESTS}; it was ${connections * requests}.`);
}

/** What was asked for, with the defaults filled in. */
export function settingsOf(options: DrillOptions): DrillSettings {
  const { profiles: names = ["pipelined"] } = options;
  return {
    connections: options.connections ?? drillDefaults.connections,
    requests: options.requests ?? drillDefaults.requests,
    interval: options.interval ?? drillDefaults.interval,
    size: options.size ?? drillDefaults.size,
    profiles: names === "all" ? [...profileNames] : [...new Set(names)],
    signal: options.killSignal ?? drillDefaults.killSignal,
    at: options.at ?? drillDefaults.at,
    timeout: options.timeout ?? drillDefaults.timeout,
    repeat: options.repeat ?? drillDefaults.repeat,
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 31),
    acceptFor: options.acceptFor ?? drillDefaults.acceptFor,
    exitCodes: [...(options.exitCodes ?? drillDefaults.exitCodes)],
    promise: [...(options.promise ?? [])],
    strict: options.strict ?? false,
    acceptHandback: options.acceptHandback ?? false,
  };
}

/** The dialect that was asked for; loads the script. */
export async function dialectOf({ message, reply = "echo", open, openAck, script = {} }: DrillOptions) {
  const given =
    typeof script === "string"
      ? await loadScript(script)
      : Object.keys(script).length === 0
        ? {}
        : checkScript({ ...script }, "script");
  return createDialect({ message, reply, open, openAck, script: given });
}
