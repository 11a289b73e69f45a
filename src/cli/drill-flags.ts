/** The command line of `lastcall drill`: flags in, options out. */
import { parseArgs } from "node:util";
import { drillDefaults, DrillError, profileNames, type DrillOptions } from "../drill/index.js";

/** What the command was asked for beside the drill itself. */
export interface DrillCommandLine {
  options: DrillOptions;
  /** Paths of reports. */
  reports: string[];
  /** The result goes to standard output as JSON, and nothing else does. */
  json: boolean;
}

interface Flag {
  /** How its value is shown; undefined for a switch. */
  value?: string;
  what: string;
}

/** In the order of the help. */
const flags = {
  url: { value: "ws://…", what: "the server's address; {port} is replaced (default ws://127.0.0.1:{port}/)" },
  pid: { value: "n", what: "a server that runs already: its process, which gets the signal" },
  "stop-command": { value: "command", what: "a server that runs already: the shell command that stops it" },
  connections: { value: "n", what: `connections (${drillDefaults.connections})` },
  requests: { value: "n", what: `requests on each (${drillDefaults.requests})` },
  profile: { value: "names", what: "how clients behave: one or more, or all (pipelined)" },
  interval: {
    value: "ms",
    what: `from one message to the next, where a profile sends by the clock (${drillDefaults.interval})`,
  },
  size: { value: "bytes", what: `length of a request, at least (${drillDefaults.size})` },
  "read-rate": {
    value: "bytes",
    what: "a second that clients of slow-reader read (default: all, after a rest)",
  },
  "signal-after": {
    value: "ms",
    what: `how long after the load begins the signal is sent (${drillDefaults.signalAfter})`,
  },
  signal: { value: "name", what: `the signal (${drillDefaults.killSignal})` },
  timeout: {
    value: "ms",
    what: `after the signal, the server counts as hanging and is killed (${drillDefaults.timeout})`,
  },
  "start-timeout": {
    value: "ms",
    what: `how long the command may take until it listens (${drillDefaults.startTimeout})`,
  },
  "lame-duck": {
    value: "ms",
    what: `how long after the signal new connections must be let in (${drillDefaults.lameDuck})`,
  },
  repeat: { value: "n", what: `runs of each profile (${drillDefaults.repeat})` },
  seed: { value: "n", what: "the same times and fragments again" },
  message: { value: "text", what: "a request; {id}, {n}, {connection} and {number} are replaced" },
  reply: { value: "how", what: "finds a reply's request: echo (default), order or json:<path>" },
  open: { value: "text", what: "what a client sends first" },
  "open-ack": { value: "text", what: "requests wait for a message that contains this" },
  script: { value: "file", what: "a module that exports open, ack, request, match" },
  subprotocol: { value: "name", what: "the subprotocol that is offered, and must be agreed to" },
  header: { value: "'name: value'", what: "a further header of the handshake; more than once" },
  insecure: { what: "certificates of wss:// are not checked" },
  effects: { value: "file", what: "where the server appends executed ids (default: a temporary file)" },
  promise: { value: "codes", what: "close codes that promise: what was not answered was never started" },
  "accept-handback": { what: "such a promise may hold for requests from before the signal" },
  strict: { what: "requests that were cut off after the signal fail too" },
  "exit-code": {
    value: "codes",
    what: `the server's exit codes that are right (${drillDefaults.exitCodes.join(", ")})`,
  },
  report: { value: "file", what: "writes .html, .json or .xml (JUnit); more than once" },
  json: { what: "prints the result as JSON, and nothing else" },
} as const satisfies Record<string, Flag>;

type FlagName = keyof typeof flags;
type Values = Partial<Record<FlagName | "help", string[] | boolean>>;

const COLUMN = 24;

function helpLine([name, flag]: [string, Flag]): string {
  const shown = `--${name}${flag.value === undefined ? "" : ` ${flag.value}`}`;
  return `  ${shown.padEnd(COLUMN)} ${flag.what}`;
}

/** One screen. */
export const drillHelp = `lastcall drill [options] -- <command>

Starts a WebSocket server, loads it, tells it to stop in the middle, and accounts for every request.
The command finds its port in $PORT, or as {port} in its arguments.

  npx lastcall drill -- node server.js
  npx lastcall drill --profile all --report drill.html -- python3 server.py --port {port}
  npx lastcall drill --url ws://localhost:8080/ --pid 4711 --message '{"id":"{id}"}' --reply json:id

${Object.entries(flags).map(helpLine).join("\n")}

Profiles: ${profileNames.slice(0, 7).join(", ")},
  ${profileNames.slice(7).join(", ")}
Exit codes: 0 nothing failed, 1 something failed, 2 the drill could not run,
  3 nothing was at stake, for instance since every request was answered before the signal.`;

