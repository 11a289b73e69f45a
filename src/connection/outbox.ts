/**
 * What waits to be sent on one socket.
 *
 * Small frames are encoded into a slab that all connections share, and leave once per tick as one write: a fresh
 * buffer per flush doubled the cost of an echo (docs/decisions.md). While the socket is busy they go into a slab of
 * the connection's own instead: a few bytes for a slow reader must not keep everybody's 64 KiB alive.
 *
 * The socket gets a little at a time, the next after its callback: Node shows nothing of what goes on inside one write,
 * so a peer that reads slowly would look like one that is dead.
 */
import { nextTick } from "../base/real-timers.js";
import type { Duplex } from "node:stream";
import { MAX_HEADER_LENGTH, Opcode, writeFrameHeader } from "../wire/frame.js";
import { encodeMessage, MAX_COPIED_PAYLOAD, type EncodedMessage, type Segment } from "./encoded-message.js";
import type { OutboxLimits } from "./options.js";
import { Pongs } from "./pongs.js";
import { nextSharedSlab, ownSlab, sharedSlab, type Slab } from "./slab.js";
import { TakenLog } from "./taken-log.js";

/**
 * Bytes handed to a socket at a time: twice as many as before while the kernel takes them at once, within these. A message
 * of 64 KiB goes out whole.
 */
export const MIN_WRITE = 65 * 1024;
export const MAX_WRITE = 256 * 1024;

/** What an outbox has when nothing waits: most connections of a server are idle. */
const NOTHING: never[] = [];

/** Called when a message is with the kernel, or with an error when it never will be. */
export type OnSent = (error?: Error) => void;

/** What an outbox tells. */
export interface OutboxOwner {
  /** `bufferedAmount` has reached `highWaterMark`, or is below it again. */
  onOutboxFull(): void;
  onOutboxLow(): void;
  /** A write has left for the kernel. `bufferedAmount` is less than before. */
  onWritten(): void;
  /**
   * The next message cannot be sent: its sender has transferred or resized the memory that it lies in. All before it is
   * with the kernel, and nothing behind it may follow.
   */
  onBytesGone(): void;
}

/** The outbox of one socket. */
export class Outbox {
  readonly #socket: Duplex;
  readonly #owner: OutboxOwner;
  readonly #limits: OutboxLimits;

  /** Those before `#first` are taken: a queue whose head is shifted away costs its length each time. */
  #segments: Segment[] = NOTHING;
  #first = 0;
  /** Bytes in `#segments` and in the run, and those that wait to come here. */
  #waitingBytes = 0;
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
  #ownSlab: Slab | undefined;

  #writingBytes = 0;
  #writingMessages = 0;
  #writeLength = MIN_WRITE;
  #flushIsScheduled = false;
  /** Made for the first Ping, and the log for the first write. */
  #pongs: Pongs | undefined;
  #taken: TakenLog | undefined;
  #endRequested = false;
  #ended = false;
  /** Made for the first write: most connections of a server are idle. */
  #onWritten: ((error?: Error | null) => void) | undefined;

  constructor(socket: Duplex, owner: OutboxOwner, limits: OutboxLimits) {
    this.#socket = socket;
    this.#owner = owner;
    this.#limits = limits;
  }

  /** Whether another message is taken: it is while the outbox is under its limit, however large the message is. */
  get takes(): boolean {
    return this.bufferedAmount < this.#limits.outboxLimit;
  }

  /** All bytes that the kernel has taken. */
  get takenBytes(): number {
    return this.#taken?.bytes ?? 0;
  }

