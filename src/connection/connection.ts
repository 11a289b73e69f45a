/** A connection as its handler sees it, on a channel. */
import type { Duplex } from "node:stream";
import { defer, type Deferred } from "../base/deferred.js";
import { ConnectionGoneError } from "../base/errors.js";
import type { ConnectionDrainOptions, DrainEvent } from "../drain/events.js";
import type { ConnectionAccount, DrainReport } from "../drain/report.js";
import { CloseCode } from "../wire/close.js";
import type { RequestHead } from "../wire/handshake.js";
import type { Violation } from "../wire/violation.js";
import { bytesOf } from "./bytes.js";
import { Channel, type ChannelOwner } from "./channel.js";
import { checkCloseCode, checkCloseReason } from "./close-status.js";
import type { Compression } from "./compression.js";
import { connectionEvents, dropEvents } from "./diagnostics.js";
import { Ending, type EndingTarget } from "./ending.js";
import { HandlerRun, type HandlerRunOwner } from "./handler-run.js";
import type { Connection, ConnectionClosed, Handler } from "./handler.js";
import { Inbox, type InboxOwner } from "./inbox.js";
import { MessageIterator } from "./iterator.js";
import type { ConnectionOptions, HeartbeatOptions } from "./options.js";
import type { EncodedMessage } from "./outbox.js";
import { Pulse } from "./pulse.js";
import { SentPings } from "./sent-pings.js";

/** What a connection needs of its server. */
export interface ConnectionHost<Principal> {
  readonly options: ConnectionOptions;
  /** How a connection ends, by the options of the shutdown if there is one. */
  readonly connectionDrain: ConnectionDrainOptions;
  /** Where messages are counted: since the start, or since the drain began. */
  readonly tally: DrainReport["messages"];
  /** A shutdown has begun, even if it has not reached this connection yet. */
  readonly draining: boolean;
  connectionClosed(connection: ServedConnection<Principal>): void;
  reportError(error: unknown, connection: Connection<Principal>): void;
}

/** What the upgrade has found out about a connection. */
export interface ConnectionInfo<Principal> {
  /** How many connections there were in this process, this one included. */
  number: number;
  request: RequestHead;
  /** Somebody else has had that object in hand: who may have kept it, or put something of his own on it. */
  requestIsShared: boolean;
  protocol: string;
  principal: Principal;
  remoteAddress: string;
  /** As it was agreed on, if it was. */
  compression: Compression | undefined;
}

