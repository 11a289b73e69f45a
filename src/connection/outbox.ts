/**
 * What waits to be sent on one socket.
 *
 * Small frames are encoded into a slab that all connections share, and leave once per tick as one write: a fresh
 * buffer per flush doubled the cost of an echo (docs/decisions.md). While the socket is busy they go into a slab of
 * the connection's own instead: a few bytes for a slow reader must not keep everybody's 64 KiB alive.
 *
 * The socket gets at most `MAX_WRITE` bytes at a time, the next after its callback: that callback is how we see that
 * a peer reads, and Node shows nothing of what goes on inside one write.
 */
import type { Duplex } from "node:stream";
import { frameHeaderLength, MAX_HEADER_LENGTH, Opcode, writeFrameHeader } from "../wire/frame.js";
import type { OutboxLimits } from "./options.js";

/** Bytes handed to a socket at a time. */
export const MAX_WRITE = 256 * 1024;

/**
 * Payload bytes of one frame. A longer message is sent in fragments (RFC 6455 §5.4), so that a Ping can be put between
 * them: with megabytes in the kernel's buffers its Pong is the only sign that a slow peer still reads.
 */
const MAX_FRAME_PAYLOAD = MAX_WRITE - 64;

/**
 * A Ping goes out with every so many bytes. The kernel may hold megabytes for a slow peer, and then the Pongs are how
 * we see that it reads; so they have to be on their way before anybody knows that they will be needed.
 */
const PING_EVERY = 128 * 1024;

/** Payloads up to this length are copied into a slab; longer ones are sent from where they are. */
export const MAX_COPIED_PAYLOAD = 8 * 1024;

const SHARED_SLAB_LENGTH = 64 * 1024;
const OWN_SLAB_LENGTH = 16 * 1024;

class Slab {
  buffer: Buffer;
  position = 0;

  constructor(length: number) {
    // Not from Node's pool: a slab must not keep a neighbour's memory alive, nor the other way round.
    this.buffer = Buffer.allocUnsafeSlow(length);
  }

  hasRoomFor(length: number): boolean {
    return this.position + length <= this.buffer.length;
  }
}

let sharedSlab = new Slab(SHARED_SLAB_LENGTH);

/** Encoded bytes that wait, in the order of the stream. */
interface Segment {
  bytes: Buffer;
  /** Messages whose last byte is in here. */
  messages: number;
  /** False for the payload that belongs to the header in the segment before. */
  startsFrame: boolean;
  /** False for a header whose payload is the next segment. */
  endsFrame: boolean;
  /** The number of the last numbered Ping in here, or 0. */
  nonce: number;
}

/** What an outbox has when nothing waits: most connections of a server are idle. */
const NOTHING: never[] = [];

/** A message that is encoded once and sent to many. */
export type EncodedMessage = readonly Readonly<Segment>[];

/** What a message begins with. */
export type MessageOpcode = typeof Opcode.text | typeof Opcode.binary;

/** Called when a message is with the kernel, or with an error when it never will be. */
export type OnSent = (error?: Error) => void;

/** What an outbox tells. */
export interface OutboxOwner {
  /** `bufferedAmount` has reached `highWaterMark`, or is below it again. */
  onOutboxFull(): void;
  onOutboxLow(): void;
  /** A write has left for the kernel. `bufferedAmount` is less than before. */
  onWritten(): void;
}

/** Who numbers the Pings that watch for progress. */
export interface ProgressPings {
  /** A Ping frame to send here, behind the Ping with this number. */
  progressPing(behind: number): Buffer;
}

/** Encodes a message into buffers of its own; the payload is not copied unless it is small or text. */
export function encodeMessage(data: string | Uint8Array): EncodedMessage {
  return typeof data === "string"
    ? encodePayload(Opcode.text, Buffer.from(data))
    : encodePayload(Opcode.binary, asBuffer(data));
}

