/** What `npm start` is asked for: flags, their defaults, and whether they fit together. */
import { parseArgs } from "node:util";

/**
 * @typedef {object} Options
 * @property {number} connections
 * @property {number} requests for each connection
 * @property {number} work ms for each request
 * @property {number} at ms from the requests to SIGTERM
 * @property {number} deadline ms that the shutdown may take
 */

/** Last call comes after this part of the deadline: what has not been started by then is handed back. */
const LAST_CALL_SHARE = 0.8;
const DEFAULT_DEADLINE = 25_000;

/** The server keeps this many messages of a connection that wait; more would wait in the kernel, past any cut. */
const MAX_REQUESTS = 1_000;

/** @type {Record<keyof Options, { value: number | undefined, from: number, to: number, what: string }>} */
const flags = {
  connections: { value: 5, from: 1, to: 10_000, what: "connections to open" },
  requests: { value: 5, from: 1, to: MAX_REQUESTS, what: "requests on each connection, sent at once" },
  work: {
    value: 100,
    from: 0,
    to: 60_000,
    what: "ms that the server works on a request, one after the other",
  },
  at: { value: 50, from: 0, to: 60_000, what: "ms from the requests to SIGTERM" },
  deadline: { value: undefined, from: 1, to: 2 ** 31 - 1, what: "ms that the shutdown may take" },
};

export const help = [
  "Stops a WebSocket server in the middle of its work and counts what was served.",
  "",
  "npm start -- [flags]",
  "",
  ...Object.entries(flags).map(
    ([name, { value, what }]) =>
      `  --${name.padEnd(12)} ${what} (default: ${value ?? `${DEFAULT_DEADLINE}, or more when the work needs it`})`,
  ),
  "  --help         this",
].join("\n");

/** A flag that cannot be used: the message is one line. */
export class FlagError extends Error {}

/**
 * @param {string[]} args
 * @returns {Options | "help"}
 */
export function readFlags(args) {
  const values = parse(args);
  if (values["help"] === true) return "help";
  const options = {
    connections: number("connections", values),
    requests: number("requests", values),
    work: number("work", values),
    at: number("at", values),
  };
  return { ...options, deadline: number("deadline", values, deadlineFor(options)) };
}

/**
 * @param {string[]} args
 * @returns {Record<string, unknown>}
 */
function parse(args) {
  /** @type {Record<string, { type: "string" | "boolean" }>} */
  const known = { help: { type: "boolean" } };
  for (const name of Object.keys(flags)) known[name] = { type: "string" };
  try {
    return parseArgs({ args, options: known }).values;
  } catch (error) {
    const [sentence] = String(error instanceof Error ? error.message : error).split(/[.\n]/);
    throw new FlagError(`${sentence}. See npm start -- --help.`);
  }
}

/**
 * @param {keyof Options} name
 * @param {Record<string, unknown>} values
 * @param {number} [otherwise]
 */
function number(name, values, otherwise) {
  const { value, from, to } = flags[name];
  const given = values[name];
  if (given === undefined) return Number(value ?? otherwise);
  if (!/^\d+$/.test(String(given)) || Number(given) < from || Number(given) > to) {
    throw new FlagError(`--${name} must be a whole number from ${from} to ${to}; it was '${given}'.`);
  }
  return Number(given);
}

/**
 * The work of one connection, in ms: its requests are served one after the other.
 *
 * @param {Pick<Options, "requests" | "work">} options
 */
function workOfOne({ requests, work }) {
  return requests * work;
}

/**
 * A deadline whose last call leaves the work half as much time again, and a second for each thousand connections.
 *
 * @param {Pick<Options, "connections" | "requests" | "work">} options
 */
function deadlineFor(options) {
  const needed = (1.5 * workOfOne(options) + options.connections + 5_000) / LAST_CALL_SHARE;
  return Math.max(DEFAULT_DEADLINE, 1_000 * Math.ceil(needed / 1_000));
}

/**
 * What a reader has to know of the deadline before the run, if anything.
 *
 * @param {Options} options
 * @returns {{ tooShort: boolean, text: string } | undefined}
 */
export function aboutDeadline(options) {
  const needed = workOfOne(options) - options.at;
  const lastCall = LAST_CALL_SHARE * options.deadline;
  if (needed > lastCall) {
    const text =
      `The deadline is too short: ${seconds(needed)} of work are left on each connection at SIGTERM, but with a ` +
      `deadline of ${seconds(options.deadline)} nothing is started after ${seconds(lastCall)}. ` +
      "Expect requests that are handed back.";
    return { tooShort: true, text };
  }
  if (options.deadline !== DEFAULT_DEADLINE) {
    const text =
      `Each connection has ${seconds(workOfOne(options))} of work, so the shutdown gets a deadline of ` +
      `${seconds(options.deadline)} (default: ${seconds(DEFAULT_DEADLINE)}).`;
    return { tooShort: false, text };
  }
  return undefined;
}

/** @param {number} ms */
export function seconds(ms) {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;
}
