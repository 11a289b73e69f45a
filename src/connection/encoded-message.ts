/** Messages as the frames that they are sent in: one frame each. */
import { frameHeaderLength, Opcode, writeFrameHeader } from "../wire/frame.js";

/** Encoded bytes that wait, in the order of the stream. */
export interface Segment {
  bytes: Buffer;
  /**
   * Bytes that are to be sent. The memory of a payload that was not copied is its sender's: it may have been transferred
   * or resized since, and then `bytes` are fewer.
   */
  length: number;
  /** Messages whose last byte is in here. */
  messages: number;
  /** False for what goes on with the frame of the segment before: nothing may come between them. */
  startsFrame: boolean;
}

/** A message that is encoded once and sent to many. */
export type EncodedMessage = readonly Readonly<Segment>[];

/** What a message begins with. */
export type MessageOpcode = typeof Opcode.text | typeof Opcode.binary;

/** Payloads up to this length are copied; longer ones are sent from where they are. */
export const MAX_COPIED_PAYLOAD = 8 * 1024;

/** Encodes a message into buffers of its own; the payload is not copied unless it is small or text. */
export function encodeMessage(data: string | Uint8Array): EncodedMessage {
  return typeof data === "string"
    ? encodePayload(Opcode.text, Buffer.from(data))
    : encodePayload(Opcode.binary, asBuffer(data));
}

/** The same for a payload that may be compressed already. `length`: what it had when it was accepted. */
export function encodePayload(
  opcode: MessageOpcode,
  payload: Buffer,
  { compressed = false, length = payload.length } = {},
): EncodedMessage {
  const header = Buffer.allocUnsafe(frameHeaderLength(length));
  writeFrameHeader(header, 0, opcode, length, true, compressed);
  if (length <= MAX_COPIED_PAYLOAD) {
    const bytes = Buffer.concat([header, payload]);
    return [{ bytes, length: bytes.length, messages: 1, startsFrame: true }];
  }
  return [
    { bytes: header, length: header.length, messages: 0, startsFrame: true },
    { bytes: payload, length, messages: 1, startsFrame: false },
  ];
}

/** A view of a length of its own: one that follows its memory would have grown with that by the time it is sent. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
