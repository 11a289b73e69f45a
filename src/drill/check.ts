/** What a drill cannot be asked for. */
import { constants } from "node:os";
import { isProtocolName } from "../wire/handshake.js";
import { isReply } from "./dialect.js";
import { DrillError } from "./errors.js";
import { drillDefaults, namesOf, type DrillOptions } from "./options.js";
import { profileNames, profiles } from "./profiles.js";

/** Whole numbers, and what is allowed. */
const numbers = {
  connections: [1, 20_000],
  requests: [1, 100_000],
  interval: [0, 3_600_000],
  size: [0, 16 * 1024 * 1024],
  // Above this a client takes what there is at each turn, and would be no slower than others.
  readRate: [1, 4 * 1024 * 1024],
  signalAfter: [0, 3_600_000],
  timeout: [1, 3_600_000],
  startTimeout: [1, 3_600_000],
  repeat: [1, 1_000],
  lameDuck: [0, 3_600_000],
  seed: [0, 2 ** 31 - 1],
  pid: [1, 2 ** 31 - 1],
} as const satisfies Partial<Record<keyof DrillOptions, readonly [number, number]>>;

/** Requests of one run: each is kept until its end. */
const MOST_REQUESTS = 1_000_000;

/** Bytes of all requests of a run: sent at once, they wait in our memory while a server does not read. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Headers that would change what the drill's clients understand. */
const OURS = new Set(["sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"]);

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

/**
 * Checks what was asked for.
 *
 * @throws DrillError that says what is not allowed.
 */
export function checkOptions(options: DrillOptions): void {
  if (process.platform === "win32") refuse("A drill needs signals and process groups: Linux or macOS.");
  checkEach(options);
  checkShapes(options);
  checkLists(options);
  checkTarget(options);
  checkTalk(options);
  checkReadRate(options);
  const { connections = drillDefaults.connections, requests = drillDefaults.requests } = options;
  const { lameDuck = drillDefaults.lameDuck, timeout = drillDefaults.timeout } = options;
  if (lameDuck >= timeout)
    refuse(`\`lameDuck\` is part of \`timeout\` and must be shorter; it was ${lameDuck} of ${timeout} ms.`);
  if (connections * requests > MOST_REQUESTS)
    refuse(
      `\`connections\` × \`requests\` must be at most ${MOST_REQUESTS}; it was ${connections * requests}.`,
    );
  const bytes = connections * requests * (options.size ?? 0);
  if (bytes > MOST_BYTES)
    refuse(`\`connections\` × \`requests\` × \`size\` must be at most ${MOST_BYTES} bytes; it was ${bytes}.`);
}

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
      refuse(`\`${name}\` must be a whole number from ${from} to ${to}; it was ${show(value)}.`);
    }
  }
  for (const name of texts) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "string")
      refuse(`\`${name}\` must be a string; it was ${show(value)}.`);
  }
  for (const name of switches) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "boolean")
      refuse(`\`${name}\` must be true or false; it was ${show(value)}.`);
  }
}

