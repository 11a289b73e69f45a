/** What a case of the conformance table is: data, which a runner plays against the server. */
import type { ServerOptions } from "../../../src/index.js";
import type { RawFrame } from "../../wire/raw-frame.js";

/** A frame, or with `fragment` a message in frames of that many bytes. */
export interface CaseFrame extends RawFrame {
  fragment?: number;
}

/** Something that the client does. */
export type Step =
  /** Writes frames: in one piece, frame by frame, or chopped into this many bytes, each a packet of its own. */
  | { frames: readonly CaseFrame[]; chop?: "frames" | number }
  /** Waits until so many answers have come in all. */
  | { await: number }
  /** Compresses each and sends it, perhaps in fragments of that many bytes, and waits for its answer. */
  | { compressed: readonly (string | Buffer)[]; fragment?: number }
  /** Sends a frame, waits for its answer, and so on. */
  | { roundTrips: number; frame: CaseFrame };

/** What the server sends before the end. */
export type Answer = ({ text: string } | { binary: Uint8Array } | { pong: string | Uint8Array }) & {
  /** So often, one after the other. */
  times?: number;
};

/** How the connection ends. In all of them the server's FIN comes first, and no reset. */
export type End =
  /** The client sends Close 1000 when the answers have come, and it is answered. */
  | { by: "client" }
  /** The Close that the case itself sends is answered with this code; undefined for a Close without one. */
  | { by: "case"; code: number | undefined }
  /** The server fails the connection with this code and a reason in prose. */
  | { by: "failure"; code: 1002 | 1007 | 1008 | 1009 }
  /** The server's handler closes first, and the client's Close confirms it. */
  | { by: "server"; code: number };

export interface ConformanceCase {
  /** As in the Autobahn test suite where it has the case. */
  number: string;
  /** Ours: the Autobahn test suite has no such case. */
  own?: true;
  /** Where RFC 6455 speaks of it, or RFC 7692 in the groups about compression. */
  section: string;
  /** What is sent, as a sentence. */
  sentence: string;
  send: readonly Step[];
  answers: readonly Answer[];
  end: End;
  /** Of the server; default: none. */
  options?: ServerOptions;
  /** The server has compression, and both agree on it: the client's offer, and the answer. Default: neither. */
  compression?: { offer: string; agreed: string };
}

export interface ConformanceGroup {
  title: string;
  cases: readonly ConformanceCase[];
}

/** The text to which the server's handler answers by closing with 4000. */
export const PLEASE_CLOSE = "please close";

/** What is expected, told from the data that is compared. */
export function describeExpectation({ answers, end }: ConformanceCase): string {
  // Answers that read alike are told once, with their number.
  const told: { what: string; times: number }[] = [];
  for (const answer of answers) {
    const what = describeAnswer(answer);
    const last = told.at(-1);
    if (last?.what === what) last.times += answer.times ?? 1;
    else told.push({ what, times: answer.times ?? 1 });
  }
  const parts = told.map(({ what, times }) => (times === 1 ? what : `${times} × ${what}`));
  return [...parts, describeEnd(end)].join(", ");
}

function describeAnswer(answer: Answer): string {
  const [kind, content] =
    "text" in answer
      ? ["text", answer.text]
      : "binary" in answer
        ? ["binary", answer.binary]
        : ["Pong", answer.pong];
  const length = Buffer.byteLength(content);
  return `${kind} of ${length} ${length === 1 ? "byte" : "bytes"}`;
}

function describeEnd(end: End): string {
  switch (end.by) {
    case "client":
      return "clean close with 1000";
    case "case":
      return end.code === undefined ? "clean close without a code" : `clean close with ${end.code}`;
    case "failure":
      return `failed with ${end.code}`;
    case "server":
      return `closed by the server with ${end.code}`;
  }
}