/** The same for a payload that may be compressed already. */
export function encodePayload(opcode: MessageOpcode, payload: Buffer, compressed = false): EncodedMessage {
  const segments: Segment[] = [];
  for (const [frameOpcode, part, final] of framesOf(opcode, payload)) {
    const header = Buffer.allocUnsafe(frameHeaderLength(part.length));
    // Only the first frame says that the message is compressed (RFC 7692 §6.1).
    const marked = compressed && frameOpcode === opcode;
    writeFrameHeader(header, 0, frameOpcode, part.length, final, marked);
    if (part.length <= MAX_COPIED_PAYLOAD) {
      const bytes = Buffer.concat([header, part]);
      segments.push({ bytes, messages: final ? 1 : 0, startsFrame: true, endsFrame: true, nonce: 0 });
    } else {
      segments.push({ bytes: header, messages: 0, startsFrame: true, endsFrame: false, nonce: 0 });
      segments.push({ bytes: part, messages: final ? 1 : 0, startsFrame: false, endsFrame: true, nonce: 0 });
    }
  }
  return segments;
}

function* framesOf(opcode: Opcode, payload: Buffer): Generator<[Opcode, Buffer, boolean]> {
  let start = 0;
  do {
    const end = Math.min(start + MAX_FRAME_PAYLOAD, payload.length);
    yield [start === 0 ? opcode : Opcode.continuation, payload.subarray(start, end), end === payload.length];
    start = end;
  } while (start < payload.length);
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The outbox of one socket. */
export class Outbox {
  readonly #socket: Duplex;
  readonly #owner: OutboxOwner;
  readonly #pings: ProgressPings;
  readonly #limits: OutboxLimits;

  #segments: Segment[] = NOTHING;
  /** Bytes in `#segments` and in the run, and those that wait to come here. */
  #waitingBytes = 0;
  /** Bytes, of those, that wait to come here. */
  #aheadBytes = 0;
  #full = false;
  /** Messages accepted whose last byte the kernel has not taken, and all those whose last byte it has. */
  #bufferedMessages = 0;
  #sentMessages = 0;
  /** Who waits for so many messages to be with the kernel, in order. Made for the first of them. */
  #waitingForSent: { messages: number; onSent: OnSent }[] = NOTHING;

  // The run: frames that lie one behind the other in a slab, not yet cut off as a segment.
  #runSlab: Slab | undefined;
  #runStart = 0;
  #runEnd = 0;
  #runMessages = 0;
  #runNonce = 0;
  #ownSlab: Slab | undefined;

  #writingBytes = 0;
  #writingMessages = 0;
  #writtenSincePing = 0;
  #writtenNonce = 0;
  #flushIsScheduled = false;
  #pong: Buffer | undefined;
  #endRequested = false;
  #ended = false;
  /** Made for the first write: most connections of a server are idle. */
  #onWritten: ((error?: Error | null) => void) | undefined;

  constructor(socket: Duplex, owner: OutboxOwner, pings: ProgressPings, limits: OutboxLimits) {
    this.#socket = socket;
    this.#owner = owner;
    this.#pings = pings;
    this.#limits = limits;
  }

  /** Whether another message is taken: it is while the outbox is under its limit, however large the message is. */
  get takes(): boolean {
    return this.bufferedAmount < this.#limits.outboxLimit;
  }

  /** Bytes accepted and not yet taken by the kernel. */
  get bufferedAmount(): number {
    return this.#waitingBytes + this.#writingBytes;
  }

  /** Messages accepted whose last byte the kernel has not taken. */
  get bufferedMessages(): number {
    return this.#bufferedMessages;
  }

  /**
   * Calls back when the kernel has all messages that were accepted until now: which is what back-pressure is to who
   * sends message by message. Called with an error when it never will.
   */
  whenSent(onSent: OnSent): void {
    if (this.#bufferedMessages === 0) return onSent();
    const waiting = { messages: this.#sentMessages + this.#bufferedMessages, onSent };
    if (this.#waitingForSent.length === 0) this.#waitingForSent = [waiting];
    else this.#waitingForSent.push(waiting);
  }

  /** The socket is gone: what waits will never be sent. */
  fail(error: Error): void {
    const waiting = this.#waitingForSent;
    this.#waitingForSent = NOTHING;
    for (const { onSent } of waiting) onSent(error);
  }

  /** Accepts a message; false when it is not taken. A payload of over 8 KiB is not copied. */
  send(data: string | Uint8Array): boolean {
    if (!this.takes) return false;
    const length = typeof data === "string" ? Buffer.byteLength(data) : data.length;
    if (length > MAX_COPIED_PAYLOAD) {
      this.enqueue(encodeMessage(data));
      return true;
    }
    const slab = this.#reserve(MAX_HEADER_LENGTH + length);
    if (typeof data === "string") {
      const start = writeFrameHeader(slab.buffer, slab.position, Opcode.text, length);
      slab.buffer.write(data, start);
      this.#extendRun(slab, start + length, 1);
    } else {
      const start = writeFrameHeader(slab.buffer, slab.position, Opcode.binary, length);
      slab.buffer.set(data, start);
      this.#extendRun(slab, start + length, 1);
    }
    return true;
  }

  /** Accepts a message that was encoded by `encodeMessage`; false when it is not taken. */
  sendEncoded(message: EncodedMessage): boolean {
    if (!this.takes) return false;
    this.enqueue(message);
    return true;
  }

  /** Takes a message, whatever waits. */
  enqueue(message: EncodedMessage): void {
    this.#cutRun();
    for (const segment of message) {
      this.#addSegment(segment);
      this.#waitingBytes += segment.bytes.length;
    }
    this.#bufferedMessages++;
    this.#lookAtMark();
    this.#scheduleFlush();
  }

  /** So much more, or less, waits to come here. It counts as if it were here: nothing else bounds it. */
  countAhead(bytes: number, messages: number): void {
    this.#aheadBytes += bytes;
    this.#waitingBytes += bytes;
    this.#bufferedMessages += messages;
    this.#lookAtMark();
  }

  /** Accepts a control frame; `nonce` is its number if it is a numbered Ping. */
  sendControl(frame: Buffer, nonce = 0): void {
    const slab = this.#reserve(frame.length);
    slab.buffer.set(frame, slab.position);
    this.#runNonce = Math.max(this.#runNonce, nonce);
    this.#extendRun(slab, slab.position + frame.length, 0);
  }

  /**
   * Accepts a Pong. Only the latest unsent one is kept, as RFC 6455 §5.5.3 allows: a flood of Pings costs one Pong a
   * flush.
   */
  sendPong(frame: Buffer): void {
    this.#pong = frame;
    this.#scheduleFlush();
  }

  /** Sends FIN behind everything that was accepted. */
  end(): void {
    this.#endRequested = true;
    this.#scheduleFlush();
  }

  /** Hands all that waits to the socket at once, and FIN behind it. */
  flushAndEnd(): void {
    if (this.#ended || this.#socket.destroyed) return;
    this.#cutRun();
    this.#socket.cork();
    for (const segment of this.#segments) this.#socket.write(segment.bytes);
    this.#socket.uncork();
    this.#writingBytes += this.#waitingBytes - this.#aheadBytes;
    this.#segments = NOTHING;
    this.#waitingBytes = this.#aheadBytes;
    this.#endRequested = true;
    this.#ended = true;
    this.#socket.end((error?: Error | null) => {
      if (error) return; // destroyed before it was sent
      this.#writingBytes = 0;
      this.#noteSent(this.#bufferedMessages);
    });
  }

  /** A slab with room for `length` bytes at its position, where the run goes on if it can. */
  #reserve(length: number): Slab {
    const slab = this.#writingBytes > 0 ? this.#reserveOwn(length) : reserveShared(length);
    if (this.#runSlab !== slab || this.#runEnd !== slab.position) {
      this.#cutRun();
      this.#runSlab = slab;
      this.#runStart = slab.position;
    }
    return slab;
  }

  #reserveOwn(length: number): Slab {
    if (this.#ownSlab === undefined || !this.#ownSlab.hasRoomFor(length))
      this.#ownSlab = new Slab(OWN_SLAB_LENGTH);
    return this.#ownSlab;
  }

  #extendRun(slab: Slab, end: number, messages: number): void {
    this.#waitingBytes += end - slab.position;
    slab.position = end;
    this.#runEnd = end;
    this.#runMessages += messages;
    this.#bufferedMessages += messages;
    this.#lookAtMark();
    this.#scheduleFlush();
  }

  /** Tells when `bufferedAmount` has passed the mark, in either direction. MUST follow whatever changes that. */
  #lookAtMark(): void {
    const full = this.#waitingBytes + this.#writingBytes >= this.#limits.highWaterMark;
    if (full === this.#full) return;
    this.#full = full;
    if (full) this.#owner.onOutboxFull();
    else this.#owner.onOutboxLow();
  }

  #cutRun(): void {
    if (this.#runSlab === undefined) return;
    const bytes = this.#runSlab.buffer.subarray(this.#runStart, this.#runEnd);
    const [messages, nonce] = [this.#runMessages, this.#runNonce];
    this.#addSegment({ bytes, messages, startsFrame: true, endsFrame: true, nonce });
    this.#runSlab = undefined;
    this.#runMessages = 0;
    this.#runNonce = 0;
  }

  #addSegment(segment: Segment): void {
    if (this.#segments.length === 0) this.#segments = [segment];
    else this.#segments.push(segment);
  }

  #scheduleFlush(): void {
    if (this.#flushIsScheduled) return;
    this.#flushIsScheduled = true;
    // Runs when the microtasks of this turn are done: all handlers that a chunk has woken have sent by then.
    process.nextTick(Outbox.#flushScheduled, this);
  }

  static #flushScheduled(this: void, outbox: Outbox): void {
    outbox.#flushIsScheduled = false;
    outbox.#flush();
  }

  #flush(): void {
    if (this.#writingBytes > 0 || this.#ended || this.#socket.destroyed) return;
    this.#cutRun();
    const batch = this.#takeBatch();
    if (batch.length === 0) {
      if (!this.#endRequested) return;
      this.#ended = true;
      this.#socket.end();
      return;
    }
    // Pongs, and Pings that watch for progress, count only from here on.
    this.#lookAtMark();
    this.#onWritten ??= (error) => this.#takeWritten(error);
    if (batch.length === 1) {
      this.#socket.write(batch[0]!, this.#onWritten);
      return;
    }
    this.#socket.cork();
    for (let index = 0; index < batch.length - 1; index++) this.#socket.write(batch[index]!);
    this.#socket.write(batch[batch.length - 1]!, this.#onWritten);
    this.#socket.uncork();
  }

  /** Takes what goes out with the next write, and counts it as being written. */
  #takeBatch(): Buffer[] {
    const batch: Buffer[] = [];
    let bytes = 0;
    if (this.#writtenSincePing >= PING_EVERY && this.#segments.length > 0) {
      const ping = this.#pings.progressPing(this.#writtenNonce);
      batch.push(ping);
      bytes += ping.length;
      this.#writtenSincePing = 0;
    }
    if (this.#pong !== undefined) {
      batch.push(this.#pong);
      bytes += this.#pong.length;
      this.#pong = undefined;
    }
    let taken = 0;
    while (taken < this.#segments.length) {
      const segment = this.#segments[taken]!;
      // A header goes out together with its payload, so that a control frame may come first the next time.
      const frame = segment.bytes.length + (segment.endsFrame ? 0 : this.#segments[taken + 1]!.bytes.length);
      if (segment.startsFrame && bytes > 0 && bytes + frame > MAX_WRITE) break;
      taken++;
      batch.push(segment.bytes);
      bytes += segment.bytes.length;
      this.#waitingBytes -= segment.bytes.length;
      this.#writingMessages += segment.messages;
      this.#writtenNonce = Math.max(this.#writtenNonce, segment.nonce);
    }
    if (taken === this.#segments.length) this.#segments = NOTHING;
    else this.#segments.splice(0, taken);
    this.#writtenSincePing += bytes;
    this.#writingBytes = bytes;
    return batch;
  }

  #takeWritten(error: Error | null | undefined): void {
    // A write that failed leaves its bytes counted as unsent; the socket's 'close' follows. Node calls back without an
    // error for one that was cancelled with its socket.
    if (error || this.#ended || this.#socket.destroyed) return;
    this.#writingBytes = 0;
    this.#noteSent(this.#writingMessages);
    this.#writingMessages = 0;
    if (this.#waitingBytes > 0 || this.#pong !== undefined || this.#endRequested) this.#flush();
    else this.#ownSlab = undefined;
    this.#lookAtMark();
    this.#owner.onWritten();
  }

  #noteSent(messages: number): void {
    this.#bufferedMessages -= messages;
    this.#sentMessages += messages;
    // Who is called may send again, and wait again.
    while (this.#waitingForSent.length > 0 && this.#waitingForSent[0]!.messages <= this.#sentMessages) {
      this.#waitingForSent.shift()!.onSent();
    }
  }
}

function reserveShared(length: number): Slab {
  if (!sharedSlab.hasRoomFor(length)) sharedSlab = new Slab(SHARED_SLAB_LENGTH);
  return sharedSlab;
}