  /** How many messages may end within the last so many bytes that the kernel has taken. */
  messagesWithin(lastBytes: number): number {
    return this.#taken?.messagesWithin(lastBytes) ?? 0;
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
      this.#waitingBytes += segment.length;
    }
    this.#bufferedMessages++;
    this.#lookAtMark();
    this.#scheduleFlush();
  }

  /** So much more, or less, waits to come here. It counts as if it were here: nothing else bounds it. */
  countAhead(bytes: number, messages: number): void {
    this.#waitingBytes += bytes;
    this.#bufferedMessages += messages;
    this.#lookAtMark();
  }

  /** Accepts a control frame. */
  sendControl(frame: Buffer): void {
    const slab = this.#reserve(frame.length);
    slab.buffer.set(frame, slab.position);
    this.#extendRun(slab, slab.position + frame.length, 0);
  }

  /** Accepts a Pong. It goes ahead of the messages that wait, as soon as no frame is partly sent. */
  sendPong(frame: Buffer): void {
    (this.#pongs ??= new Pongs()).add(frame, this.#writingBytes > 0);
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
    let writing = this.#writingBytes;
    while (this.#hasNext) {
      const part = this.#takeSegment(Infinity);
      this.#socket.write(part);
      writing += part.length;
    }
    this.#socket.uncork();
    this.#writingBytes = writing;
    const areGone = this.#first < this.#segments.length;
    this.#forgetTaken();
    this.#endRequested = true;
    this.#ended = true;
    this.#socket.end((error?: Error | null) => {
      if (error) return; // destroyed before it was sent
      this.#noteTaken(this.#writingBytes, this.#writingMessages);
    });
    if (areGone) this.#owner.onBytesGone();
  }

  /** A slab with room for `length` bytes at its position, where the run goes on if it can. */
  #reserve(length: number): Slab {
    const busy = this.#writingBytes > 0;
    let slab = busy ? this.#ownSlab : sharedSlab;
    if (slab === undefined || slab.position + length > slab.buffer.length) {
      slab = busy ? (this.#ownSlab = ownSlab()) : nextSharedSlab();
    }
    if (this.#runSlab !== slab || this.#runEnd !== slab.position) {
      this.#cutRun();
      this.#runSlab = slab;
      this.#runStart = slab.position;
    }
    return slab;
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
    this.#addSegment({ bytes, length: bytes.length, messages: this.#runMessages, startsFrame: true });
    this.#runSlab = undefined;
    this.#runMessages = 0;
  }

  #addSegment(segment: Segment): void {
    if (this.#segments.length === 0) this.#segments = [segment];
    else this.#segments.push(segment);
  }

  #scheduleFlush(): void {
    if (this.#flushIsScheduled) return;
    this.#flushIsScheduled = true;
    // Runs when the microtasks of this turn are done: all handlers that a chunk has woken have sent by then.
    nextTick(Outbox.#flushScheduled, this);
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
      if (this.#segments.length > 0) return this.#owner.onBytesGone();
      if (!this.#endRequested) return;
      this.#ended = true;
      this.#socket.end();
      return;
    }
    // Pongs count only from here on.
    this.#lookAtMark();
    this.#write(batch);
    // Nothing of it waits: the kernel had room for all. A socket that keeps up is handed more the next time.
    const keptUp = this.#socket.writableLength === 0;
    this.#writeLength = keptUp ? Math.min(2 * this.#writeLength, MAX_WRITE) : MIN_WRITE;
  }

  #write(batch: Buffer[]): void {
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
    // A control frame may come between frames, not within one (RFC 6455 §5.4).
    const atBoundary = this.#segments[this.#first]?.startsFrame ?? true;
    const batch = (atBoundary ? this.#pongs?.take() : undefined) ?? [];
    let bytes = 0;
    for (const pongs of batch) bytes += pongs.length;
    let room = this.#writeLength - bytes;
    while (room > 0 && this.#hasNext) {
      const part = this.#takeSegment(room);
      batch.push(part);
      bytes += part.length;
      room -= part.length;
    }
    this.#forgetTaken();
    this.#writingBytes = bytes;
    return batch;
  }

  /** Whether there is a segment that can be sent. A frame is not begun whose payload is gone. */
  get #hasNext(): boolean {
    const next = this.#segments[this.#first];
    if (next === undefined || next.bytes.length !== next.length) return false;
    const behind = this.#segments[this.#first + 1];
    return behind === undefined || behind.startsFrame || behind.bytes.length === behind.length;
  }

  /** The next segment, or as much of it as there is room for. It does not count as waiting any more. */
  #takeSegment(room: number): Buffer {
    const { bytes, messages } = this.#segments[this.#first]!;
    if (bytes.length <= room) {
      this.#first++;
      this.#writingMessages += messages;
      this.#waitingBytes -= bytes.length;
      return bytes;
    }
    const rest = bytes.subarray(room);
    this.#segments[this.#first] = { bytes: rest, length: rest.length, messages, startsFrame: false };
    this.#waitingBytes -= room;
    return bytes.subarray(0, room);
  }

  /** Lets go of the segments that were taken, when they are many or all. */
  #forgetTaken(): void {
    if (this.#first === this.#segments.length) this.#segments = NOTHING;
    else if (this.#first > 1_000 && 2 * this.#first > this.#segments.length)
      this.#segments.splice(0, this.#first);
    else return;
    this.#first = 0;
  }

  #takeWritten(error: Error | null | undefined): void {
    // A write that failed leaves its bytes counted as unsent; the socket's 'close' follows. Node calls back without an
    // error for one that was cancelled with its socket.
    if (error || this.#ended || this.#socket.destroyed) return;
    this.#noteTaken(this.#writingBytes, this.#writingMessages);
    if (this.#waitingBytes > 0 || this.#pongs?.wait === true || this.#endRequested) this.#flush();
    else this.#ownSlab = undefined;
    this.#lookAtMark();
    this.#owner.onWritten();
  }

  #noteTaken(bytes: number, messages: number): void {
    (this.#taken ??= new TakenLog()).add(bytes, messages);
    this.#writingBytes = 0;
    this.#writingMessages = 0;
    this.#noteSent(messages);
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
