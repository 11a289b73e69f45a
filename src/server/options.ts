/** The options of a server: their defaults in one object, and their checks. */
import { constants } from "node:buffer";
import { drainDefaults, layDrainOptions, type DrainOptions } from "../drain/options.js";
import { isProtocolName, normalizeOrigin, type RequestHead } from "../wire/handshake.js";
import { MAX_TIMEOUT } from "./clock.js";
import { checkCloseCode, checkCloseReason } from "./close-status.js";
import { InvalidOptionError } from "./errors.js";
import type { Connection } from "./handler.js";

/** How many messages and bytes of one connection may wait to be started before reading pauses. */
export interface InboxLimit {
  /** Each message is charged its memory (a binary one: the chunk that it came in) and 128 bytes. Default 1 MiB. */
  bytes: number;
  /** Default 1 024. */
  messages: number;
}

/** When a peer counts as dead. */
export interface HeartbeatOptions {
  /** Silence after which a Ping is sent, in milliseconds. Default 30 000. */
  interval: number;
  /** How long anything may take to come after that, in milliseconds. Default 10 000. */
  timeout: number;
}

/** Chooses the subprotocol: gets what the client offers, returns one of them or undefined. */
export type ProtocolChoice = (offered: readonly string[], request: RequestHead) => string | undefined;

/** Options of `createServer`. All are optional; times are in milliseconds, sizes in bytes. */
export interface ServerOptions<Principal = undefined> {
  /** The only path to serve, without a query; others get 404. Default: any. */
  path?: string | undefined;
  /** Subprotocols in the order of preference, or a function. No match: no header. Default: none. */
  protocols?: readonly string[] | ProtocolChoice | undefined;
  /** Origins of pages that may connect, or "*". Default: the host of the request, when there is an Origin at all. */
  origins?: readonly string[] | "*" | undefined;
  /**
   * Decides who connects: returns the principal, or throws `UpgradeRejected`. Anything else thrown is a 500 and goes
   * to `onError`. `signal` aborts when the client leaves or `handshakeTimeout` is over.
   */
  authenticate?:
    | ((request: RequestHead, context: { signal: AbortSignal }) => Principal | Promise<Principal>)
    | undefined;
  /** Bytes a message may have. Default 1 MiB. */
  maxPayload?: number | undefined;
  /** Fragments a message may have. Default 16 384. */
  maxFragments?: number | undefined;
  /** Connections at once, those included that left and are still served. Default: no limit. */
  maxConnections?: number | undefined;
  /** What may wait to be started. Default 1 MiB or 1 024 messages. */
  inboxLimit?: Partial<InboxLimit> | undefined;
  /** `bufferedAmount` below which the next message comes. Default 64 KiB. */
  highWaterMark?: number | undefined;
  /** `bufferedAmount` at which a connection is closed as a slow consumer. Default 16 MiB. */
  outboxLimit?: number | undefined;
  /** How long a handshake may take, from the accepted socket on. Default 10 000. */
  handshakeTimeout?: number | undefined;
  /** How long the peer's Close may wait for the messages before it. Default 5 000. */
  closeReplyTimeout?: number | undefined;
  /** How long messages of a peer that is gone are still served. Default 30 000. */
  goneTimeout?: number | undefined;
  /** When a peer counts as dead; false: never. Default 30 s and 10 s. */
  heartbeat?: Partial<HeartbeatOptions> | false | undefined;
  /** How the server goes down. */
  drain?: Partial<DrainOptions> | undefined;
  /** Hears of errors thrown by handlers, `authenticate` and promises given to `waitUntil`. Default: none. */
  onError?: ((error: unknown, connection?: Connection<Principal>) => unknown) | undefined;
}

/** The defaults of `ServerOptions`. */
export const defaults = Object.freeze({
  path: undefined,
  protocols: Object.freeze<string[]>([]),
  origins: undefined,
  authenticate: undefined,
  maxPayload: 1024 * 1024,
  maxFragments: 16_384,
  maxConnections: Infinity,
  inboxLimit: Object.freeze({ bytes: 1024 * 1024, messages: 1024 }),
  highWaterMark: 64 * 1024,
  outboxLimit: 16 * 1024 * 1024,
  handshakeTimeout: 10_000,
  closeReplyTimeout: 5_000,
  goneTimeout: 30_000,
  heartbeat: Object.freeze({ interval: 30_000, timeout: 10_000 }),
  drain: drainDefaults,
  onError: undefined,
});

