/** What clients send, and how they read what comes back. */
import { randomBytes } from "node:crypto";

/** Bytes of frames that lie ready, about. */
const READY = 1024 * 1024;

/** @param {Buffer} payload @param {number} opcode */
export function encodeMasked(payload, opcode) {
  const { length } = payload;
  const extra = length < 126 ? 0 : length < 65536 ? 2 : 8;
  const frame = Buffer.alloc(2 + extra + 4 + length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (extra === 0 ? length : extra === 2 ? 126 : 127);
  if (extra === 2) frame.writeUInt16BE(length, 2);
  if (extra === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  const mask = randomBytes(4);
  mask.copy(frame, 2 + extra);
  for (let index = 0; index < length; index++) frame[6 + extra + index] = payload[index] ^ mask[index & 3];
  return frame;
}

/** Frames of one message, made beforehand, each with a mask of its own, so that sending them costs nothing but a write. */
export class Ammunition {
  #frames;
  #length;
  #count;
  #next = 0;

  /** @param {Buffer} payload @param {number} opcode @param {number} most that are sent at a time */
  constructor(payload, opcode, most) {
    this.#length = encodeMasked(payload, opcode).length;
    this.#count = Math.max(most, Math.min(256, Math.floor(READY / this.#length)));
    const frames = Array.from({ length: this.#count }, () => encodeMasked(payload, opcode));
    // Twice, so that any run of them lies in one piece.
    this.#frames = Buffer.concat([...frames, ...frames]);
  }

  /** @param {number} count */
  take(count) {
    const start = this.#next * this.#length;
    this.#next = (this.#next + count) % this.#count;
    return this.#frames.subarray(start, start + count * this.#length);
  }
}

/** Reads the frames of a server, and looks at payloads only where it must. */
export class FrameReader {
  #rest;
  #toSkip = 0;
  #isFinal = false;
  #onControl;

  /** @param {(opcode: number, payload: Buffer) => void} onControl */
  constructor(onControl) {
    this.#onControl = onControl;
  }

  /** Takes a chunk, and returns how many messages end in it. @param {Buffer} chunk */
  push(chunk) {
    if (this.#rest !== undefined) {
      chunk = Buffer.concat([this.#rest, chunk]);
      this.#rest = undefined;
    }
    let messages = 0;
    let position = 0;
    for (;;) {
      if (this.#toSkip > 0) {
        const skipped = Math.min(this.#toSkip, chunk.length - position);
        this.#toSkip -= skipped;
        position += skipped;
        if (this.#toSkip > 0) return messages;
        if (this.#isFinal) messages++;
      }
      const left = chunk.length - position;
      if (left === 0) return messages;
      if (left < 2) break;
      let length = chunk[position + 1];
      const header = length < 126 ? 2 : length === 126 ? 4 : 10;
      if (left < header) break;
      if (length === 126) length = chunk.readUInt16BE(position + 2);
      else if (length === 127) length = chunk.readUInt32BE(position + 6);
      const opcode = chunk[position] & 15;
      if (opcode >= 8) {
        if (left < header + length) break;
        this.#onControl(opcode, chunk.subarray(position + header, position + header + length));
        position += header + length;
        continue;
      }
      this.#isFinal = (chunk[position] & 0x80) !== 0;
      this.#toSkip = length;
      position += header;
      if (length === 0 && this.#isFinal) messages++;
    }
    this.#rest = chunk.subarray(position);
    return messages;
  }
}
