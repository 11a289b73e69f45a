/**
 * What becomes of a request, judged: evidence in, class out. Pure, and the whole of the rule: docs/drill.md tells it in
 * prose, and why it is fair.
 */
import type { RequestClass } from "./result.js";

/** How a connection ended, as far as a client may draw conclusions from it. */
export type Ending =
  /** By a Close with a code that promises that unanswered requests were never started. */
  | "promise"
  /** By a Close with another code, or with none. */
  | "close"
  /** By a FIN or a reset without a Close, or not at all. */
  | "abrupt";

/** What is known of one request. */
export interface Evidence {
  /** How many replies came. */
  replies: number;
  /** How often the server executed it: undefined when nobody says. */
  executions: number | undefined;
  /** Whether it was sent after the signal. */
  afterSignal: boolean;
  /** Whether it was sent after the server's Close had come: a client may not, and nobody has to answer. */
  afterClose: boolean;
  ending: Ending;
  /** Whether the client itself left, so that no reply could reach it. */
  clientLeft: boolean;
}

/** What the user holds a server to. */
export interface Strictness {
  /** Requests that were cut off fail. */
  strict: boolean;
  /** A request from before the signal may be handed back by a promise. */
  acceptHandback: boolean;
}

/** A class, and whether it fails the drill. */
export interface Judgement {
  class: RequestClass;
  failed: boolean;
}

/** Judges one request. */
export function judge(evidence: Evidence, { strict, acceptHandback }: Strictness): Judgement {
  const { replies, executions, afterSignal, afterClose, ending, clientLeft } = evidence;
  if (replies > 1 || (executions ?? 0) > 1) return fails("duplicated");
  if (replies === 1) return passes("answered");
  if (clientLeft) return passes("not judged");
  if (executions === 1) return fails(ending === "promise" ? "broken promise" : "executed but unanswered");
  if (executions === 0 && ending === "promise") {
    return { class: "never started", failed: !afterSignal && !acceptHandback };
  }
  if (!afterSignal || ending === "abrupt") return fails("unanswered");
  return { class: "cut off", failed: strict && !afterClose };
}

function passes(name: RequestClass): Judgement {
  return { class: name, failed: false };
}

function fails(name: RequestClass): Judgement {
  return { class: name, failed: true };
}
