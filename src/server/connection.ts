/** A connection as its handler sees it, on a channel: inbox, iterator, accounting. */
import type { ConnectionAccount, DrainReport } from "../drain/report.js";
import type { ConnectionDrainOptions, DrainEvent } from "../drain/connection.js";
import { CloseCode, isSendableCloseCode, MAX_CLOSE_REASON } from "../wire/close.js";
import type { RequestHead } from "../wire/handshake.js";
import type { Violation } from "../wire/violation.js";
import { bytesOf } from "./bytes.js";
import { Channel, type ChannelOwner } from "./channel.js";
import { now } from "./clock.js";
import { defer, type Deferred } from "./deferred.js";
import { publish } from "./diagnostics.js";
import { Ending, type EndingTarget } from "./ending.js";
import { ConnectionGoneError, InvalidOptionError } from "./errors.js";
import type { Connection, ConnectionClosed, Handler, Message } from "./handler.js";
import { Inbox } from "./inbox.js";
import { MessageIterator, type MessageSource } from "./iterator.js";
import type { ResolvedOptions } from "./options.js";
import type { EncodedMessage } from "./outbox.js";
import type { Duplex } from "node:stream";

/** What a connection needs of its server. */
export interface ConnectionHost<Principal> {
  readonly options: ResolvedOptions<Principal>;
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
  id: string;
  request: RequestHead;
  protocol: string;
  principal: Principal;
  remoteAddress: string;
}

interface Waiter {
  iterator: MessageIterator;
  resolve(result: IteratorResult<Message, void>): void;
}

interface SentPing {
  nonce: number;
  sentAt: number;
  pong: Deferred<number>;
}

