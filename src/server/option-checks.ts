/** Checks options and completes them: what is not allowed fails at once, with what was given and what is allowed. */
import { constants } from "node:buffer";
import { checkFunction, record, refuseUnknown } from "../base/checks.js";
import { MAX_TIMEOUT } from "../base/clock.js";
import { InvalidOptionError } from "../base/errors.js";
import { checkCloseCode, checkCloseReason } from "../connection/close-status.js";
import { drainDefaults, layCallOptions, type DrainOptions } from "../drain/options.js";
import { CompressionNegotiator, WINDOW_BITS, type CompressionOptions } from "../listen/compression-offer.js";
import type { ProtocolChoice } from "../listen/options.js";
import { isProtocolName, normalizeOrigin } from "../wire/handshake.js";
import { warnIfDoubtful } from "./doubtful-values.js";
import { defaults, type ResolvedOptions, type ServerOptions } from "./options.js";

type Check = (name: string, value: unknown) => void;

function numberFrom(minimum: number, maximum: number, allowed: string, whole = false): Check {
  return (name, value) => {
    const fits = typeof value === "number" && value >= minimum && value <= maximum;
    if (!fits || (whole && value !== Infinity && !Number.isInteger(value))) {
      throw new InvalidOptionError(name, value, allowed);
    }
    warnIfDoubtful(name, value);
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

const windowBits = numberFrom(
  WINDOW_BITS.smallest,
  WINDOW_BITS.largest,
  `a whole number from ${WINDOW_BITS.smallest} to ${WINDOW_BITS.largest}`,
  true,
);

const compressionChecks: Record<keyof CompressionOptions, Check> = {
  threshold: numberFrom(0, Infinity, "a whole number of bytes from 0, or Infinity", true),
  serverNoContextTakeover: checkBoolean,
  clientNoContextTakeover: checkBoolean,
  serverMaxWindowBits: windowBits,
  clientMaxWindowBits: windowBits,
};

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
  spread: timeout,
  pace: numberFrom(1, Infinity, "a number of connections per second from 1, or Infinity"),
  code: checkCloseCode,
  reason: checkCloseReason,
};

/** Options of groups: who writes them without their group is told so. */
const NESTED = Object.entries({
  drain: drainDefaults,
  heartbeat: defaults.heartbeat,
  inboxLimit: defaults.inboxLimit,
  compression: defaults.compression,
}).flatMap(([outer, options]) => Object.keys(options).map((name) => `${outer}.${name}`));

/** What others have as options, `ws` first of all, and what is meant by it here. */
const FOREIGN = {
  port: "run({ listen })",
  host: "run({ listen })",
  server: "run({ listen })",
  noServer: "run({ listen })",
  verifyClient: "authenticate",
  handleProtocols: "protocols",
  perMessageDeflate: "compression",
};

/**
 * Checks the options of a server and completes them.
 * @throws {@link InvalidOptionError}
 */
export function resolveOptions<Principal>(given: ServerOptions<Principal> = {}): ResolvedOptions<Principal> {
  const known = record("The options", given);
  refuseUnknown("", known, Object.keys(defaults), NESTED, FOREIGN);
  const options = { ...defaults, ...known } as Required<ServerOptions<Principal>>;

  checkPath(options.path);
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
    decoding: {
      maxPayload: options.maxPayload!,
      maxFragments: options.maxFragments!,
      masked: true,
      compression: false,
    },
    maxConnections: options.maxConnections!,
    inboxLimit: group("inboxLimit", options.inboxLimit, defaults.inboxLimit, inboxChecks),
    highWaterMark: options.highWaterMark!,
    outboxLimit: options.outboxLimit!,
    handshakeTimeout: options.handshakeTimeout!,
    heartbeat:
      options.heartbeat !== false &&
      group(
        "heartbeat",
        options.heartbeat,
        defaults.heartbeat,
        heartbeatChecks,
        "an object, or false for none",
      ),
    closeReplyTimeout: options.closeReplyTimeout!,
    goneTimeout: options.goneTimeout!,
    compression: resolveCompression(known["compression"], options.maxPayload!),
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
 * @param known Those that are given now: they must fit. Those of the server give way to them.
 * @throws {@link InvalidOptionError} when times cannot fit: who comes in through a lame duck that lasts to the last call
 *   cannot be served, and a last call behind the deadline is none.
 */
export function completeDrainOptions(
  known: Partial<DrainOptions>,
  prefix = "",
  ofServer: Partial<DrainOptions> = {},
): DrainOptions {
  const options = layCallOptions(known, ofServer);
  const { deadline, lameDuck } = options;
  if (known.lameDuck !== undefined && lameDuck > 0 && lameDuck >= options.lastCall) {
    const allowed = `below lastCall, which is at ${options.lastCall} ms and follows the deadline`;
    throw new InvalidOptionError(`${prefix}lameDuck`, lameDuck, allowed);
  }
  const mostSpread = options.lastCall - lameDuck;
  if (known.spread !== undefined && options.spread > Math.max(0, mostSpread)) {
    const allowed = `at most ${mostSpread} ms: it begins after lameDuck and must be over by lastCall, which follows the deadline`;
    throw new InvalidOptionError(`${prefix}spread`, options.spread, allowed);
  }
  const { lastCall } = known;
  if (lastCall !== undefined && lastCall !== Infinity && lastCall > deadline) {
    const allowed = `at most the deadline of ${deadline} ms, or Infinity for no last call`;
    throw new InvalidOptionError(`${prefix}lastCall`, lastCall, allowed);
  }
  return options;
}

function group<Group extends object>(
  name: string,
  given: unknown,
  under: Readonly<Group>,
  checks: Record<string, Check>,
  allowed = "an object",
): Group {
  const known = record(name, given, allowed);
  refuseUnknown(`${name}.`, known, Object.keys(checks));
  for (const [key, value] of Object.entries(known)) checks[key]!(`${name}.${key}`, value);
  return { ...under, ...known };
}

/** One fixed path, as requests have it: anything else would match nothing, and get everybody a 404. */
function checkPath(path: unknown): void {
  if (path === undefined) return;
  if (typeof path !== "string" || !/^\/[^?#]*$/.test(path)) {
    throw new InvalidOptionError("path", path, "a path that begins with '/', without a query");
  }
  if (/\/:|\*/.test(path)) {
    const allowed = "one path, not a pattern; for several, leave it out and look at the request's url";
    throw new InvalidOptionError("path", path, allowed);
  }
  if (!/^[!-~]+$/.test(path)) {
    throw new InvalidOptionError("path", path, `as requests have it, percent-encoded: "${encodeURI(path)}"`);
  }
}

function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== "boolean") throw new InvalidOptionError(name, value, "true or false");
}

function resolveCompression(given: unknown, maxPayload: number): CompressionNegotiator | undefined {
  if (given === undefined || given === false) return undefined;
  const options = group(
    "compression",
    given === true ? {} : given,
    defaults.compression,
    compressionChecks,
    "true, false or an object",
  );
  return new CompressionNegotiator(options, maxPayload);
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

const ORIGINS = 'a list of origins such as https://example.com, each in full, or "*" for all';

function checkOrigins(origins: unknown): readonly string[] | "*" | undefined {
  if (origins === undefined || origins === "*") return origins;
  if (!Array.isArray(origins)) throw new InvalidOptionError("origins", origins, 'a list of origins or "*"');
  return origins.map((origin) => {
    const normalized = typeof origin === "string" ? normalizeOrigin(origin) : undefined;
    // An origin is that of a page: it has no pattern, and no page comes from a WebSocket.
    if (normalized === undefined || normalized.includes("*") || /^wss?:/.test(normalized)) {
      throw new InvalidOptionError("origins", origin, ORIGINS);
    }
    return normalized;
  });
}