/** The connection behind the public interface, which is its first part. */
export class ServedConnection<Principal>
  implements Connection<Principal>, ChannelOwner, InboxOwner, HandlerRunOwner, EndingTarget
{
  readonly protocol: string;
  readonly principal: Principal;
  readonly remoteAddress: string;

  readonly #number: number;
  /** The head, or as JSON until somebody asks for it: its strings and objects take twice the memory. */
  #request: string | RequestHead;
  readonly #host: ConnectionHost<Principal>;
  readonly #compression: Compression | undefined;
  readonly #channel: Channel;
  readonly #inbox: Inbox;
  readonly #run = new HandlerRun(this);
  readonly #pulse = new Pulse();
  // Made on first use: they cost memory.
  #signal: AbortController | undefined;
  #draining: AbortController | undefined;
  #ending: Ending | undefined;
  #closed: Deferred<ConnectionClosed> | undefined;
  #flushed: Deferred<void> | undefined;
  #pings: SentPings | undefined;

  #drainStarted = false;
  /** Nobody can hear an answer any more. */
  #unheard = false;
  #gone = false;
  /** The peer will send nothing more: it has closed, or ended TCP. */
  #peerDone = false;
  #peerStatus: { code: number; reason: string } | undefined;

  // For the report.
  #forced: Pick<ConnectionAccount, "queued" | "unsentBytes" | "running" | "handlerRuns"> | undefined;
  #undelivered = 0;
  #unsentBytes = 0;
  #unreadUnknown = false;

  constructor(host: ConnectionHost<Principal>, socket: Duplex, info: ConnectionInfo<Principal>) {
    this.#host = host;
    this.#number = info.number;
    this.#request = info.requestIsShared ? info.request : packed(info.request);
    this.protocol = info.protocol;
    this.principal = info.principal;
    this.remoteAddress = info.remoteAddress;
    this.#compression = info.compression;
    this.#channel = new Channel(socket, this, host.options.decoding, info.compression);
    this.#inbox = new Inbox(this, host.options.inboxLimit, info.compression);
  }

  // For the handler: the public interface

  get id(): string {
    return String(this.#number);
  }

  get request(): RequestHead {
    if (typeof this.#request === "string") this.#request = JSON.parse(this.#request) as RequestHead;
    return this.#request;
  }

  [Symbol.asyncIterator](): MessageIterator {
    return new MessageIterator(this.#inbox);
  }

  send(data: string | ArrayBufferView | ArrayBuffer): boolean {
    const message = typeof data === "string" ? data : bytesOf(data);
    if (!this.#maySend()) return false;
    this.#channel.send(message);
    this.#ending?.noteAccepted(this.bufferedAmount);
    return true;
  }

  get bufferedAmount(): number {
    return this.#channel.bufferedAmount;
  }

  flushed(): Promise<void> {
    if (this.#gone) return Promise.reject(gone("What waited to be sent was not delivered"));
    if (this.#isOutboxLow()) return Promise.resolve();
    this.#flushed ??= defer();
    return this.#flushed.promise;
  }

  ping(): Promise<number> {
    if (!this.isOpen) return Promise.reject(gone("No Ping can be sent"));
    this.#pings ??= new SentPings();
    return this.#pings.wait(this.#channel.ping());
  }

  close(code: number = CloseCode.normal, reason = ""): void {
    checkCloseCode("The close code", code);
    checkCloseReason("The close reason", reason);
    this.#dispatch({ type: "close", code, reason });
  }

  get closed(): Promise<ConnectionClosed> {
    if (this.#closed === undefined) {
      this.#closed = defer();
      if (this.#gone) this.#closed.resolve(this.#closedStatus());
    }
    return this.#closed.promise;
  }

  waitUntil(promise: PromiseLike<unknown>): void {
    this.#run.waitUntil(promise);
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      this.#signal = new AbortController();
      if (this.#unheard) this.#signal.abort(unheard());
    }
    return this.#signal.signal;
  }

  get draining(): AbortSignal {
    if (this.#draining === undefined) {
      this.#draining = new AbortController();
      if (this.#drainStarted) this.#draining.abort();
    }
    return this.#draining.signal;
  }

  // Sending

  /** Whether another message is taken; when not, the drop is counted and published. */
  #maySend(): boolean {
    if (this.isOpen) {
      if (this.bufferedAmount < this.#host.options.outboxLimit) return true;
      this.#dispatch({ type: "fail" });
    }
    this.#drop(1);
    return false;
  }

  #drop(messages: number): void {
    if (messages === 0) return;
    this.#undelivered += messages;
    this.#host.tally.undelivered += messages;
    dropEvents.publish(() => ({ event: "dropped", connection: this, messages }));
  }

  #isOutboxLow(): boolean {
    return this.bufferedAmount < this.#host.options.highWaterMark;
  }

  // From the inbox

  /** The loop is the back-pressure: while the peer does not read our replies, it gets no further ones made. */
  mayDeliver(): boolean {
    return !this.isOpen || this.#isOutboxLow();
  }

  onInboxFull(): void {
    this.#channel.pause();
    this.#ending?.dispatch({ type: "paused" });
  }

  onInboxLow(): void {
    if (this.#gone) return;
    this.#channel.resume();
    this.#ending?.dispatch({ type: "resumed" });
  }

  onFinished(messages: number): void {
    // What was in hand when the connection was forced is accounted for already.
    if (this.#forced === undefined) this.#host.tally.served += messages;
    this.#updateIdle();
  }

  onInflateFailed(violation: Violation, droppedBehind: number): void {
    this.#host.tally.handedBack += droppedBehind;
    this.#channel.endDecoding();
    this.onViolation(violation);
    this.#updateIdle();
  }

  // From the handler's run

  onHandlerError(error: unknown): void {
    this.#host.reportError(error, this);
  }

  onPendingChanged(): void {
    this.#updateIdle();
  }

  onHandlerSettled(failed: boolean): void {
    this.#inbox.finish(this.#inbox.inHand);
    // Whoever is closed during a shutdown is told so, also when its own turn has not come yet.
    if (this.#host.draining) this.drain();
    this.#dispatch({ type: "handler-settled", failed });
  }

  // From the channel

  onMessage(data: string | Buffer): void {
    if (this.#inbox.isCut) this.#host.tally.handedBack++;
    else this.#inbox.push(data);
  }

  onCompressedMessage(payload: Buffer, isText: boolean): void {
    if (this.#inbox.isCut) this.#host.tally.handedBack++;
    else this.#inbox.pushCompressed(payload, isText);
  }

  onRead(): void {
    this.#pulse.onRead();
    this.#inbox.checkLimit();
    this.#updateIdle();
  }

  onPong(nonce: number): void {
    this.#pings?.onPong(nonce);
    // A Pong stands behind messages of the same chunk: the machine has to know of those first.
    this.#updateIdle();
    this.#ending?.dispatch({ type: "pong", nonce });
  }

  onProgress(): void {
    this.#ending?.dispatch({ type: "progress" });
  }

  onPeerClose(code: number, reason: string): void {
    this.#peerStatus = { code, reason };
    this.#peerDone = true;
    this.#dispatch({ type: "peer-close", code, reason });
  }

  onViolation({ violated, explanation }: Violation): void {
    this.#dispatch({ type: "violation", code: violated, reason: explanation });
  }

  onPeerEnd(): void {
    this.#peerDone = true;
    this.#dispatch({ type: "peer-end" });
  }

  onWritten(): void {
    this.#pulse.onWritten();
    if (this.#isOutboxLow()) {
      this.#flushed?.resolve();
      this.#flushed = undefined;
      this.#inbox.deliver();
    }
    this.#ending?.noteWritten(this.bufferedAmount);
  }

  onSocketClosed(error: Error | undefined): void {
    this.#unsentBytes = this.bufferedAmount;
    this.#unreadUnknown = this.#inbox.isFull;
    this.#gone = true;
    this.#drop(this.#channel.bufferedMessages);
    this.#dispatch({ type: "socket-closed", reset: error !== undefined });
    this.#closed?.resolve(this.#closedStatus());
    this.#flushed?.reject(gone("What waited to be sent was not delivered"));
    this.#pings?.fail(gone("No Pong came"));
    this.#inbox.deliver();
    connectionEvents.publish(() => ({ event: "closed", connection: this, closed: this.#closedStatus() }));
  }

  #closedStatus(): ConnectionClosed {
    return {
      ...(this.#peerStatus ?? { code: CloseCode.abnormal, reason: "" }),
      // A Close that was still waiting when the socket went has told nobody.
      wasClean: this.#unsentBytes === 0 && (this.#ending?.drain.wasClean ?? false),
    };
  }

  // From the machine that rules the end

  sendPing(): number {
    return this.#channel.ping();
  }

  cutInput(): void {
    this.#inbox.cut();
  }

  dropQueue(as: "handed back" | "abandoned"): void {
    const dropped = this.#inbox.clear();
    this.#host.tally[as === "abandoned" ? "abandoned" : "handedBack"] += dropped;
    this.#updateIdle();
  }

  sendClose(code: number, reason: string): void {
    this.#channel.close(code, reason);
    this.#ending!.noteAccepted(this.bufferedAmount);
    this.#inbox.deliver();
  }

  endSocket(): void {
    this.#channel.end();
  }

  flushSocket(): void {
    this.#channel.flushAndEnd();
  }

  destroySocket(): void {
    this.#channel.destroy();
  }

  abortSignal(): void {
    this.#unheard = true;
    this.#signal?.abort(unheard());
  }

  get isCompressing(): boolean {
    return this.#channel.isCompressing;
  }

  finishEnding(): void {
    this.#compression?.release();
    this.#host.connectionClosed(this);
  }

  #dispatch(event: DrainEvent): void {
    this.#ending ??= this.#beginEnding();
    this.#ending.dispatch(event);
  }

  /** The machine is made when something first ends: an open connection does not pay for it. */
  #beginEnding(): Ending {
    const initially = { idle: this.#isIdle(), reading: !this.#inbox.isFull };
    const ending = new Ending(this.#host.connectionDrain, this, initially);
    if (!this.#gone) ending.noteAccepted(this.bufferedAmount);
    return ending;
  }

  #isIdle(): boolean {
    const nothingInHand = this.#inbox.inHand === 0 && this.#run.pending === 0;
    return nothingInHand && this.#inbox.queued === 0 && this.#channel.atBoundary;
  }

  #updateIdle(): void {
    this.#ending?.setIdle(this.#isIdle());
  }

  // For the server

  /** Runs the handler and begins to read. */
  start(handler: Handler<Principal>, head: Buffer): void {
    connectionEvents.publish(() => ({ event: "opened", connection: this }));
    this.#run.start(() => handler(this));
    this.#channel.start(head);
  }

  /** Whether anything can still be sent. */
  get isOpen(): boolean {
    return !this.#gone && !this.#channel.closeSent;
  }

  /** Sends what was encoded once for many; false when it cannot be delivered. */
  sendEncoded(message: EncodedMessage): boolean {
    if (!this.#maySend()) return false;
    this.#channel.sendEncoded(message);
    this.#ending?.noteAccepted(this.bufferedAmount);
    return true;
  }

  drain(): void {
    if (this.#drainStarted) return;
    this.#tellDraining();
    this.#dispatch({ type: "drain", options: this.#host.connectionDrain });
  }

  lastCall(): void {
    this.drain();
    this.#dispatch({ type: "last-call" });
  }

  force(): void {
    if (this.#forced !== undefined) return;
    this.#tellDraining();
    const queued = this.#inbox.queued;
    const unsentBytes = this.#gone ? this.#unsentBytes : this.bufferedAmount;
    this.#forced = {
      queued,
      unsentBytes,
      running: this.#inbox.inHand + this.#run.pending,
      // Its input had ended and nothing held it, and still it had not returned.
      handlerRuns: this.#inbox.isCut && queued === 0 && unsentBytes === 0 && !this.#run.settled,
    };
    this.#host.tally.abandoned += this.#inbox.inHand;
    this.#dispatch({ type: "force" });
    this.#compression?.release();
  }

  destroy(): void {
    this.#dispatch({ type: "fail" });
  }

  #tellDraining(): void {
    this.#drainStarted = true;
    this.#draining?.abort();
  }

  heartbeat(elapsed: number, options: HeartbeatOptions): void {
    // Who has closed or ended TCP answers no Ping; from there on the limits of its end rule.
    if (this.#gone || this.#peerDone) return;
    // We do not read while too much waits. When that is because the peer does not read, its clock runs on.
    const reading = !this.#inbox.isFull || !this.#isOutboxLow();
    const verdict = this.#pulse.beat(elapsed, options, { reading, unsent: this.bufferedAmount > 0 });
    if (verdict === "dead") this.#dispatch({ type: "fail" });
    if (verdict === "ask") this.#channel.ping();
  }

  account(): ConnectionAccount {
    const { end, unproven, reset, gaveUp } = this.#ending!.drain;
    return {
      id: this.id,
      remoteAddress: this.remoteAddress,
      end,
      unproven,
      reset,
      gaveUp,
      queued: 0,
      unsentBytes: this.#unsentBytes,
      running: 0,
      undelivered: this.#undelivered,
      unreadUnknown: this.#unreadUnknown,
      ...this.#forced,
      handlerRuns: !this.#run.settled || (this.#forced?.handlerRuns ?? false),
    };
  }
}

function packed(request: RequestHead): string {
  const json = JSON.stringify(request);
  // V8 makes it of several pieces; asked for a character it puts them together, and lets go of them.
  json.charCodeAt(0);
  return json;
}

function unheard(): ConnectionGoneError {
  return gone("Nobody can hear an answer any more");
}

function gone(what: string): ConnectionGoneError {
  return new ConnectionGoneError(`${what}: the connection is over.`);
}
