/**
 * How one connection ends: a state machine without a socket and without a clock. Events and the time go in,
 * actions come out; whoever holds the socket performs them in their order.
 *
 *   open ── drain ──▶ draining ── quiet, or patience over ──▶ ending ── handler settled ──▶ closing ── peer's Close ──▶ lingering ──▶ closed
 *                     (barrier)                               (cut)                         (Close sent)
 *   any ── force ──▶ forced ──▶ closed
 *
 * It rules every end, not only those in a shutdown: a peer's Close, a handler that returns and a socket that dies take
 * the same way from the state at which they come in. Two things end a connection: its socket is gone, and its handler
 * has settled; `closed` needs both.
 */
import type { DrainOptions } from "./options.js";
import type { ConnectionEnd } from "./report.js";

export type DrainState = "open" | "draining" | "ending" | "closing" | "lingering" | "forced" | "closed";

/** What has happened. */
export type DrainEvent =
  /** The shutdown reaches this connection, with options of its own if it has any. */
  | { type: "drain"; options?: ConnectionDrainOptions }
  /** Nothing is partial, inflating, queued or in hand any more; `busy` when something is again. */
  | { type: "idle" }
  | { type: "busy" }
  /** Our back-pressure holds the socket, or no longer does. */
  | { type: "paused" }
  | { type: "resumed" }
  /** The Ping that was asked for has this number. Numbers rise with every Ping on the connection. */
  | { type: "pinged"; nonce: number }
  /** A Pong for a Ping with this number; it answers all earlier ones too (RFC 6455 §5.5.3). */
  | { type: "pong"; nonce: number }
  /** The peer's Close was parsed. */
  | { type: "peer-close"; code: number; reason: string }
  /** The peer's FIN was read. */
  | { type: "peer-end" }
  /** The stream is broken: the peer will be told with this code once what came before is served. */
  | { type: "violation"; code: number; reason: string }
  /** The application closes. */
  | { type: "close"; code: number; reason: string }
  | { type: "handler-settled"; failed: boolean }
  /** Bytes wait to be sent, or none do any more. */
  | { type: "unsent" }
  | { type: "sent" }
  /** The peer was seen to read: a part of what waited has gone out. */
  | { type: "progress" }
  | { type: "last-call" }
  | { type: "force" }
  /** The heartbeat found the peer dead, or its outbox is over the limit. */
  | { type: "fail" }
  | { type: "socket-closed"; reset: boolean }
  /** Time has passed; due when `wakeAt` says so. */
  | { type: "tick" };

/** What is to be done. */
export type DrainAction =
  /** Send a Ping and tell its number with `pinged`. */
  | { type: "ping" }
  /** The input ends here: what is queued is still delivered, what comes later is handed back, and reading goes on. */
  | { type: "cut" }
  /** Give up on what is queued: handed back, or abandoned when the connection is forced. */
  | { type: "drop-queue"; as: "handed back" | "abandoned" }
  /** Send what waits, then Close; nothing is sent after it. */
  | { type: "close"; code: number; reason: string }
  /** Send what waits, then FIN; reading goes on. */
  | { type: "fin" }
  /** Hand everything that waits to the socket, then FIN, without Close. */
  | { type: "flush" }
  | { type: "destroy" }
  /** Nobody can hear an answer any more. */
  | { type: "abort" }
  /** Everything is over. */
  | { type: "closed" };

/** The limits of one connection's end, in milliseconds. */
export interface ConnectionDrainOptions extends Pick<
  DrainOptions,
  "patience" | "quiet" | "barrierTimeout" | "closeTimeout" | "lingerTimeout" | "code" | "reason"
> {
  /** How long the peer's Close may wait for the messages before it. */
  closeReplyTimeout: number;
  /** How long messages of a peer that is gone are still delivered. */
  goneTimeout: number;
}