/** What an option that is no number, no text and no switch has to be. */
function checkShape(
  name: (typeof others)[number],
  options: DrillOptions,
  allowed: string,
  isRight: (value: unknown) => boolean,
): void {
  const value: unknown = options[name];
  if (value !== undefined && !isRight(value))
    refuse(`\`${name}\` must be ${allowed}; it was ${show(value)}.`);
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function hasOnlyStrings(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((each) => typeof each === "string");
}

function checkShapes(options: DrillOptions): void {
  checkShape("env", options, "an object of strings", hasOnlyStrings);
  checkShape("headers", options, "an object of strings", hasOnlyStrings);
  checkShape("promise", options, "a list of close codes", Array.isArray);
  checkShape("exitCodes", options, "a list of numbers", (value) => Array.isArray(value) && value.length > 0);
  checkShape(
    "stop",
    options,
    "a shell command or a function",
    (value) => isFunction(value) || (typeof value === "string" && value.trim() !== ""),
  );
  checkShape(
    "script",
    options,
    "the path of a module or an object",
    (value) => isObject(value) || (typeof value === "string" && value !== ""),
  );
  checkShape("signal", options, "an AbortSignal", (value) => value instanceof AbortSignal);
  checkShape("onProgress", options, "a function", isFunction);
  checkShape("onRun", options, "a function", isFunction);
}

function checkLists({ profiles: names, promise = [], exitCodes = [], killSignal }: DrillOptions): void {
  if (names !== undefined && names !== "all") {
    if (!Array.isArray(names) || names.length === 0) refuse("`profiles` must be 'all' or a list of names.");
    for (const name of names as readonly string[]) {
      if (!Object.hasOwn(profiles, name))
        refuse(`There is no profile ${show(name)}. There are: ${profileNames.join(", ")}, or all.`);
    }
  }
  for (const code of promise) {
    if (!Number.isInteger(code) || code < 1000 || code > 4999)
      refuse(`\`promise\` must hold close codes from 1000 to 4999; it held ${show(code)}.`);
  }
  for (const code of exitCodes) {
    if (!Number.isInteger(code) || code < 0 || code > 255)
      refuse(`\`exitCodes\` must hold numbers from 0 to 255; it held ${show(code)}.`);
  }
  if (killSignal !== undefined && !Object.hasOwn(constants.signals, killSignal))
    refuse(`There is no signal ${show(killSignal)}. Most servers stop at SIGTERM, SIGINT or SIGQUIT.`);
}

/** An option that would do nothing, or ask for what nobody could do. */
function checkReadRate(options: DrillOptions): void {
  const { readRate, requests = drillDefaults.requests, size, timeout = drillDefaults.timeout } = options;
  if (readRate === undefined) return;
  if (!namesOf(options).includes("slow-reader"))
    refuse("`readRate` is about the profile slow-reader, which is not among those that are played.");
  const seconds = (requests * (size ?? 0)) / readRate;
  if (seconds * 1_000 >= timeout)
    refuse(
      `At ${readRate} bytes a second, ${requests} replies of ${size} bytes are read in ${seconds.toFixed(0)} s, which is not within the timeout of ${timeout / 1_000} s.`,
    );
}

function checkTarget(options: DrillOptions): void {
  const { command, url, pid, stop, repeat = 1 } = options;
  if (command !== undefined) {
    if (!Array.isArray(command) || command.length === 0 || command.some((part) => typeof part !== "string"))
      refuse("`command` must be a list of strings: a program and its arguments.");
    if (pid !== undefined || stop !== undefined)
      refuse("A command is stopped by a signal: give either the command, or `url` with `pid` or `stop`.");
    return;
  }
  if (url === undefined) refuse("Nothing to drill: give `command`, or `url` with `pid` or `stop`.");
  if ((pid === undefined) === (stop === undefined))
    refuse("A server that runs already needs exactly one of `pid` and `stop`: how it is told to stop.");
  if (url.includes("{port}")) refuse("{port} in `url` needs a command that is given the port.");
  if (pid !== undefined && namesOf(options).length * repeat > 1)
    refuse(
      "A process ends once: with `pid`, one profile can be played, and without repeats. Give the command instead.",
    );
}

function checkTalk({ url, subprotocol, reply = "echo", headers = {}, message, script }: DrillOptions): void {
  if (url !== undefined) checkUrl(url.replaceAll("{port}", "1"));
  if (subprotocol !== undefined && !isProtocolName(subprotocol))
    refuse(`\`subprotocol\` must be a token that a header can carry; it was ${show(subprotocol)}.`);
  if (!isReply(reply)) refuse(`\`reply\` must be echo, order or json:<path>; it was ${show(reply)}.`);
  for (const [name, value] of Object.entries(headers)) {
    if (OURS.has(name.toLowerCase()))
      refuse(
        `The header '${name}' is the drill's own: its clients give a key, and speak without extensions.`,
      );
    if (!isProtocolName(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value))
      refuse(`The header '${name}' cannot be carried by HTTP.`);
  }
  const hasOwnRequests = script !== undefined && (typeof script === "string" || script.request !== undefined);
  if (message !== undefined && reply !== "order" && !/\{(id|n)\}/.test(message) && !hasOwnRequests)
    refuse(
      "`message` must contain {id} or {n}, so that its reply can be told from others; or use `reply` order.",
    );
}

function checkUrl(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || (parsed.protocol !== "ws:" && parsed.protocol !== "wss:"))
    refuse(`\`url\` must begin with ws:// or wss://; it was ${show(url)}.`);
  try {
    decodeURIComponent(parsed.username + parsed.password);
  } catch {
    refuse("`url` must have its name and password percent-encoded.");
  }
}
