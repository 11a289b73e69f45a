/** What the drill says to a server, and how it finds the request that a reply answers. */
import { pathToFileURL } from "node:url";
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { DrillError, messageOf } from "./errors.js";

/** What a script is told of a request, beside its number. */
export interface RequestDetails {
  /** The same as a word that is found again in text: `lc-7f3a-12`. */
  id: string;
  /** The number of its connection, from 1. */
  connection: number;
  /** Its number on this connection, from 1. */
  number: number;
  /** Bytes that it should have at least, as far as the user asked for a size. */
  size: number;
}

/**
 * How to talk with a server that is no echo server. A module that is given as `script` exports these; so can an object
 * in the API. Each part is optional.
 */
export interface DrillScript {
  /** What a client sends first: one message or several, or a function of the connection's number that returns them. */
  open?: string | readonly string[] | ((connection: number) => string | readonly string[]);
  /** Whether this message says that requests may be sent now. Without it they are sent at once. */
  ack?: (message: string) => boolean;
  /** The message of a request: a string is sent as text, a Buffer as binary. `n` is different for each request. */
  request?: (n: number, details: RequestDetails) => string | Buffer;
  /** The `n` or the id of the request that this message answers; undefined when it answers none. */
  match?: (reply: string) => string | number | undefined | null;
}

/** What a message of the server answers. */
type Match = { ids: readonly string[] } | { ns: readonly number[] } | "oldest" | undefined;

/** A script and the options that stand for parts of it, as one. */
export interface Dialect {
  opening(connection: number): readonly string[];
  /** Whether something has to come back before requests are sent. */
  readonly waitsForAck: boolean;
  isAck(message: string): boolean;
  idOf(n: number): string;
  request(n: number, details: RequestDetails): string | Buffer;
  match(reply: string): Match;
}

/** The options that make a dialect. */
export interface DialectOptions {
  message: string | undefined;
  reply: string;
  open: string | undefined;
  openAck: string | undefined;
  script: DrillScript;
}

const ID = /lc-[0-9a-z]{4}-\d+/g;

/** Other drills against the same server have other ids. */
function tag(): string {
  return randomBytes(3).readUIntBE(0, 3).toString(36).padStart(4, "0").slice(-4);
}

/** The message of a request without a script or `message`: its id, filled up to its size. */
function plainMessage({ id, size }: RequestDetails): string {
  return id.length + 1 >= size ? id : `${id} ${"x".repeat(size - id.length - 1)}`;
}

function fromTemplate(template: string, n: number, { id, connection, number }: RequestDetails): string {
  const values: Record<string, string | number> = { id, n, connection, number };
  return template.replaceAll(/\{(id|n|connection|number)\}/g, (_, name: string) => String(values[name]));
}

/** The value at a path such as `payload.data.0.id`, if the text is JSON that has one. */
function valueAt(path: readonly string[], json: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** The request that is named by a number, by an id, or by a number as a string, as some servers give it back. */
function matchValue(value: unknown): Match {
  if (typeof value === "number") return { ns: [value] };
  if (typeof value !== "string") return undefined;
  return /^\d+$/.test(value) ? { ns: [Number(value)] } : { ids: [value] };
}

function matcher(reply: string): (message: string) => Match {
  if (reply === "order") return () => "oldest";
  if (reply === "echo") return (message) => ({ ids: message.match(ID) ?? [] });
  const path = reply.slice("json:".length).split(".");
  return (message) => matchValue(valueAt(path, message));
}

/** Whether `--reply` can mean this. */
export function isReply(reply: string): boolean {
  return reply === "order" || reply === "echo" || /^json:[^.]+(\.[^.]+)*$/.test(reply);
}

/** Calls a script's function; what it throws is an error of the script's. */
function calling<Result>(name: string, call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw new DrillError(
      "LASTCALL_DRILL_SCRIPT",
      `The script's ${name}() threw: ${messageOf(error)}. Mend the script and run the drill again.`,
      { cause: error },
    );
  }
}

function wrongResult(name: string, allowed: string, given: unknown): DrillError {
  return new DrillError(
    "LASTCALL_DRILL_SCRIPT",
    `The script's ${name}() must return ${allowed}; it returned ${given === null ? "null" : `a value of type ${typeof given}`}.`,
  );
}

/** Joins a script and the options. The script's part counts where both have one. */
export function createDialect({ message, reply, open, openAck, script }: DialectOptions): Dialect {
  const own = tag();
  const match = matcher(reply);
  return {
    idOf: (n) => `lc-${own}-${n}`,
    opening(connection) {
      const first = script.open ?? open ?? [];
      const messages = typeof first === "function" ? calling("open", () => first(connection)) : first;
      const all = typeof messages === "string" ? [messages] : messages;
      if (!Array.isArray(all) || all.some((each) => typeof each !== "string")) {
        throw wrongResult("open", "a string or an array of strings", messages);
      }
      return all as string[];
    },
    waitsForAck: script.ack !== undefined || openAck !== undefined,
    isAck(text) {
      if (script.ack !== undefined) return calling("ack", () => script.ack!(text));
      return openAck === undefined || text.includes(openAck);
    },
    request(n, details) {
      if (script.request === undefined) {
        return message === undefined ? plainMessage(details) : fromTemplate(message, n, details);
      }
      const data: unknown = calling("request", () => script.request!(n, details));
      if (typeof data === "string" || Buffer.isBuffer(data)) return data;
      throw wrongResult("request", "a string or a Buffer", data);
    },
    match(text) {
      if (script.match === undefined) return match(text);
      const value: unknown = calling("match", () => script.match!(text));
      if (value === undefined || value === null) return undefined;
      if (typeof value === "number" || typeof value === "string") return matchValue(value);
      throw wrongResult("match", "a number, a string or undefined", value);
    },
  };
}

/** Loads a script by its path. */
export async function loadScript(path: string): Promise<DrillScript> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(resolve(path)).href)) as Record<string, unknown>;
  } catch (error) {
    throw new DrillError(
      "LASTCALL_DRILL_SCRIPT",
      `The script '${path}' cannot be loaded: ${messageOf(error)}. It must be an ES module that exports open, ack, request or match.`,
      { cause: error },
    );
  }
  const exported = { ...module, ...(module["default"] as object | undefined) };
  return checkScript(exported, path);
}

/** Holds what a user gave as a script against what it may have. */
export function checkScript(given: Record<string, unknown>, name: string): DrillScript {
  const functions = ["ack", "request", "match"].filter((each) => given[each] !== undefined);
  for (const each of functions) {
    if (typeof given[each] === "function") continue;
    throw new DrillError("LASTCALL_DRILL_SCRIPT", `The script '${name}' must export ${each} as a function.`);
  }
  const { open } = given;
  const isOpen =
    open === undefined || typeof open === "string" || typeof open === "function" || Array.isArray(open);
  if (!isOpen) {
    throw new DrillError(
      "LASTCALL_DRILL_SCRIPT",
      `The script '${name}' must export open as a string, an array of strings or a function.`,
    );
  }
  if (functions.length === 0 && open === undefined) {
    throw new DrillError(
      "LASTCALL_DRILL_SCRIPT",
      `The script '${name}' exports nothing of what a drill looks for: open, ack, request, match.`,
    );
  }
  return given;
}
