/** What a drill can be asked for, its defaults, and what becomes of it. */
import { checkScript, createDialect, loadScript, type DrillScript } from "./dialect.js";
import type { UpgradeTarget } from "./handshake.js";
import { profileNames, type ProfileName } from "./profiles.js";
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
  /** Bytes a second that the clients of slow-reader read. Default: nothing for a second from the signal on, then all. */
  readRate?: number;
  /** How the clients behave: names of profiles, or "all". Default "pipelined". */
  profiles?: readonly ProfileName[] | "all";
  /** What the process is sent. Default SIGTERM. */
  killSignal?: NodeJS.Signals;
  /** From the beginning of the load to the signal. Default 50. */
  signalAfter?: number;
  /** From the signal to the end; who takes longer hangs, and is killed. Default 30 000. */
  timeout?: number;
  /** Until a command listens, and then until its clients may send requests. Default 15 000. */
  startTimeout?: number;
  /** How often each profile is played. Default 1. */
  repeat?: number;
  /** For the same times and fragments again. Default: a new one each time. */
  seed?: number;
  /** New connections must be accepted for so long after the signal (a lame duck). Default 0. */
  lameDuck?: number;

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
  signalAfter: 50,
  timeout: 30_000,
  startTimeout: 15_000,
  repeat: 1,
  lameDuck: 0,
  reply: "echo",
  exitCodes: [0],
} as const;

/** Where the handshakes go, with the port filled in. The options have been checked. */
export function upgradeTarget(options: DrillOptions, port: number | undefined): UpgradeTarget {
  const { url = "ws://127.0.0.1:{port}/", insecure = false, subprotocol, headers = {} } = options;
  const parsed = new URL(url.replaceAll("{port}", String(port)));
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

/** The names of the profiles that are played, each once. */
export function namesOf({ profiles: names = ["pipelined"] }: DrillOptions): ProfileName[] {
  return names === "all" ? [...profileNames] : [...new Set(names)];
}

/** What was asked for, with the defaults filled in. */
export function settingsOf(options: DrillOptions): DrillSettings {
  return {
    connections: options.connections ?? drillDefaults.connections,
    requests: options.requests ?? drillDefaults.requests,
    interval: options.interval ?? drillDefaults.interval,
    size: options.size ?? drillDefaults.size,
    readRate: options.readRate,
    profiles: namesOf(options),
    signal: options.killSignal ?? drillDefaults.killSignal,
    signalAfter: options.signalAfter ?? drillDefaults.signalAfter,
    timeout: options.timeout ?? drillDefaults.timeout,
    repeat: options.repeat ?? drillDefaults.repeat,
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 31),
    lameDuck: options.lameDuck ?? drillDefaults.lameDuck,
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
