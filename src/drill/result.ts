/**
 * What a drill has seen. Plain JSON: every time is in milliseconds since the load of its run began, unless it says
 * otherwise.
 */

/** The classes of requests, in the order in which tables show them. */
export const requestClasses = [
  "answered",
  "unanswered",
  "cut off",
  "never started",
  "executed but unanswered",
  "broken promise",
  "duplicated",
  "not judged",
] as const;

/** What became of a request. docs/drill.md says what each class means, and why it is fair. */
export type RequestClass = (typeof requestClasses)[number];

/** One request, and what became of it. */
export interface RequestResult {
  /** Its number, different from that of every other request of this drill. */
  n: number;
  /** The same as a word that is found again in text: `lc-7f3a-12`. */
  id: string;
  /** When it was written to the socket. */
  sentAt: number;
  /** Whether the signal came before it was sent. */
  afterSignal: boolean;
  /** When its replies came: one, none, or too many. */
  replies: number[];
  /** How often the effects file names it; undefined without such a file. */
  executions: number | undefined;
  class: RequestClass;
  /** Whether this fails the drill. */
  failed: boolean;
}

/** One connection, as its client saw it. */
export interface ConnectionResult {
  /** Counted from 1. */
  number: number;
  /** Whether it behaves as its profile says, or keeps every rule beside those that do. */
  role: "profile" | "witness" | "newcomer";
  /** When TCP was connected. */
  connectedAt: number | undefined;
  /** When the server's 101 came. */
  openedAt: number | undefined;
  /**
   * Whether it was in the accept queue when the server was told to stop: connected, what it had sent acknowledged, and
   * without an answer. Only the profile accept-queue looks.
   */
  waited: boolean;
  /** Why there was no WebSocket: `ECONNREFUSED`, `HTTP 503`, `ended without an answer`, …; undefined when there was. */
  refused: string | undefined;
  /** Whether a refusal fails the drill. */
  refusalFailed: boolean;
  /** The server's Close frame. */
  close: { at: number; code: number; reason: string } | undefined;
  /** When the client sent its Close frame. */
  closeSentAt: number | undefined;
  /** When the client ended its side of TCP. */
  finSentAt: number | undefined;
  /** When the server's FIN came. */
  finAt: number | undefined;
  /** When the server's reset came. */
  resetAt: number | undefined;
  /** When both directions were over; undefined when the drill had to end it. */
  endedAt: number | undefined;
  /** Who ended it first, by a Close frame, a FIN or a reset; undefined when nobody did. */
  endedFirst: "server" | "client" | undefined;
  /** How the server broke RFC 6455, if it did. */
  violation: string | undefined;
  /** Why the drill gave it up, where that is no breach of RFC 6455: an error of the network, a limit of the drill. */
  failure: string | undefined;
  /** Messages that answered nothing: greetings, pushes. */
  otherMessages: number;
  requests: RequestResult[];
}

/** What is told of a run: a kind that scripts can ask for, and a sentence. */
export interface Finding {
  kind:
    | Exclude<RequestClass, "answered">
    | "refused"
    | "accept queue"
    | "hang"
    | "crash"
    | "exit code"
    | "protocol error"
    | "connection error"
    | "unrecognised"
    | "nothing at stake"
    | "no close"
    | "orphans"
    | "effects incomplete"
    | "load"
    | "interrupted";
  text: string;
  /** How many requests, connections or processes it is about. */
  count: number;
}

/** Time from a request to its first reply. Milliseconds. */
export interface Latency {
  count: number;
  median: number;
  p99: number;
  max: number;
}

/** How the server's process ended. */
export interface ProcessResult {
  pid: number | undefined;
  /** Undefined when it was killed, still runs, or is no child of the drill. */
  exitCode: number | undefined;
  /** The signal that killed it. */
  exitSignal: string | undefined;
  /** When it was gone. */
  exitedAt: number | undefined;
  /** Whether the drill killed it, since it had not ended in time. */
  killed: boolean;
  /** The last lines that it printed, of both streams. */
  output: string[];
}

/** One profile, played once. */
export interface RunResult {
  profile: string;
  /** Counted from 1. */
  repeat: number;
  /** Whether nothing failed. */
  passed: boolean;
  /** What failed. */
  failures: Finding[];
  /** What is told and does not fail. */
  remarks: Finding[];
  /** Requests of each class. */
  counts: Record<RequestClass, number>;
  /** Requests that were sent: the sum of the counts. */
  sent: number;
  /** Whether an effects file was judged. */
  effects: boolean;
  /** When the server was told to stop; undefined when it had ended before. */
  signalAt: number | undefined;
  /** When everything was over. */
  endedAt: number;
  process: ProcessResult;
  /** By when a request was sent and answered: both before the signal; across it; both after it. */
  latency: { before: Latency | undefined; during: Latency | undefined; after: Latency | undefined };
  /** Whether the drill itself kept up: its share of one core, and the longest time for which its loop stood still. */
  load: { cpu: number; longestStall: number };
  connections: ConnectionResult[];
}

/** What a drill was asked for, with the defaults filled in. Secrets that headers may hold are left out. */
export interface DrillSettings {
  connections: number;
  requests: number;
  interval: number;
  size: number;
  /** Bytes a second that slow readers read; undefined: they rest for a second instead. */
  readRate: number | undefined;
  profiles: string[];
  signal: string;
  signalAfter: number;
  timeout: number;
  repeat: number;
  seed: number;
  lameDuck: number;
  exitCodes: number[];
  promise: number[];
  strict: boolean;
  acceptHandback: boolean;
}

/** The account of a drill. */
export interface DrillResult {
  /** Whether nothing failed and every run was played to its end. */
  passed: boolean;
  /**
   * Whether anything was at stake: in some run a request was unanswered at the signal, or came after it. Where nothing
   * was, a drill that passed has proved nothing.
   */
  atStake: boolean;
  /** The verdict in one sentence. */
  sentence: string;
  /** Whether it was interrupted: what follows is what was seen until then. */
  interrupted: boolean;
  /** ISO 8601. */
  startedAt: string;
  /** Milliseconds. */
  duration: number;
  /** What was drilled: the command line, or the address. */
  target: string;
  settings: DrillSettings;
  versions: { lastcall: string; node: string };
  runs: RunResult[];
}
