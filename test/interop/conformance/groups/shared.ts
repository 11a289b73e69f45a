/** Short names for what the cases are made of. */
import type { Answer, ConformanceCase } from "../case.js";

export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

/** What a case is made of beside its number, section and sentence. */
type Outcome = Pick<ConformanceCase, "answers" | "end">;

/** The answers come; then the client closes, cleanly. */
export function answers(...expected: Answer[]): Outcome {
  return { answers: expected, end: { by: "client" } };
}

/** The server answers what came before, then fails the connection. */
export function failure(code: 1002 | 1007 | 1008 | 1009, ...before: Answer[]): Outcome {
  return { answers: before, end: { by: "failure", code } };
}

/** The server answers what came before the Close that the case sends, then the Close. */
export function closed(code: number | undefined, ...before: Answer[]): Outcome {
  return { answers: before, end: { by: "case", code } };
}

export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(" ", ""), "hex");
}

/** `length` bytes of a repeated pattern. */
export function patterned(length: number, pattern: string | Buffer): Buffer {
  return Buffer.alloc(length, pattern);
}