/** Options that are complete and allowed. */
export interface ResolvedOptions<Principal> {
  path: string | undefined;
  protocols: readonly string[] | ProtocolChoice;
  origins: readonly string[] | "*" | undefined;
  authenticate: ServerOptions<Principal>["authenticate"];
  maxPayload: number;
  maxFragments: number;
  maxConnections: number;
  inboxLimit: InboxLimit;
  highWaterMark: number;
  outboxLimit: number;
  handshakeTimeout: number;
  heartbeat: HeartbeatOptions | false;
  closeReplyTimeout: number;
  goneTimeout: number;
  /** What was given for the drain, and what that comes to. */
  givenDrain: Partial<DrainOptions>;
  drain: DrainOptions;
  onError: ServerOptions<Principal>["onError"];
}

type Check = (name: string, value: unknown) => void;

function numberFrom(minimum: number, maximum: number, allowed: string, whole = false): Check {
  return (name, value) => {
    const fits = typeof value === "number" && value >= minimum && value <= maximum;
    if (!fits || (whole && value !== Infinity && !Number.isInteger(value))) {
      throw new InvalidOptionError(name, value, allowed);
    }
  };
}

const timeout = numberFrom(0, MAX_TIMEOUT, `a number of milliseconds from 0 to ${MAX_TIMEOUT}`);
const positiveTimeout = numberFrom(1, MAX_TIMEOUT, `a number of milliseconds from 1 to ${MAX_TIMEOUT}`);
const timeoutOrInfinity = numberFrom(0, Infinity, "a number of milliseconds from 0, or Infinity");
const bytes = numberFrom(1, 2 ** 31, "a whole number of bytes from 1 to 2 147 483 648", true);
const count = numberFrom(1, Infinity, "a whole number from 1, or Infinity", true);

const numberChecks: Record<string, Check> = {
  // A longer text could not become a string.
  maxPayload: numberFrom(
    1,
    constants.MAX_STRING_LENGTH,
    `a whole number of bytes from 1 to ${constants.MAX_STRING_LENGTH}`,
    true,
  ),
  maxFragments: count,
  maxConnections: count,
  highWaterMark: bytes,
  outboxLimit: bytes,
  handshakeTimeout: positiveTimeout,
  closeReplyTimeout: timeout,
  goneTimeout: timeout,
};

const inboxChecks: Record<string, Check> = { bytes, messages: count };
const heartbeatChecks: Record<string, Check> = { interval: positiveTimeout, timeout: positiveTimeout };

const drainChecks: Record<string, Check> = {
  deadline: positiveTimeout,
  lastCall: timeoutOrInfinity,
  patience: timeoutOrInfinity,
  quiet: timeoutOrInfinity,
  barrierTimeout: timeout,
  handshakeGrace: timeout,
  closeTimeout: timeout,
  lingerTimeout: timeout,
  lameDuck: timeout,
  pace: numberFrom(1, Infinity, "a number of connections per second from 1, or Infinity"),
  code: checkCloseCode,
  reason: checkCloseReason,
};

/**
 * Checks the options of a server and completes them.
 * @throws {@link InvalidOptionError}
 */
