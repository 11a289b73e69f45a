/**
 * One socket that speaks frames: decoder in, outbox out, half-close and Close.
 *
 * A channel keeps no queue of messages and makes no decision: what happens goes to its owner, in the order of the
 * stream, and the owner tells it what to do. It never destroys the socket by itself.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.js";
import { encodeClosePayload } from "../wire/close.js";
import { Decoder, type DecoderSink } from "../wire/decoder.js";
import { encodeFrame, Opcode } from "../wire/frame.js";
import type { Violation } from "../wire/violation.js";
import { CompressingOutbox, type CompressingOwner } from "./compressing-outbox.js";
import type { Compression } from "./compression.js";
import { TextBytes, type Received } from "./consumer.js";
import type { ConnectionOptions } from "./options.js";
import type { EncodedMessage } from "./encoded-message.js";
import type { Kernel } from "./kernel.js";
import { Outbox, type OnSent, type OutboxOwner } from "./outbox.js";

/** What a channel tells its owner. */
export interface ChannelOwner extends OutboxOwner, CompressingOwner {
  readonly clock: Clock;
  readonly options: ConnectionOptions;
  onMessage(data: Received): void;
  onCompressedMessage(payload: Buffer, isText: boolean): void;
  /** Control frames as they come; Pings are answered already. */
  onPing(payload: Buffer): void;
  onPong(payload: Buffer): void;
  /** A Pong for the Ping with this number, and so for all before it. */
  onPingAnswered(nonce: number): void;
  onPeerClose(code: number, reason: string): void;
  onViolation(violation: Violation): void;
  /** A chunk has been decoded: messages may have come, a frame may be partial. */
  onRead(): void;
  /** The peer's FIN. */
  onPeerEnd(): void;
  /** The socket is gone, with this error if there was one. Called once; nothing is called after it. */
  onSocketClosed(error: Error | undefined): void;
}

/** Bytes of the payload of a numbered Ping: its number. */
const NONCE_LENGTH = 4;

/** Where a stream has its channel: so that listeners can be functions that all channels share. */
const channelOf = Symbol("lastcall.channel");

type ChannelStream = Duplex & { [channelOf]: Channel };

// A closure for each listener would cost an idle connection more than its channel does.

function takeChunk(this: ChannelStream, chunk: Buffer): void {
  this[channelOf].takeChunk(chunk);
}

function takeEnd(this: ChannelStream): void {
  this[channelOf].takeEnd();
}

function takeError(this: ChannelStream, error: Error): void {
  this[channelOf].takeError(error);
}

function takeClosed(this: ChannelStream): void {
  this[channelOf].takeClosed();
}

/** A WebSocket on one stream. */
export class Channel implements DecoderSink {
  readonly #socket: ChannelStream;
  readonly #owner: ChannelOwner;
  readonly #decoder: Decoder;
  /** Made for the first frame that is sent. */
  #madeOutbox: Outbox | CompressingOutbox | undefined;
  #pings = 0;
  #closeSent = false;
  #paused = false;
  #error: Error | undefined;

  /** `compression`: as it was agreed on, if it was. */
  constructor(socket: Duplex, owner: ChannelOwner, compression: Compression | undefined) {
    this.#socket = Object.assign(socket, { [channelOf]: this });
    this.#owner = owner;
    const { decoding } = owner.options;
    if (compression === undefined) {
      this.#decoder = new Decoder(this, decoding);
    } else {
      this.#decoder = new Decoder(this, { ...decoding, compression: true });
      this.#madeOutbox = new CompressingOutbox(this.#makeOutbox(), owner, compression);
    }
  }

  get #outbox(): Outbox | CompressingOutbox {
    return (this.#madeOutbox ??= this.#makeOutbox());
  }

  #makeOutbox(): Outbox {
    return new Outbox(this.#socket, this.#owner, this.#owner.options);
  }

  /** Begins to read; `head` is what came behind the handshake. */
  start(head: Buffer): void {
    const socket = this.#socket;
    socket.on("data", takeChunk);
    // It may have been paused while `authenticate` was waited for.
    socket.resume();
    socket.on("end", takeEnd);
    socket.on("error", takeError);
    socket.on("close", takeClosed);
    if (head.length > 0) this.takeChunk(head);
    // Its FIN may have come behind what came early.
    if (socket.readableEnded) this.takeEnd();
  }

  /** Bytes accepted for sending and not yet taken by the kernel. */
  get bufferedAmount(): number {
    return this.#madeOutbox?.bufferedAmount ?? 0;
  }

  /** Messages accepted for sending that are not wholly with the kernel. */
  get bufferedMessages(): number {
    return this.#madeOutbox?.bufferedMessages ?? 0;
  }

  /** Whether something that is to be sent waits for us, and not for the peer. */
  get isCompressing(): boolean {
    return this.#madeOutbox instanceof CompressingOutbox && this.#madeOutbox.isCompressing;
  }

