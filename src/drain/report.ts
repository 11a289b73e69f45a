/** The account of a shutdown: what it holds, how it is gathered, and how it reads. */

import type { EndCause, WhyEnded } from "./cause.js";

/** The account of a shutdown. Plain JSON; `String(report)` tells it in prose. */
export interface DrainReport {
  /**
   * `clean`: everything was served, sent and confirmed. `partial`: sent and confirmed, but some messages were handed
   * back, which their peers were told by the close code. `unconfirmed`: some peer never confirmed the end, or was gone
   * while replies were due. `forced`: something was destroyed, cut or abandoned. Of several that apply it is the last.
   */
  outcome: "clean" | "partial" | "unconfirmed" | "forced";
  /** When shutdown was asked for, ISO 8601. */
  startedAt: string;
  /** From the call until nothing was left, in milliseconds of a monotonic clock. */
  duration: number;
  connections: {
    /** Connections there were when shutdown began or that came in through the closing door. */
    total: number;
    /** Closed by us, and the peer confirmed it. */
    closed: number;
    /** The peer left first. */
    left: number;
    /** Closed by us; the peer never confirmed it. */
    unconfirmed: number;
    /** Destroyed. */
    forced: number;
    /**
     * Neither a Pong nor a Close proved that all was read that the peer had sent: it left, or did not answer. Counted
     * beside the others: such a connection is one of them as well.
     */
    unproven: number;
  };
  /** Counted since the drain began. */
  messages: {
    /** Delivered to a handler, which is finished with it. */
    served: number;
    /** Never started. */
    handedBack: number;
    /** Replies that nobody could get. */
    undelivered: number;
    /** Started or queued when their connection was forced. */
    abandoned: number;
  };
  /** Plain HTTP requests, on a caller's server that went down with this one. Counted since the drain began. */
  requests: {
    /** Answered to the end. */
    answered: number;
    /** Their client left before. */
    left: number;
    /** Cut, at the deadline or by `close()`. */
    cut: number;
  };
  /** Requests that were cut, the first 100. */
  cutRequests: CutRequest[];
  /**
   * Clients that the kernel had connected and that were not accepted any more, since others kept coming or `close()` did
   * not wait: reset. Known on Linux for TCP; elsewhere 0.
   */
  neverAccepted: number;
  /** Whatever was not clean, the first 100. */
  troubled: TroubledConnection[];
  /** How many more there were. */
  troubledOmitted: number;
  /** The report in prose. Not enumerable: it is no part of the JSON. */
  toString(): string;
}

/** A plain HTTP request that was not answered to its end. */
export interface CutRequest {
  /** Empty, as the path is, for one that had begun before `listen()`: Node does not say what it is. */
  method: string;
  /** Without its query. */
  path: string;
  remoteAddress: string;
}

/** What became of those who came and were no connections. */
export interface DoorAccount {
  answered: number;
  left: number;
  cut: readonly CutRequest[];
  neverAccepted: number;
}

/** What those have who cannot come. */
export const NO_DOOR: DoorAccount = { answered: 0, left: 0, cut: [], neverAccepted: 0 };

/** A connection that did not end cleanly. */
export interface TroubledConnection {
  id: string;
  remoteAddress: string;
  /**
   * `handler`: it still ran when the connection was forced. `unsent`: bytes could not be sent. `unconfirmed`: the
   * peer did not confirm the end. `reset`: the peer reset the connection. `gone`: it was over while replies were due.
   */
  reason: "handler" | "unsent" | "unconfirmed" | "reset" | "gone";
  /** Why it ended, as `closed` of the connection says it. */
  cause: EndCause;
  /** What there is to say beyond that word; may be empty. */
  detail: string;
  /** Messages that waited to be started. */
  queued: number;
  /** Bytes that waited to be sent. */
  unsentBytes: number;
  /** Messages and `waitUntil` promises in hand. */
  running: number;
  /** The socket died while our back-pressure held it: what the kernel held unread is unknown. */
  unreadUnknown: boolean;
}

