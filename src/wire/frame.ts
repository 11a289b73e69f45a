/**
 * Frames on their way out (RFC 6455 §5.2): headers, control frames and whole frames.
 */
import { applyMask } from "./mask.js";

/** Frame opcodes, RFC 6455 §5.2. */
export const Opcode = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

/** One of the opcodes that RFC 6455 §5.2 defines. */
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** Payload bytes that a control frame may carry at most, RFC 6455 §5.5. */
export const MAX_CONTROL_PAYLOAD = 125;

/** The longest unmasked frame header: 2 bytes and a 64-bit length. */
export const MAX_HEADER_LENGTH = 10;

const FIN = 0x80;
/** RSV1: this message is compressed (RFC 7692 §6). */
const COMPRESSED = 0x40;
const MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** Bytes that the unmasked header of a frame with this payload takes: 2, 4 or 10. */
export function frameHeaderLength(payloadLength: number): number {
  return payloadLength <= MAX_CONTROL_PAYLOAD ? 2 : payloadLength <= 0xffff ? 4 : MAX_HEADER_LENGTH;
}

/**
 * Writes an unmasked frame header at `offset` and returns the offset behind it.
 * The caller has made room for `frameHeaderLength(payloadLength)` bytes.
 */
export function writeFrameHeader(
  target: Buffer,
  offset: number,
  opcode: Opcode,
  payloadLength: number,
  final = true,
  compressed = false,
): number {
  target[offset] = opcode | (final ? FIN : 0) | (compressed ? COMPRESSED : 0);
  if (payloadLength <= MAX_CONTROL_PAYLOAD) {
    target[offset + 1] = payloadLength;
    return offset + 2;
  }
  if (payloadLength <= 0xffff) {
    target[offset + 1] = LENGTH_16;
    target[offset + 2] = payloadLength >>> 8;
    target[offset + 3] = payloadLength;
    return offset + 4;
  }
  target[offset + 1] = LENGTH_64;
  target.writeUInt32BE(Math.floor(payloadLength / 2 ** 32), offset + 2);
  target.writeUInt32BE(payloadLength >>> 0, offset + 6);
  return offset + MAX_HEADER_LENGTH;
}

/** How `encodeFrame` departs from a whole, unmasked frame. */
export interface FrameOptions {
  /** False for a fragment that others follow. Default true. */
  final?: boolean;
  /** The four bytes a client masks with (RFC 6455 §5.3). Default: no mask, as servers must send. */
  mask?: Uint8Array;
  /** The payload is compressed, or the first part of what is (RFC 7692 §6.1). Default false. */
  compressed?: boolean;
}

/** One frame as a Buffer of its own; the payload is copied. */
export function encodeFrame(
  opcode: Opcode,
  payload: Uint8Array | string = "",
  { final = true, mask, compressed = false }: FrameOptions = {},
): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  const headerLength = frameHeaderLength(bytes.length);
  if (mask === undefined) {
    const frame = Buffer.allocUnsafe(headerLength + bytes.length);
    frame.set(bytes, writeFrameHeader(frame, 0, opcode, bytes.length, final, compressed));
    return frame;
  }
  const frame = Buffer.allocUnsafe(headerLength + 4 + bytes.length);
  writeFrameHeader(frame, 0, opcode, bytes.length, final, compressed);
  frame[1]! |= MASKED;
  frame.set(mask, headerLength);
  frame.set(bytes, headerLength + 4);
  applyMask(frame, headerLength + 4, frame.length, frame.readInt32LE(headerLength));
  return frame;
}