  /** True when no frame and no fragmented message is partial. */
  get atBoundary(): boolean {
    return this.#decoder.atBoundary;
  }

  /** Nothing can be sent after our Close. */
  get closeSent(): boolean {
    return this.#closeSent;
  }

  /** Sends a message; false when too much waits for it to be taken. */
  send(data: string | Uint8Array): boolean {
    return this.#outbox.send(data);
  }

  sendEncoded(message: EncodedMessage): boolean {
    return this.#outbox.sendEncoded(message);
  }

  /** Calls back when the kernel has all messages that were accepted until now; with an error when it never will. */
  whenSent(onSent: OnSent): void {
    this.#outbox.whenSent(onSent);
  }

  /** The socket is gone: tells who waits for `whenSent`. */
  failWaiting(error: Error): void {
    this.#madeOutbox?.fail(error);
  }

  /** Sends a Ping and returns its number, which rises by one each time. */
  ping(): number {
    if (this.#closeSent) return this.#pings;
    const nonce = Buffer.allocUnsafe(NONCE_LENGTH);
    nonce.writeUInt32BE(++this.#pings);
    this.#outbox.sendControl(encodeFrame(Opcode.ping, nonce));
    return this.#pings;
  }

  /** Tells how many bytes the peer's side has acknowledged, and how many that the kernel has it has not. */
  look(kernel: Kernel, tell: (acknowledged: number, unacknowledged: number) => void): void {
    kernel.unacknowledged(this.#socket, (unacknowledged) =>
      tell((this.#madeOutbox?.takenBytes ?? 0) - unacknowledged, unacknowledged),
    );
  }

  /** Nothing that is looked for of its socket is waited for any more. */
  forgetLooks(kernel: Kernel): void {
    kernel.forget(this.#socket);
  }

  /** How many messages may end within the last so many bytes that the kernel has taken. */
  messagesWithin(lastBytes: number): number {
    return this.#madeOutbox?.messagesWithin(lastBytes) ?? 0;
  }

  /** Sends Close behind what was accepted. */
  close(code: number, reason: string): void {
    if (this.#closeSent) return;
    this.#closeSent = true;
    this.#outbox.sendControl(encodeFrame(Opcode.close, encodeClosePayload(code, reason)));
  }

  /** Sends FIN behind what was accepted, and goes on reading. */
  end(): void {
    this.#outbox.end();
  }

  /** Hands everything to the socket at once, and FIN behind it. */
  flushAndEnd(): void {
    this.#closeSent = true;
    this.#outbox.flushAndEnd();
  }

  /** Gives the memory of zlib back: nothing is inflated or deflated any more. */
  releaseCompression(): void {
    if (this.#madeOutbox instanceof CompressingOutbox) this.#madeOutbox.release();
  }

  /** Decodes nothing any more: what was read is broken. Reading goes on. */
  endDecoding(): void {
    this.#decoder.finish();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  /**
   * Reads on, from the next turn of the event loop. libuv reads a socket up to 32 times in a turn, and a handler may
   * be done with a chunk of 9 000 messages before the next one is read: everybody else would wait for 300 000.
   */
  resume(): void {
    this.#paused = false;
    this.#owner.clock.afterPoll(() => {
      if (!this.#paused) this.#socket.resume();
    });
  }

  destroy(): void {
    this.#closeSent = true;
    this.#socket.destroy();
  }

  // From the socket

  takeChunk(chunk: Buffer): void {
    this.#decoder.push(chunk);
    this.#owner.onRead();
  }

  takeEnd(): void {
    this.#owner.onPeerEnd();
  }

  takeError(error: Error): void {
    this.#error ??= error;
  }

  takeClosed(): void {
    this.#owner.onSocketClosed(this.#error);
  }

  // From the decoder

  onMessage(data: string | Buffer): void {
    this.#owner.onMessage(data);
  }

  onTextBytes(bytes: Buffer): void {
    this.#owner.onMessage(new TextBytes(bytes));
  }

  onCompressedMessage(payload: Buffer, isText: boolean): void {
    this.#owner.onCompressedMessage(payload, isText);
  }

  onPing(payload: Buffer): void {
    if (!this.#closeSent) this.#outbox.sendPong(encodeFrame(Opcode.pong, payload));
    this.#owner.onPing(payload);
  }

  onPong(payload: Buffer): void {
    this.#owner.onPong(payload);
    // Pongs that answer none of our Pings are allowed and mean nothing (RFC 6455 §5.5.3).
    if (payload.length !== NONCE_LENGTH) return;
    const nonce = payload.readUInt32BE();
    if (nonce > 0 && nonce <= this.#pings) this.#owner.onPingAnswered(nonce);
  }

  onClose(code: number, reason: string): void {
    this.#owner.onPeerClose(code, reason);
  }

  onViolation(violation: Violation): void {
    this.#owner.onViolation(violation);
  }
}