export function resolveOptions<Principal>(given: ServerOptions<Principal> = {}): ResolvedOptions<Principal> {
  const known = record("The options", given);
  refuseUnknown("", known, Object.keys(defaults));
  const options = { ...defaults, ...known } as Required<ServerOptions<Principal>>;

  if (options.path !== undefined && !(typeof options.path === "string" && /^\/[^?#]*$/.test(options.path))) {
    throw new InvalidOptionError("path", options.path, "a path that begins with '/', without a query");
  }
  for (const [name, check] of Object.entries(numberChecks)) {
    check(name, options[name as keyof typeof options]);
  }
  checkFunction("authenticate", options.authenticate);
  checkFunction("onError", options.onError);

  const givenDrain = checkDrainOptions(known["drain"] ?? {}, "drain.");
  const resolved: ResolvedOptions<Principal> = {
    path: options.path,
    protocols: checkProtocols(options.protocols),
    origins: checkOrigins(options.origins),
    authenticate: options.authenticate,
    maxPayload: options.maxPayload!,
    maxFragments: options.maxFragments!,
    maxConnections: options.maxConnections!,
    inboxLimit: group("inboxLimit", options.inboxLimit, defaults.inboxLimit, inboxChecks),
    highWaterMark: options.highWaterMark!,
    outboxLimit: options.outboxLimit!,
    handshakeTimeout: options.handshakeTimeout!,
    heartbeat:
      options.heartbeat !== false &&
      group("heartbeat", options.heartbeat, defaults.heartbeat, heartbeatChecks),
    closeReplyTimeout: options.closeReplyTimeout!,
    goneTimeout: options.goneTimeout!,
    givenDrain,
    drain: completeDrainOptions(givenDrain, "drain."),
    onError: options.onError,
  };
  if (resolved.outboxLimit < resolved.highWaterMark) {
    throw new InvalidOptionError("outboxLimit", resolved.outboxLimit, "at least highWaterMark");
  }
  return resolved;
}

/**
 * Checks options of a drain, each for itself, and returns those that are given.
 * @throws {@link InvalidOptionError}
 */
export function checkDrainOptions(given: Partial<DrainOptions>, prefix = ""): Partial<DrainOptions> {
  const known: Partial<DrainOptions> = record(prefix === "" ? "The options" : "drain", given);
  refuseUnknown(prefix, known, Object.keys(drainDefaults));
  for (const [name, value] of Object.entries(known)) drainChecks[name]!(prefix + name, value);
  return known;
}

/**
 * Completes checked options of a drain.
 * @throws {@link InvalidOptionError} when times cannot fit: a lame duck that lasts to the deadline leaves nobody served.
 */
export function completeDrainOptions(known: Partial<DrainOptions>, prefix = ""): DrainOptions {
  const options = layDrainOptions(known, drainDefaults);
  if (options.lameDuck < options.deadline) return options;
  throw new InvalidOptionError(
    `${prefix}lameDuck`,
    options.lameDuck,
    `below the deadline of ${options.deadline} ms`,
  );
}

/** A given object without the entries that are undefined: those mean the default. */
function record(name: string, given: unknown): Record<string, unknown> {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new InvalidOptionError(name, given, "an object");
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function refuseUnknown(prefix: string, given: object, names: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) {
      throw new InvalidOptionError(
        prefix + name,
        (given as Record<string, unknown>)[name],
        `left out, since there is no such option; there are: ${names.join(", ")}`,
      );
    }
  }
}

function group<Group extends object>(
  name: string,
  given: unknown,
  under: Readonly<Group>,
  checks: Record<string, Check>,
): Group {
  const known = record(name, given);
  refuseUnknown(`${name}.`, known, Object.keys(checks));
  for (const [key, value] of Object.entries(known)) checks[key]!(`${name}.${key}`, value);
  return { ...under, ...known };
}

function checkFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function")
    throw new InvalidOptionError(name, value, "a function");
}

function checkProtocols(protocols: unknown): readonly string[] | ProtocolChoice {
  if (typeof protocols === "function") return protocols as ProtocolChoice;
  if (
    Array.isArray(protocols) &&
    protocols.every((name) => typeof name === "string" && isProtocolName(name))
  ) {
    return [...protocols] as string[];
  }
  throw new InvalidOptionError(
    "protocols",
    protocols,
    "a list of subprotocol names (HTTP tokens) or a function",
  );
}

function checkOrigins(origins: unknown): readonly string[] | "*" | undefined {
  if (origins === undefined || origins === "*") return origins;
  if (!Array.isArray(origins)) throw new InvalidOptionError("origins", origins, 'a list of origins or "*"');
  return origins.map((origin) => {
    const normalized = typeof origin === "string" ? normalizeOrigin(origin) : undefined;
    if (normalized === undefined) {
      throw new InvalidOptionError("origins", origin, "a list of origins such as https://example.com");
    }
    return normalized;
  });
}
