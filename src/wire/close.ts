/**
 * The payload of a Close frame: a status code and a reason (RFC 6455 §5.5.1, §7.4).
 */
import { isUtf8 } from "node:buffer";
import type { Violation } from "./violation.js";

/** Close codes that this library sends or shows (RFC 6455 §7.4.1 and the IANA registry). */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  /** Never on the wire: stands for a Close frame without a code. */
  noStatus: 1005,
  /** Never on the wire: stands for a connection that ended without a Close frame. */
  abnormal: 1006,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
  serviceRestart: 1012,
} as const;

/** UTF-8 bytes that a close reason may have: a control frame's 125 less the code's two. */
export const MAX_CLOSE_REASON = 123;

/**
 * Whether a Close frame may carry this code: 1000 to 1014 without the reserved 1004 to 1006,
 * and 3000 to 4999 (RFC 6455 §7.4.2 and the IANA registry).
 */
export function isSendableCloseCode(code: number): boolean {
  return (
    Number.isInteger(code) &&
    ((code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) ||
      (code >= 3000 && code <= 4999))
  );
}

/** What a Close frame said. */
export interface CloseStatus {
  code: number;
  reason: string;
}

/** Reads the payload of a Close frame; an empty one means `CloseCode.noStatus`. */
export function decodeClosePayload(payload: Buffer): CloseStatus | Violation {
  if (payload.length === 0) return { code: CloseCode.noStatus, reason: "" };
  if (payload.length === 1) {
    return { violated: CloseCode.protocolError, explanation: "a Close frame with half a status code" };
  }
  const code = payload.readUInt16BE(0);
  if (!isSendableCloseCode(code)) {
    return {
      violated: CloseCode.protocolError,
      explanation: `close code ${code} may not be sent in a Close frame`,
    };
  }
  const reason = payload.subarray(2);
  if (!isUtf8(reason)) {
    return { violated: CloseCode.invalidPayload, explanation: "a close reason that is not UTF-8" };
  }
  return { code, reason: reason.toString("utf8") };
}

/**
 * The payload of a Close frame. `CloseCode.noStatus` gives the empty one, so that an empty Close is
 * answered with an empty Close.
 */
export function encodeClosePayload(code: number, reason: string): Buffer {
  if (code === CloseCode.noStatus) return Buffer.alloc(0);
  const payload = Buffer.allocUnsafe(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}