/** Outside a shutdown nobody waits for us: peers get this long to read, to answer Close, and to end TCP. */
export const UNHURRIED_TIMEOUT = 30_000;

/** How long a forced connection gets to send what waits. */
export const FORCED_FLUSH_TIMEOUT = 200;

const NORMAL_CLOSURE = 1000;
const INTERNAL_ERROR = 1011;

interface CloseStatus {
  code: number;
  reason: string;
}

/** The state machine of one connection's end. Times are milliseconds of any one monotonic clock. */
export class ConnectionDrain {
  #options: ConnectionDrainOptions;
  #state: DrainState = "open";
  #actions: DrainAction[] = [];

  #drainingSince: number | undefined;
  #idle: boolean;
  #handlerSettled = false;
  #handlerFailed = false;

  #barrier: "none" | "waiting" | "proven" | "unproven" = "none";
  #barrierNonce: number | undefined;
  /** Since when we read, while we do; and how long we had read before that, since the barrier's Ping. */
  #readingSince: number | undefined;
  #readBefore = 0;

  #lastPing = { nonce: 0, at: 0 };
  #lastPong = 0;
  #roundTrip = 0;
  /** The first Ping that was sent since the connection became idle: its Pong follows our last reply. */
  #quietNonce: number | undefined;
  #quietSince: number | undefined;

  /** The peer's Close came before ours, or the peer left without one. */
  #peerFirst = false;
  #peerStatus: CloseStatus | undefined;
  #peerEnded = false;
  #ownStatus: CloseStatus | undefined;
  #broken = false;
  #cut = false;
  #closeSent = false;
  #destroyed = false;
  #aborted = false;
  #forced = false;
  #socketClosed = false;
  #reset = false;
  #gaveUp = false;

  #closeReplyAt = Infinity;
  #goneAt = Infinity;
  #unsent = false;
  #progressAt = 0;
  #lingeringSince = 0;
  #forcedAt = 0;

  /** `idle`: whether nothing is partial, queued or in hand now. `reading`: whether the socket is being read. */
  constructor(options: ConnectionDrainOptions, { idle, reading }: { idle: boolean; reading: boolean }) {
    this.#options = options;
    this.#idle = idle;
    this.#readingSince = reading ? 0 : undefined;
  }

  get state(): DrainState {
    return this.#state;
  }

  /** The barrier was not answered, so frames may have been on their way that we never saw. */
  get unproven(): boolean {
    return this.#barrier === "unproven";
  }

  /** The socket ended with an error. */
  get reset(): boolean {
    return this.#reset;
  }

  /** Queued messages were dropped because their sender had been gone for `goneTimeout`. */
  get gaveUp(): boolean {
    return this.#gaveUp;
  }

  /** Both Close frames were exchanged. */
  get wasClean(): boolean {
    return this.#closeSent && this.#peerStatus !== undefined;
  }

