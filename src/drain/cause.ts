/** Why a connection ended: the words for it, and which of them counts when there are several. */

/** Why a connection ended. These words do not change. */
export type EndCause =
  /** The client sent Close first. */
  | "client-closed"
  /** The client ended TCP without a Close. */
  | "client-left"
  /** The socket failed: a reset most of the time. */
  | "reset"
  /** The socket was destroyed in this process, by whom it belongs to. */
  | "destroyed"
  /** The client broke the protocol, or a limit: 1002, 1007, 1009 and 1008. */
  | "protocol-error"
  | "invalid-payload"
  | "message-too-big"
  | "too-many-fragments"
  /** More than `outboxLimit` waited for the client to read it. */
  | "slow-consumer"
  /** The client showed no life for as long as the heartbeat allows. */
  | "heartbeat"
  /** While the connection was being ended, the client read nothing of what waited for it. */
  | "stalled"
  /** `connection.close()` was called. */
  | "closed"
  /** The handler returned. */
  | "returned"
  /** The handler threw, or took back what it had given to `send`. */
  | "failed"
  /** A shutdown ended it. */
  | "shutdown"
  /** `close()` of the server, or the deadline of a shutdown. */
  | "forced";

/** Why, and what there is to say beyond the word: what was violated, or the system's name for the error. */
export interface WhyEnded {
  cause: EndCause;
  /** Prose, which may change; empty when there is nothing to add. */
  detail: string;
}

/**
 * Keeps why a connection ends. What first began to end it counts, unless something breaks it off before that is done:
 * then it is the first such thing.
 */
export class CauseKeeper {
  #why: WhyEnded | undefined;
  #brokenOff = false;

  get why(): WhyEnded | undefined {
    return this.#why;
  }

  begin(cause: EndCause, detail = ""): void {
    this.#why ??= { cause, detail };
  }

  breakOff(cause: EndCause, detail = ""): void {
    if (this.#brokenOff) return;
    this.#brokenOff = true;
    this.#why = { cause, detail };
  }
}

/** What a client did wrong, by the code that it is closed with. */
const VIOLATIONS: Readonly<Record<number, EndCause>> = {
  1002: "protocol-error",
  1007: "invalid-payload",
  1008: "too-many-fragments",
  1009: "message-too-big",
};

export function causeOfViolation(code: number): EndCause {
  return VIOLATIONS[code] ?? "protocol-error";
}

const SENTENCES: Record<EndCause, string> = {
  "client-closed": "the client has closed",
  "client-left": "the client has ended TCP without a Close",
  reset: "the connection was reset",
  destroyed: "its socket was destroyed in this process",
  "protocol-error": "the client broke the protocol",
  "invalid-payload": "the client sent what is not valid",
  "message-too-big": "the client sent a message over the limit",
  "too-many-fragments": "the client sent a message in too many fragments",
  "slow-consumer": "the client does not read what it is sent",
  heartbeat: "the client shows no life",
  stalled: "the client has stopped reading",
  closed: "it was closed by the application",
  returned: "its handler has returned",
  failed: "its handler has failed",
  shutdown: "it was shut down",
  forced: "it was forced to end",
};

/** In prose, to stand behind a colon. */
export function describeWhy({ cause, detail }: WhyEnded): string {
  return detail === "" ? SENTENCES[cause] : `${SENTENCES[cause]} (${detail})`;
}