/** The connection behind the public interface; what is below `// For the server` is not part of it. */
export class ServedConnection<Principal>
  implements Connection<Principal>, ChannelOwner, EndingTarget, MessageSource
{
  readonly id: string;
  readonly request: RequestHead;
  readonly protocol: string;
  readonly principal: Principal;
  readonly remoteAddress: string;

  readonly #host: ConnectionHost<Principal>;
  readonly #channel: Channel;
  readonly #inbox = new Inbox();
  #waiters: Waiter[] = [];
  #inputCut = false;
  #paused = false;

  /** Messages that a handler has and is not finished with. */
  #inHand = 0;
  /** Promises passed to `waitUntil` that have not settled. */
  #pending = 0;
  #handler: "running" | "returned" | "threw" = "running";
  #settled = false;

  #ending: Ending | undefined;
  #toldIdle = false;
  #toldUnsent = false;
  #gone = false;
  #forced: Pick<ConnectionAccount, "queued" | "unsentBytes" | "running"> | undefined;
  #undelivered = 0;
  #unsentBytes = 0;
  #unreadUnknown = false;
  #peerStatus: { code: number; reason: string } | undefined;

  // Made on first use: they cost memory.
  #signal: AbortController | undefined;
  #draining: AbortController | undefined;
  #closed: Deferred<ConnectionClosed> | undefined;
  #flushed: Deferred<void> | undefined;
  #sentPings: SentPing[] | undefined;

  #aborted = false;
  #drainStarted = false;

  /** Milliseconds since the peer was last known to be alive, as the heartbeat counts them. */
  #silentFor = 0;
  #heartbeatSent = false;
  /** The outbox was busy at the last heartbeat: what it writes now shows that the peer reads. */
  #unsentAtHeartbeat = false;

  constructor(host: ConnectionHost<Principal>, socket: Duplex, info: ConnectionInfo<Principal>) {
    this.#host = host;
    this.id = info.id;
    this.request = info.request;
    this.protocol = info.protocol;
    this.principal = info.principal;
    this.remoteAddress = info.remoteAddress;
    this.#channel = new Channel(socket, this, host.options);
  }

  // For the handler

  [Symbol.asyncIterator](): MessageIterator {
    return new MessageIterator(this);
  }

  send(data: string | ArrayBufferView | ArrayBuffer): boolean {
    const message = typeof data === "string" ? data : bytesOf(data);
    if (!this.#mayAccept()) return false;
    this.#channel.send(message);
    this.#noteUnsent();
    return true;
  }

  get bufferedAmount(): number {
    return this.#channel.bufferedAmount;
  }

  flushed(): Promise<void> {
    if (this.#gone) return Promise.reject(goneError("flushed"));
    if (this.#isOutboxLow()) return Promise.resolve();
    this.#flushed ??= defer();
    return this.#flushed.promise;
  }

  ping(): Promise<number> {
    if (this.#gone || this.#channel.closeSent) return Promise.reject(goneError("pinged"));
    const sent = { nonce: this.#channel.ping(), sentAt: now(), pong: defer<number>() };
    (this.#sentPings ??= []).push(sent);
    return sent.pong.promise;
  }

  close(code: number = CloseCode.normal, reason = ""): void {
    if (!isSendableCloseCode(code)) {
      throw new InvalidOptionError(
        "The close code",
        code,
        "1000 to 1014 without 1004 to 1006, or 3000 to 4999",
      );
    }
    if (Buffer.byteLength(reason) > MAX_CLOSE_REASON) {
      throw new InvalidOptionError("The close reason", reason, `at most ${MAX_CLOSE_REASON} bytes of UTF-8`);
    }
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
    this.#pending++;
    this.#updateIdle();
    const settle = (): void => {
      this.#pending--;
      this.#updateIdle();
      this.#settleWhenDone();
    };
    Promise.resolve(promise).then(settle, (error: unknown) => {
      this.#host.reportError(error, this);
      settle();
    });
  }

  get signal(): AbortSignal {
    this.#signal ??= new AbortController();
    if (this.#aborted) this.#signal.abort(goneError("heard"));
    return this.#signal.signal;
  }

  get draining(): AbortSignal {
    this.#draining ??= new AbortController();
    if (this.#drainStarted) this.#draining.abort();
    return this.#draining.signal;
  }

  // For the iterator

  take(iterator: MessageIterator): Promise<IteratorResult<Message, void>> {
    if (this.#waiters.length === 0 && this.#mayDeliver()) {
      if (this.#inbox.length > 0) return Promise.resolve({ value: this.#deliver(iterator), done: false });
      if (this.#inputCut) return Promise.resolve({ value: undefined, done: true });
    }
    return new Promise((resolve) => this.#waiters.push({ iterator, resolve }));
  }

  finish(messages: number): void {
    if (messages === 0 || this.#settled) return;
    this.#inHand -= messages;
    // What was in hand when the connection was forced is accounted for already.
    if (this.#forced === undefined) this.#host.tally.served += messages;
    this.#updateIdle();
  }

  #deliver(iterator: MessageIterator): Message {
    const message = this.#inbox.shift();
    iterator.inHand++;
    this.#inHand++;
    if (this.#paused && this.#isInboxLow()) this.#resume();
    return message;
  }

  /** Gives waiting consumers what there is. */
  #pump(): void {
    while (this.#waiters.length > 0 && this.#mayDeliver()) {
      if (this.#inbox.length > 0) {
        const waiter = this.#waiters.shift()!;
        waiter.resolve({ value: this.#deliver(waiter.iterator), done: false });
      } else if (this.#inputCut) {
        this.#waiters.shift()!.resolve({ value: undefined, done: true });
      } else {
        return;
      }
    }
  }

  /** The loop is the back-pressure: while the peer does not read our replies, it gets no further ones made. */
  #mayDeliver(): boolean {
    return this.#gone || this.#channel.closeSent || this.#isOutboxLow();
  }

  #isOutboxLow(): boolean {
    return this.#channel.bufferedAmount < this.#host.options.highWaterMark;
  }

  #isInboxFull(): boolean {
    const { bytes, messages } = this.#host.options.inboxLimit;
    return this.#inbox.charged >= bytes || this.#inbox.length >= messages;
  }

  #isInboxLow(): boolean {
    const { bytes, messages } = this.#host.options.inboxLimit;
    return this.#inbox.charged <= bytes / 2 && this.#inbox.length <= messages / 2;
  }

  #pause(): void {
    this.#paused = true;
    this.#channel.pause();
    this.#ending?.dispatch({ type: "paused" });
  }

  #resume(): void {
    this.#paused = false;
    this.#channel.resume();
    this.#ending?.dispatch({ type: "resumed" });
  }

  // Sending

  /** Whether another message can be taken; when not, the drop is counted and published. */
  #mayAccept(): boolean {
    if (!this.#gone && !this.#channel.closeSent) {
      if (this.#channel.bufferedAmount < this.#host.options.outboxLimit) return true;
      this.fail();
    }
    this.#drop(1);
    return false;
  }

  #drop(messages: number): void {
    if (messages === 0) return;
    this.#undelivered += messages;
    this.#host.tally.undelivered += messages;
    publish("drop", () => ({ event: "dropped", connection: this, messages }));
  }

  #noteUnsent(): void {
    if (this.#ending === undefined || this.#toldUnsent || this.#channel.bufferedAmount === 0) return;
    this.#toldUnsent = true;
    this.#ending.dispatch({ type: "unsent" });
  }

  // From the channel

  onMessage(data: string | Buffer): void {
    if (this.#inputCut) {
      this.#handBack(1);
      return;
    }
    this.#inbox.push(data);
    this.#pump();
  }

  onRead(): void {
    this.#silentFor = 0;
    this.#heartbeatSent = false;
    if (!this.#paused && !this.#inputCut && this.#isInboxFull()) this.#pause();
    this.#updateIdle();
  }

  onPong(nonce: number): void {
    while (
      this.#sentPings !== undefined &&
      this.#sentPings.length > 0 &&
      this.#sentPings[0]!.nonce <= nonce
    ) {
      const { sentAt, pong } = this.#sentPings.shift()!;
      pong.resolve(now() - sentAt);
    }
    // A Pong stands behind messages of the same chunk: the machine has to know of those first.
    this.#updateIdle();
    this.#ending?.dispatch({ type: "pong", nonce });
  }

  onPeerClose(code: number, reason: string): void {
    this.#peerStatus = { code, reason };
    this.#dispatch({ type: "peer-close", code, reason });
  }

  onViolation({ violated, explanation }: Violation): void {
    this.#dispatch({ type: "violation", code: violated, reason: explanation });
  }

  onPeerEnd(): void {
    this.#dispatch({ type: "peer-end" });
  }

  onWritten(): void {
    if (this.#unsentAtHeartbeat) {
      this.#unsentAtHeartbeat = false;
      this.#silentFor = 0;
      this.#heartbeatSent = false;
    }
    if (this.#isOutboxLow()) {
      this.#flushed?.resolve();
      this.#flushed = undefined;
      this.#pump();
    }
    if (!this.#toldUnsent) return;
    const sent = this.#channel.bufferedAmount === 0;
    this.#toldUnsent = !sent;
    this.#ending?.dispatch({ type: sent ? "sent" : "progress" });
  }

  onSocketClosed(error: Error | undefined): void {
    this.#unsentBytes = this.#channel.bufferedAmount;
    this.#unreadUnknown = this.#paused;
    this.#gone = true;
    this.#drop(this.#channel.bufferedMessages);
    this.#dispatch({ type: "socket-closed", reset: error !== undefined });
    this.#closed?.resolve(this.#closedStatus());
    this.#flushed?.reject(goneError("flushed"));
    for (const { pong } of this.#sentPings ?? []) pong.reject(goneError("pinged"));
    this.#sentPings = undefined;
    this.#pump();
    publish("connection", () => ({ event: "closed", connection: this, closed: this.#closedStatus() }));
  }

  watchesProgress(): boolean {
    return this.#drainStarted;
  }

  // From the machine

  sendPing(): number {
    return this.#channel.ping();
  }

  cutInput(): void {
    this.#inputCut = true;
    // Behind the cut everything is read and nothing is kept, so back-pressure has no more reason.
    if (this.#paused && !this.#gone) this.#resume();
    this.#pump();
  }

  dropQueue(as: "handed back" | "abandoned"): void {
    const queued = this.#inbox.clear();
    if (as === "handed back") this.#handBack(queued);
    else this.#host.tally.abandoned += queued;
    this.#pump();
    this.#updateIdle();
  }

  #handBack(messages: number): void {
    this.#host.tally.handedBack += messages;
  }

  sendClose(code: number, reason: string): void {
    this.#channel.close(code, reason);
    this.#noteUnsent();
    this.#pump();
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
    this.#aborted = true;
    this.#signal?.abort(goneError("heard"));
  }

  finishEnding(): void {
    this.#host.connectionClosed(this);
  }

  #dispatch(event: DrainEvent): void {
    this.#ending ??= this.#beginEnding();
    this.#ending.dispatch(event);
  }

  /** The machine is made when something first ends: an open connection does not pay for it. */
  #beginEnding(): Ending {
    this.#toldIdle = this.#isIdle();
    const ending = new Ending(this.#host.connectionDrain, this, {
      idle: this.#toldIdle,
      reading: !this.#paused,
    });
    if (this.#channel.bufferedAmount > 0 && !this.#gone) {
      this.#toldUnsent = true;
      ending.dispatch({ type: "unsent" });
    }
    return ending;
  }

  #isIdle(): boolean {
    return this.#inHand === 0 && this.#pending === 0 && this.#inbox.length === 0 && this.#channel.atBoundary;
  }

  #updateIdle(): void {
    if (this.#ending === undefined) return;
    const idle = this.#isIdle();
    if (idle === this.#toldIdle) return;
    this.#toldIdle = idle;
    this.#ending.dispatch({ type: idle ? "idle" : "busy" });
  }

  #settleWhenDone(): void {
    if (this.#handler === "running" || this.#pending > 0 || this.#settled) return;
    this.finish(this.#inHand);
    this.#settled = true;
    // Whoever is closed during a shutdown is told so, also when its own turn has not come yet.
    if (this.#host.draining) this.drain();
    this.#dispatch({ type: "handler-settled", failed: this.#handler === "threw" });
  }

  #closedStatus(): ConnectionClosed {
    return {
      ...(this.#peerStatus ?? { code: CloseCode.abnormal, reason: "" }),
      wasClean: this.#ending?.drain.wasClean ?? false,
    };
  }

  // For the server

  /** Begins to read and runs the handler. */
  start(handler: Handler<Principal>, head: Buffer): void {
    publish("connection", () => ({ event: "opened", connection: this }));
    let result: unknown;
    try {
      result = handler(this);
    } catch (error) {
      result = Promise.reject(error);
    }
    Promise.resolve(result).then(
      () => {
        this.#handler = "returned";
        this.#settleWhenDone();
      },
      (error: unknown) => {
        this.#handler = "threw";
        this.#host.reportError(error, this);
        this.#settleWhenDone();
      },
    );
    this.#channel.start(head);
  }

  /** Sends what was encoded once for many; false when it cannot be delivered. */
  sendEncoded(message: EncodedMessage): boolean {
    if (!this.#mayAccept()) return false;
    this.#channel.sendEncoded(message);
    this.#noteUnsent();
    return true;
  }

  /** The shutdown reaches this connection. */
  drain(): void {
    if (this.#drainStarted) return;
    this.#tellDraining();
    this.#dispatch({ type: "drain", options: this.#host.connectionDrain });
  }

  #tellDraining(): void {
    this.#drainStarted = true;
    this.#draining?.abort();
  }

  lastCall(): void {
    this.drain();
    this.#dispatch({ type: "last-call" });
  }

  force(): void {
    if (this.#forced !== undefined) return;
    this.#tellDraining();
    this.#forced = {
      queued: this.#inbox.length,
      unsentBytes: this.#gone ? this.#unsentBytes : this.#channel.bufferedAmount,
      running: this.#inHand + this.#pending,
    };
    this.#host.tally.abandoned += this.#inHand;
    this.#dispatch({ type: "force" });
  }

  /** Gives the peer up: it is dead, or does not read. */
  fail(): void {
    this.#dispatch({ type: "fail" });
  }

  /** `elapsed` ms have passed. Sends a Ping after `interval` of silence, and gives up `timeout` later. */
  heartbeat(elapsed: number, { interval, timeout }: { interval: number; timeout: number }): void {
    this.#unsentAtHeartbeat = this.#channel.bufferedAmount > 0;
    // The clock stands while we do not read: an answer may lie in the kernel.
    if (this.#paused || this.#gone) return;
    this.#silentFor += elapsed;
    if (this.#silentFor >= interval + timeout) {
      this.fail();
    } else if (this.#silentFor >= interval && !this.#heartbeatSent) {
      this.#heartbeatSent = true;
      this.#channel.ping();
    }
  }

  /** What the report says of it. */
  account(): ConnectionAccount {
    const { end, unproven, reset, gaveUp } = this.#ending!.drain;
    return {
      id: this.id,
      remoteAddress: this.remoteAddress,
      end,
      unproven,
      reset,
      gaveUp,
      handlerRuns: !this.#settled,
      queued: 0,
      unsentBytes: this.#unsentBytes,
      running: 0,
      undelivered: this.#undelivered,
      unreadUnknown: this.#unreadUnknown,
      ...this.#forced,
    };
  }
}

function goneError(what: "flushed" | "pinged" | "heard"): ConnectionGoneError {
  const why = {
    flushed: "The connection is gone; what waited to be sent was not delivered.",
    pinged: "The connection ended before a Pong came.",
    heard: "The connection is over: nobody can hear an answer any more.",
  };
  return new ConnectionGoneError(why[what]);
}