  /** How the connection has ended; meaningful once it is closed. */
  get end(): ConnectionEnd {
    if (this.#forced) return "forced";
    if (this.#peerFirst) return this.#destroyed && this.#unsent ? "forced" : "left";
    if (this.wasClean) return "closed";
    return this.#destroyed && (this.#unsent || !this.#closeSent) ? "forced" : "unconfirmed";
  }

  /** When `tick` is due; Infinity when nothing is waited for. */
  get wakeAt(): number {
    if (this.#state === "closed") return Infinity;
    return Math.min(
      this.#cutAt(),
      this.#barrierTimeoutAt(),
      this.#canClose ? this.#closeReplyAt : Infinity,
      this.#handlerSettled ? Infinity : this.#goneAt,
      this.#giveUpSocketAt(),
    );
  }

  /** Takes an event that happened at `now` and returns what is to be done about it, in this order. */
  handle(event: DrainEvent, now: number): DrainAction[] {
    this.#actions = [];
    if (this.#state !== "closed") this.#take(event, now);
    return this.#actions;
  }

  #take(event: DrainEvent, now: number): void {
    switch (event.type) {
      case "drain":
        if (event.options !== undefined) this.#options = event.options;
        return this.#startDraining(now);
      case "idle":
        this.#idle = true;
        return this.#becomeIdle(now);
      case "busy":
        this.#idle = false;
        this.#quietNonce = undefined;
        this.#quietSince = undefined;
        return;
      case "paused":
        if (this.#readingSince !== undefined) this.#readBefore += now - this.#readingSince;
        this.#readingSince = undefined;
        return;
      case "resumed":
        this.#readingSince ??= now;
        return;
      case "pinged":
        this.#lastPing = { nonce: event.nonce, at: now };
        this.#barrierNonce ??= event.nonce;
        if (this.#idle) this.#quietNonce ??= event.nonce;
        return;
      case "pong":
        return this.#takePong(event.nonce, now);
      case "peer-close":
        return this.#takePeerClose(event, now);
      case "peer-end":
        this.#peerEnded = true;
        if (this.#state === "closing") return this.#linger(now);
        return this.#loseInput(now);
      case "violation":
        if (!this.#canClose) return;
        this.#broken = true;
        this.#ownStatus = { code: event.code, reason: event.reason };
        this.#closeReplyAt = now + this.#options.closeReplyTimeout;
        return this.#endInput(now);
      case "close":
        if (!this.#canClose) return;
        this.#ownStatus = { code: event.code, reason: event.reason };
        this.#endInput(now);
        this.#do({ type: "drop-queue", as: "handed back" });
        return this.#close(now);
      case "handler-settled":
        return this.#settleHandler(event.failed, now);
      case "unsent":
        this.#unsent = true;
        this.#progressAt = now;
        return;
      case "sent":
        this.#unsent = false;
        this.#progressAt = now;
        this.#lingeringSince = now;
        return;
      case "progress":
        this.#progressAt = now;
        return;
      case "last-call":
        return this.#lastCall(now);
      case "force":
        return this.#force(now);
      case "fail":
        return this.#destroy();
      case "socket-closed":
        return this.#takeSocketClosed(event.reset, now);
      case "tick":
        return this.#tick(now);
    }
  }

  // The barrier and the cut

  #startDraining(now: number): void {
    if (this.#drainingSince !== undefined) return;
    this.#drainingSince = now;
    this.#readBefore = 0;
    if (this.#readingSince !== undefined) this.#readingSince = now;
    // What was under way unhurried goes on within the drain's limits, counted from here.
    this.#progressAt = now;
    this.#lingeringSince = now;
    if (this.#state === "open") {
      this.#state = "draining";
      this.#barrier = "waiting";
      this.#do({ type: "ping" });
    } else if (this.#state === "ending" && this.#peerStatus === undefined && !this.#broken) {
      // The peer's input ended without Close before anything could be asked of it.
      this.#barrier = "unproven";
    }
  }

  #becomeIdle(now: number): void {
    if (this.#state !== "draining" || this.#barrier === "waiting") return;
    if (this.#barrier === "unproven") this.#quietSince = now;
    else if (this.#options.quiet > 0) this.#do({ type: "ping" });
    this.#cutWhenQuiet(now);
  }

  #takePong(nonce: number, now: number): void {
    if (nonce <= this.#lastPong) return; // repeated or overtaken: no sign of anything
    this.#lastPong = nonce;
    this.#progressAt = now;
    if (nonce === this.#lastPing.nonce) this.#roundTrip = now - this.#lastPing.at;
    if (this.#state !== "draining") return;
    if (this.#barrier === "waiting" && nonce >= this.#barrierNonce!) {
      this.#barrier = "proven";
      // Idle by now, but not yet when the barrier's Ping went out: its Pong may have crossed our last reply.
      if (this.#idle && this.#quietNonce === undefined && this.#options.quiet > 0) this.#do({ type: "ping" });
    }
    if (this.#quietNonce !== undefined && nonce >= this.#quietNonce) this.#quietSince ??= now;
    this.#cutWhenQuiet(now);
  }

  #cutAt(): number {
    if (this.#state !== "draining") return Infinity;
    return Math.min(this.#quietAt(), this.#drainingSince! + this.#options.patience);
  }

  #quietAt(): number {
    if (!this.#idle || this.#barrier === "waiting") return Infinity;
    if (this.#options.quiet === 0) return -Infinity;
    if (this.#quietSince === undefined) return Infinity;
    return this.#quietSince + Math.max(this.#options.quiet, 2 * this.#roundTrip);
  }

  #barrierTimeoutAt(): number {
    if (this.#state !== "draining" || this.#barrier !== "waiting" || this.#readingSince === undefined) {
      return Infinity;
    }
    return this.#readingSince + this.#options.barrierTimeout - this.#readBefore;
  }

  #cutWhenQuiet(now: number): void {
    if (this.#state === "draining" && now >= this.#quietAt()) this.#endInput(now);
  }

  /** Nothing more will be taken from the peer: from here on the handler only finishes. */
  #endInput(now: number): void {
    if (this.#state === "open" || this.#state === "draining") {
      this.#state = "ending";
      this.#progressAt = now;
    }
    if (this.#cut) return;
    this.#cut = true;
    this.#do({ type: "cut" });
  }

  #giveUpBarrier(): void {
    if (this.#barrier === "waiting") this.#barrier = "unproven";
  }

  #lastCall(now: number): void {
    if (this.#state === "forced") return;
    this.#startDraining(now);
    if (this.#state === "draining") {
      this.#giveUpBarrier();
      this.#endInput(now);
    }
    // Also behind our Close: one that answered the peer's in time may have left messages to be served.
    this.#do({ type: "drop-queue", as: "handed back" });
  }

  // What the peer does

  #takePeerClose(status: CloseStatus, now: number): void {
    this.#peerStatus = { code: status.code, reason: status.reason };
    if (this.#barrier === "waiting") this.#barrier = "proven";
    if (this.#state === "closing") return this.#linger(now);
    if (this.#closeSent || this.#state === "forced") return;
    this.#peerFirst = true;
    this.#closeReplyAt = now + this.#options.closeReplyTimeout;
    this.#goneAt = Math.min(this.#goneAt, now + this.#options.goneTimeout);
    this.#endInput(now);
  }

  /** The peer's side of the stream is over, by FIN or with the socket. */
  #loseInput(now: number): void {
    if (this.#state === "forced") return;
    // Also behind our Close: messages from before it may still wait.
    this.#goneAt = Math.min(this.#goneAt, now + this.#options.goneTimeout);
    if (this.#closeSent) return;
    // A FIN proves nothing: a reset can look like one.
    if (this.#peerStatus === undefined) this.#giveUpBarrier();
    if (!this.#destroyed) this.#peerFirst = true;
    this.#endInput(now);
  }

  #takeSocketClosed(reset: boolean, now: number): void {
    this.#socketClosed = true;
    // After the peer's FIN a reset only answers what we sent to someone who had left.
    this.#reset = reset && !this.#destroyed && !this.#peerEnded;
    this.#loseInput(now);
    this.#abort();
    this.#closeWhenOver();
  }

  // The handler, and our side of the close

  #settleHandler(failed: boolean, now: number): void {
    this.#handlerSettled = true;
    this.#handlerFailed = failed;
    if (this.#state !== "forced") {
      this.#endInput(now);
      this.#do({ type: "drop-queue", as: "handed back" });
      if (this.#canClose) this.#close(now);
    }
    this.#closeWhenOver();
  }

  /** Whether a Close of ours can still go out. */
  get #canClose(): boolean {
    return !this.#closeSent && !this.#forced && !this.#destroyed && !this.#socketClosed;
  }

  #close(now: number): void {
    this.#closeSent = true;
    this.#state = "closing";
    this.#progressAt = now;
    this.#do({ type: "close", ...this.#closeStatus() });
    this.#abort();
    if (this.#peerStatus !== undefined || this.#peerEnded || this.#broken) this.#linger(now);
  }

  #closeStatus(): CloseStatus {
    if (this.#ownStatus !== undefined) return this.#ownStatus;
    // RFC 6455 §5.5.1: the answer to a Close typically echoes its code.
    if (this.#peerStatus !== undefined) return { code: this.#peerStatus.code, reason: "" };
    if (this.#handlerFailed) return { code: INTERNAL_ERROR, reason: "internal error" };
    if (this.#drainingSince === undefined) return { code: NORMAL_CLOSURE, reason: "" };
    return { code: this.#options.code, reason: this.#options.reason };
  }

  #linger(now: number): void {
    this.#state = "lingering";
    this.#lingeringSince = now;
    this.#do({ type: "fin" });
  }

  #closeWhenOver(): void {
    if (!this.#socketClosed || !this.#handlerSettled) return;
    this.#state = "closed";
    this.#do({ type: "closed" });
  }

  #abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#do({ type: "abort" });
  }

  // The end of patience

  #destroy(): void {
    if (this.#destroyed || this.#socketClosed) return;
    this.#destroyed = true;
    this.#abort();
    this.#do({ type: "destroy" });
  }

  #force(now: number): void {
    if (this.#state === "forced") return;
    this.#forced = !(this.wasClean && this.#handlerSettled);
    this.#state = "forced";
    this.#forcedAt = now;
    this.#closeReplyAt = Infinity;
    this.#goneAt = Infinity;
    this.#abort();
    if (!this.#cut) {
      this.#cut = true;
      this.#do({ type: "cut" });
    }
    this.#do({ type: "drop-queue", as: "abandoned" });
    if (!this.#socketClosed) this.#do({ type: "flush" });
  }

  /** When the socket is given up: its peer does not read, does not answer Close, or does not end TCP. */
  #giveUpSocketAt(): number {
    if (this.#destroyed || this.#socketClosed) return Infinity;
    const hurried = this.#drainingSince !== undefined;
    const closeTimeout = hurried ? this.#options.closeTimeout : UNHURRIED_TIMEOUT;
    switch (this.#state) {
      case "ending":
        return this.#unsent && hurried ? this.#progressAt + closeTimeout : Infinity;
      case "closing":
        return this.#progressAt + closeTimeout;
      case "lingering":
        if (this.#unsent) return this.#progressAt + closeTimeout;
        return this.#lingeringSince + (hurried ? this.#options.lingerTimeout : UNHURRIED_TIMEOUT);
      case "forced":
        return this.#forcedAt + FORCED_FLUSH_TIMEOUT;
      default:
        return Infinity;
    }
  }

  #tick(now: number): void {
    if (now >= this.#barrierTimeoutAt()) {
      this.#giveUpBarrier();
      if (this.#idle) this.#quietSince = now;
    }
    if (now >= this.#cutAt()) {
      this.#giveUpBarrier();
      this.#endInput(now);
    }
    if (this.#canClose && now >= this.#closeReplyAt) this.#close(now);
    if (!this.#handlerSettled && now >= this.#goneAt) {
      this.#goneAt = Infinity;
      this.#gaveUp = true;
      this.#do({ type: "drop-queue", as: "handed back" });
      this.#abort();
    }
    if (now >= this.#giveUpSocketAt()) {
      // Everything is with the kernel, but no Close came: a FIN lets the peer's stack finish before the socket goes.
      if (this.#state === "closing" && !this.#unsent) this.#linger(now);
      else this.#destroy();
    }
  }

  #do(action: DrainAction): void {
    this.#actions.push(action);
  }
}