/** How a connection ended, as `DrainReport.connections` counts it. */
export type ConnectionEnd = "closed" | "left" | "unconfirmed" | "forced";

/** What is to be told of one connection that has ended. */
export interface ConnectionAccount extends Omit<TroubledConnection, "reason"> {
  end: ConnectionEnd;
  unproven: boolean;
  /** The socket ended with an error instead of a FIN. */
  reset: boolean;
  /** Replies of this connection that nobody could get. */
  undelivered: number;
  /** Messages were given up on because their sender had been gone for too long. */
  gaveUp: boolean;
  /** The handler, or a promise passed to `waitUntil`, never settled. */
  handlerRuns: boolean;
}

/** How many troubled connections a report lists. */
export const MAX_TROUBLED = 100;

/** Gathers a report while a server goes down. */
export class ReportLedger {
  /** Counted by the connections themselves, from the start of the drain. */
  readonly messages = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };
  readonly #connections = { total: 0, closed: 0, left: 0, unconfirmed: 0, forced: 0, unproven: 0 };
  readonly #troubled: TroubledConnection[] = [];
  #troubledOmitted = 0;

  /** Enters a connection that has ended. */
  enter(account: ConnectionAccount): void {
    this.#connections.total++;
    this.#connections[account.end]++;
    if (account.unproven) this.#connections.unproven++;
    const reason = troubleOf(account);
    if (reason === undefined) return;
    if (this.#troubled.length >= MAX_TROUBLED) {
      this.#troubledOmitted++;
      return;
    }
    const { id, remoteAddress, cause, detail, queued, unsentBytes, running, unreadUnknown } = account;
    this.#troubled.push({
      id,
      remoteAddress,
      reason,
      cause,
      detail,
      queued,
      unsentBytes,
      running,
      unreadUnknown,
    });
  }

  /** The report. `startedAt` is the time of day, `duration` of a monotonic clock. */
  close(startedAt: Date, duration: number, door: DoorAccount = NO_DOOR): DrainReport {
    const { answered, left, cut, neverAccepted } = door;
    const report: DrainReport = {
      outcome: this.#outcome(door),
      startedAt: startedAt.toISOString(),
      duration: Math.round(duration),
      connections: { ...this.#connections },
      messages: { ...this.messages },
      requests: { answered, left, cut: cut.length },
      cutRequests: cut.slice(0, MAX_TROUBLED),
      neverAccepted,
      troubled: [...this.#troubled],
      troubledOmitted: this.#troubledOmitted,
    };
    // Not enumerable: the report stays plain JSON.
    return Object.defineProperty(report, "toString", { value: () => describeReport(report) });
  }

  #outcome({ cut, neverAccepted }: DoorAccount): DrainReport["outcome"] {
    if (this.#connections.forced > 0 || this.messages.abandoned > 0 || cut.length > 0) return "forced";
    if (this.#troubled.length > 0 || this.messages.undelivered > 0 || neverAccepted > 0) return "unconfirmed";
    return this.messages.handedBack > 0 ? "partial" : "clean";
  }
}

function troubleOf(account: ConnectionAccount): TroubledConnection["reason"] | undefined {
  switch (account.end) {
    case "closed":
      return account.undelivered > 0 ? "gone" : undefined;
    case "left":
      if (account.reset) return "reset";
      return account.undelivered > 0 || account.gaveUp ? "gone" : undefined;
    case "unconfirmed":
      return account.reset ? "reset" : "unconfirmed";
    case "forced":
      if (account.running > 0 || account.handlerRuns) return "handler";
      return account.unsentBytes > 0 ? "unsent" : "unconfirmed";
  }
}

const REASONS: Record<TroubledConnection["reason"], string> = {
  handler: "its handler still ran",
  unsent: "its peer did not read",
  unconfirmed: "its peer did not confirm the end",
  reset: "its peer reset the connection",
  gone: "it was over while replies were due",
};

/** A report in prose, a few lines of text. */
export function describeReport(report: DrainReport): string {
  const { connections, messages, troubled, troubledOmitted } = report;
  const lines = [
    `${describeOutcome(report)}: ${count(messages.served, "message")} served on ` +
      `${count(connections.total, "connection")}.`,
  ];
  const notServed = listing([
    [messages.handedBack, "handed back without being started"],
    [messages.abandoned, "abandoned"],
  ]);
  if (notServed !== "") lines.push(`Messages not served: ${notServed}.`);
  if (messages.undelivered > 0) lines.push(`${count(messages.undelivered, "reply")} could not be delivered.`);
  const ends = listing([
    [connections.closed, "closed and confirmed"],
    [connections.left, "left by the peer"],
    [connections.unconfirmed, "not confirmed"],
    [connections.forced, "destroyed"],
  ]);
  if (ends !== "") lines.push(`Connections: ${ends}.`);
  if (connections.unproven > 0) {
    const whose = connections.unproven === 1 ? "its peer" : "their peers";
    lines.push(
      `Of ${count(connections.unproven, "connection")} it is not known whether all was read that ${whose} had sent.`,
    );
  }
  lines.push(...describeDoor(report));
  for (const connection of troubled) lines.push(`  ${describeTroubled(connection)}`);
  if (troubledOmitted > 0) lines.push(`  and ${count(troubledOmitted, "more connection")}`);
  return lines.join("\n");
}

function describeDoor({ requests, cutRequests, neverAccepted }: DrainReport): string[] {
  const lines: string[] = [];
  const plain = listing([
    [requests.answered, "answered"],
    [requests.left, "left by the client"],
    [requests.cut, "cut"],
  ]);
  if (plain !== "") lines.push(`Plain HTTP requests: ${plain}.`);
  for (const request of cutRequests) lines.push(`  ${describeCut(request)}`);
  const more = requests.cut - cutRequests.length;
  if (more > 0) lines.push(`  and ${count(more, "more request")}`);
  if (neverAccepted > 0)
    lines.push(`${count(neverAccepted, "client")} came and could not be let in any more.`);
  return lines;
}

function describeCut({ method, path, remoteAddress }: CutRequest): string {
  const what = method === "" ? "a request that had begun before listen()" : `${method} ${path}`;
  return `${what}${remoteAddress === "" ? "" : ` from ${remoteAddress}`}: its answer was cut`;
}

function describeOutcome({ outcome, duration }: DrainReport): string {
  const seconds = (duration / 1000).toFixed(2);
  switch (outcome) {
    case "clean":
      return `Clean shutdown in ${seconds} s`;
    case "partial":
      return `Shutdown in ${seconds} s, with messages handed back`;
    case "unconfirmed":
      return `Shutdown in ${seconds} s, not confirmed by every peer`;
    case "forced":
      return `Forced shutdown after ${seconds} s`;
  }
}

function describeTroubled(connection: TroubledConnection): string {
  // A Unix socket's peer has no address.
  const from = connection.remoteAddress === "" ? "" : ` from ${connection.remoteAddress}`;
  const held = listing([
    [connection.running, "in hand"],
    [connection.queued, "queued"],
    [connection.unsentBytes, connection.unsentBytes === 1 ? "byte unsent" : "bytes unsent"],
  ]);
  return (
    `connection ${connection.id}${from}: ${REASONS[connection.reason]}` +
    (held === "" ? "" : ` (${held})`) +
    (connection.unreadUnknown ? "; its peer may have sent more than was read" : "") +
    `; cause: ${describeCause(connection)}`
  );
}

function describeCause({ cause, detail }: WhyEnded): string {
  return detail === "" ? cause : `${cause}, ${detail}`;
}

function listing(entries: readonly (readonly [number, string])[]): string {
  return entries
    .filter(([number]) => number > 0)
    .map(([number, what]) => `${number} ${what}`)
    .join(", ");
}

function count(number: number, noun: string): string {
  if (number === 1) return `1 ${noun}`;
  return `${number} ${noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;
}