/** Flags whose options have other names. */
const renamed: Partial<Record<FlagName, keyof DrillOptions>> = {
  "stop-command": "stop",
  "read-rate": "readRate",
  "signal-after": "signalAfter",
  signal: "killSignal",
  "start-timeout": "startTimeout",
  "lame-duck": "lameDuck",
  "open-ack": "openAck",
  "accept-handback": "acceptHandback",
};

/** Options of which more than one may be given are in the plural there. */
const plurals: Partial<Record<FlagName, keyof DrillOptions>> = {
  profile: "profiles",
  header: "headers",
  "exit-code": "exitCodes",
};

/** What stands on the command line for each option. */
const spellings = new Map<string, string>([
  ["command", "a command behind '--'"],
  ...(Object.keys(flags) as FlagName[]).map(
    (name) => [plurals[name] ?? renamed[name] ?? name, `--${name}`] as const,
  ),
]);

/** A message of the drill, with its flags in the place of options in backquotes. */
export function inFlags(text: string): string {
  return text.replaceAll(/`([A-Za-z]+)`/g, (quoted, option: string) => spellings.get(option) ?? quoted);
}

const numeric = new Set<FlagName>([
  "pid",
  "connections",
  "requests",
  "interval",
  "size",
  "read-rate",
  "signal-after",
  "timeout",
  "start-timeout",
  "lame-duck",
  "repeat",
  "seed",
]);

const repeatable = new Set<FlagName>(["profile", "header", "promise", "exit-code", "report"]);

function refuse(message: string): never {
  throw new DrillError("LASTCALL_DRILL_OPTION", message);
}

/**
 * Reads the command line; undefined when it asks for help.
 *
 * @throws DrillError for what cannot be meant.
 */
export function readDrillFlags(args: readonly string[]): DrillCommandLine | undefined {
  const dashes = args.indexOf("--");
  const values = parse(dashes < 0 ? args : args.slice(0, dashes));
  if (values.help !== undefined) return undefined;
  const options: Record<string, unknown> = {};
  if (dashes >= 0) {
    options["command"] = args.slice(dashes + 1);
    if (dashes === args.length - 1) refuse("There is no command behind '--'.");
  }
  for (const name of Object.keys(flags) as FlagName[]) {
    const value = values[name];
    if (value === undefined || name === "report" || name === "json") continue;
    options[plurals[name] ?? renamed[name] ?? name] = optionOf(name, value);
  }
  return {
    options,
    reports: (values.report as string[] | undefined) ?? [],
    json: values.json !== undefined,
  };
}

function parse(args: readonly string[]): Values {
  const options: Record<string, { type: "string" | "boolean"; multiple?: true; short?: string }> = {
    help: { type: "boolean", short: "h" },
  };
  for (const [name, flag] of Object.entries<Flag>(flags)) {
    options[name] = flag.value === undefined ? { type: "boolean" } : { type: "string", multiple: true };
  }
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // Node's first sentence names the option; what follows is about positionals that nobody meant.
    const [sentence] = (error as Error).message.split(/\. |\n/);
    refuse(`${sentence!.replace(/\.$/, "")}. See lastcall drill --help.`);
  }
  const [stray] = parsed.positionals;
  if (stray !== undefined) refuse(`'${stray}' is no option. The server's command stands behind '--'.`);
  return parsed.values;
}

function optionOf(name: FlagName, value: string[] | boolean): unknown {
  if (typeof value === "boolean") return value;
  if (!repeatable.has(name) && value.length > 1)
    refuse(`--${name} was given ${value.length} times; it is one value.`);
  const [first = ""] = value;
  if (numeric.has(name)) return wholeNumber(name, first);
  if (name === "promise" || name === "exit-code") return listed(value).map((each) => wholeNumber(name, each));
  if (name === "profile") return listed(value).includes("all") ? "all" : listed(value);
  if (name === "header") return readHeaders(value);
  if (name === "signal") return first.startsWith("SIG") ? first : `SIG${first.toUpperCase()}`;
  return first;
}

function listed(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(",")).map((each) => each.trim());
}

function wholeNumber(name: FlagName, text: string): number {
  if (!/^\d+$/.test(text)) refuse(`--${name} must be a whole number; it was '${text}'.`);
  return Number(text);
}

function readHeaders(texts: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of texts.map(readHeader)) {
    // As HTTP joins what is sent under one name (RFC 9110 §5.3); cookies have a sign of their own.
    const separator = name.toLowerCase() === "cookie" ? "; " : ", ";
    headers[name] = name in headers ? headers[name]! + separator + value : value;
  }
  return headers;
}

function readHeader(text: string): [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1) refuse(`--header must be 'name: value'; '${text.slice(0, 20)}' has no colon.`);
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}
