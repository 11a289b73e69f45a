/**
 * What stands before an outbox when messages are compressed, which takes its time in another thread: what comes after a
 * message that is being compressed waits here, so that nothing overtakes it. It counts as what waits in the outbox.
 */
import { Opcode } from "../wire/frame.js";
import type { Compression } from "./compression.js";
import {
  asBuffer,
  encodePayload,
  MAX_COPIED_PAYLOAD,
  type EncodedMessage,
  type MessageOpcode,
} from "./encoded-message.js";
import type { OnSent, Outbox } from "./outbox.js";

/** A message that waits. */
interface Message {
  kind: "message";
  opcode: MessageOpcode;
  payload: Buffer;
}

/** What waits, with the bytes and messages that it counts for. */
type Waiting = { bytes: number; messages: number } & (
  | Message
  | { kind: "encoded"; message: EncodedMessage }
  | { kind: "control"; frame: Buffer }
  | { kind: "end" }
);

/** What it tells. */
export interface CompressingOwner {
  /** A message was compressed: what waited for that is with the outbox, or is compressed next. */
  onCompressed(): void;
}

export class CompressingOutbox {
  readonly #outbox: Outbox;
  readonly #owner: CompressingOwner;
  readonly #compression: Compression;
  #waiting: Waiting[] = [];
  #compressing = false;

  constructor(outbox: Outbox, owner: CompressingOwner, compression: Compression) {
    this.#outbox = outbox;
    this.#owner = owner;
    this.#compression = compression;
  }

  get bufferedAmount(): number {
    return this.#outbox.bufferedAmount;
  }

  get bufferedMessages(): number {
    return this.#outbox.bufferedMessages;
  }

  get takenBytes(): number {
    return this.#outbox.takenBytes;
  }

  messagesWithin(lastBytes: number): number {
    return this.#outbox.messagesWithin(lastBytes);
  }

  whenSent(onSent: OnSent): void {
    this.#outbox.whenSent(onSent);
  }

  fail(error: Error): void {
    this.#outbox.fail(error);
  }

  /** What waits here waits for us, and not for the peer. */
  get isCompressing(): boolean {
    return this.#compressing;
  }

  send(data: string | Uint8Array): boolean {
    const length = typeof data === "string" ? Buffer.byteLength(data) : data.length;
    if (this.#waiting.length === 0 && length < this.#compression.threshold) return this.#outbox.send(data);
    if (!this.#outbox.takes) return false;
    const opcode = typeof data === "string" ? Opcode.text : Opcode.binary;
    this.#add({ kind: "message", opcode, payload: payloadOf(data), bytes: length, messages: 1 });
    return true;
  }

  /** Accepts a message that was encoded for many. It goes out as it is: each peer has a context of its own. */
  sendEncoded(message: EncodedMessage): boolean {
    if (this.#waiting.length === 0) return this.#outbox.sendEncoded(message);
    if (!this.#outbox.takes) return false;
    const bytes = message.reduce((sum, { length }) => sum + length, 0);
    this.#add({ kind: "encoded", message, bytes, messages: 1 });
    return true;
  }

  sendControl(frame: Buffer): void {
    if (this.#waiting.length === 0) this.#outbox.sendControl(frame);
    else this.#add({ kind: "control", frame, bytes: frame.length, messages: 0 });
  }

  /** A Pong goes ahead of what waits, as in the outbox. */
  sendPong(frame: Buffer): void {
    this.#outbox.sendPong(frame);
  }

  end(): void {
    if (this.#waiting.length === 0) this.#outbox.end();
    else this.#add({ kind: "end", bytes: 0, messages: 0 });
  }

  /** There is no time left to compress: what waits goes out as it is, which a peer must understand as well. */
  flushAndEnd(): void {
    while (this.#waiting.length > 0) this.#pass(this.#waiting[0]!);
    this.#outbox.flushAndEnd();
  }

  release(): void {
    this.#compression.release();
  }

  #add(next: Waiting): void {
    this.#waiting.push(next);
    this.#outbox.countAhead(next.bytes, next.messages);
    this.#passOn();
  }

  /** Passes on what waits, up to a message that has to be compressed first. */
  #passOn(): void {
    while (!this.#compressing && this.#waiting.length > 0) {
      const next = this.#waiting[0]!;
      if (next.kind === "message" && next.payload.length >= this.#compression.threshold) {
        this.#compress(next);
      } else {
        this.#pass(next);
      }
    }
  }

  #compress(next: Waiting & Message): void {
    this.#compressing = true;
    this.#compression.deflate(next.payload, (payload) => {
      this.#compressing = false;
      // Unless it went out as it was.
      if (this.#waiting[0] !== next) return;
      if (isWhole(next)) this.#outbox.enqueue(encodePayload(next.opcode, payload, { compressed: true }));
      else this.#outbox.enqueue(asItIs(next));
      this.#forget(next);
      this.#passOn();
      this.#owner.onCompressed();
    });
  }

  #pass(next: Waiting): void {
    switch (next.kind) {
      case "message":
        this.#outbox.enqueue(asItIs(next));
        break;
      case "encoded":
        this.#outbox.enqueue(next.message);
        break;
      case "control":
        this.#outbox.sendControl(next.frame);
        break;
      case "end":
        this.#outbox.end();
        break;
    }
    this.#forget(next);
  }

  /** The first that waits is in the outbox now, and counted there: in this order the level never seems to fall. */
  #forget({ bytes, messages }: Waiting): void {
    this.#waiting.shift();
    this.#outbox.countAhead(-bytes, -messages);
  }
}

/** Whether what was compressed was the message: its memory may have been transferred, or resized, meanwhile. */
function isWhole({ payload, bytes }: Waiting & Message): boolean {
  return payload.length === bytes;
}

/** Not compressed. Where it is not whole any more the outbox will find that. */
function asItIs({ opcode, payload, bytes }: Waiting & Message): EncodedMessage {
  return encodePayload(opcode, payload, { length: bytes });
}

/** The bytes of a message. Small ones are copied, as in the outbox: they wait here, and are their sender's again. */
function payloadOf(data: string | Uint8Array): Buffer {
  if (typeof data === "string" || data.length <= MAX_COPIED_PAYLOAD) return Buffer.from(data as string);
  return asBuffer(data);
}
