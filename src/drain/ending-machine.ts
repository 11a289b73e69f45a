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
import { causeOfViolation, CauseKeeper, type EndCause, type WhyEnded } from "./cause.js";
import type { EndingOptions, EndingAction, EndingEvent, EndingState } from "./events.js";
import { Progress, UNHURRIED, type ProgressLimits } from "./progress.js";
import { QuietWatch } from "./quiet.js";
import type { ConnectionEnd } from "./report.js";

/** How long a forced connection gets to send what waits, and when in that time it is looked what did not get there. */
export const FORCED_FLUSH_TIMEOUT = 200;
const FORCED_LOOK = 100;

/** How long a peer that reads too slowly gets to read what waits for it and the Close behind that. */
export const SLOW_CONSUMER_TIMEOUT = 5_000;

/**
 * How long after a peer's FIN it is first asked whether it is still there, while something of its is in hand: most
 * handlers are done by then. The kernel of a process that is gone answers the first Ping with a reset, which the next
 * one runs into. Each question comes after twice the time of the one before: what a far peer answers is seen as well.
 */
const FIRST_QUESTION_AFTER = 100;

/**
 * How long behind its Close a peer is taken to hear answers. Browsers hand a page nothing that comes behind its close(),
 * but a client that asks, closes and waits for the answer is not a rare one.
 */
export const HEARD_AFTER_CLOSE = 500;

const NORMAL_CLOSURE = 1000;
const INTERNAL_ERROR = 1011;

interface CloseStatus {
  code: number;
  reason: string;
}

/** What our Close says, and why it is sent. */
interface OwnStatus extends CloseStatus {
  cause: EndCause;
}

/** The state machine of one connection's end. Times are milliseconds of any one monotonic clock. */
export class EndingMachine {
  #options: EndingOptions;
  #state: EndingState = "open";
  #actions: EndingAction[] = [];

  #drainingSince: number | undefined;
  /** Since when the peer could have become quiet. */
  #patientSince = 0;
  #handlerSettled = false;
  #handlerFailed = false;

  readonly #watch: QuietWatch;
  readonly #progress = new Progress();
  readonly #cause = new CauseKeeper();
  #lastPong = 0;

  /** The peer's Close came before ours, or the peer left without one. */
  #peerFirst = false;
  #peerStatus: CloseStatus | undefined;
  #peerEnded = false;
  #ownStatus: OwnStatus | undefined;
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
  /** When a slow consumer has had its time. */
  #tooSlowAt = Infinity;
  #goneAt = Infinity;
  #peerEndedAt = 0;
  #askAt = Infinity;
  #unheardAt = Infinity;
  #forcedAt = 0;

  /** `idle`: whether nothing is partial, queued or in hand now. `reading`: whether the socket is being read. */
  constructor(options: EndingOptions, initially: { idle: boolean; reading: boolean }) {
    this.#options = options;
    this.#watch = new QuietWatch(initially);
  }

  get state(): EndingState {
    return this.#state;
  }

  /** The barrier was not answered, so frames may have been on their way that we never saw. */
  get unproven(): boolean {
    return this.#watch.unproven;
  }

  /** Nobody can hear an answer any more, or the deadline has come. */
  get isUnheard(): boolean {
    return this.#aborted;
  }

  /** The socket ended with an error. */
  get reset(): boolean {
    return this.#reset;
  }

  /** Queued messages were dropped because their sender had been gone for `goneTimeout`. */
  get gaveUp(): boolean {
    return this.#gaveUp;
  }

  /** Nothing more is taken from the peer, and our Close waits for the handler to settle. */
  get awaitsHandler(): boolean {
    return this.#cut && !this.#handlerSettled && this.#canClose;
  }

  /** Both Close frames were exchanged. */
  get wasClean(): boolean {
    return this.#closeSent && this.#peerStatus !== undefined;
  }

  /** Why it ends, once that is known. */
  get why(): WhyEnded | undefined {
    return this.#cause.why;
  }

  /** The same, while the handler still runs: what our Close would say, if nothing else comes before it. */
  get whySoFar(): WhyEnded {
    return this.#cause.why ?? { cause: this.#closeStatus().cause, detail: "" };
  }

  /** How the connection has ended; meaningful once it is closed. */
  get end(): ConnectionEnd {
    if (this.#forced) return "forced";
    if (this.#peerFirst) return this.#destroyed && this.#progress.hasUndelivered ? "forced" : "left";
    if (this.wasClean) return "closed";
    const torn = this.#destroyed && (this.#progress.hasUndelivered || !this.#closeSent);
    return torn ? "forced" : "unconfirmed";
  }

  /** When `tick` is due; Infinity when nothing is waited for. */
  get wakeAt(): number {
    if (this.#state === "closed") return Infinity;
    return Math.min(
      this.#cutAt(),
      this.#silentAt(),
      this.#barrierTimeoutAt(),
      this.#canClose ? this.#closeReplyAt : Infinity,
      this.#handlerSettled ? Infinity : this.#goneAt,
      this.#lookAt(),
      this.#isHeard ? Math.min(this.#askAt, this.#unheardAt) : Infinity,
      this.#giveUpSocketAt(),
    );
  }

  /** Takes an event that happened at `now` and returns what is to be done about it, in this order. */
  handle(event: EndingEvent, now: number): EndingAction[] {
    this.#actions = [];
    if (this.#state !== "closed") this.#take(event, now);
    return this.#actions;
  }

  #take(event: EndingEvent, now: number): void {
    switch (event.type) {
      case "drain":
        if (event.options !== undefined) this.#options = event.options;
        return this.#startDraining(now);
      case "idle":
        this.#pingIf(this.#watch.becomeIdle(now, this.#options.quiet));
        this.#cutWhenQuiet(now);
        return this.#closeWhenGivenUp(now);
      case "busy":
        return this.#watch.becomeBusy();
      case "paused":
        return this.#watch.pause(now);
      case "resumed":
        if (this.#state === "draining") this.#progress.seen(now);
        return this.#watch.resume(now);
      case "pinged":
        this.#progress.asked(now);
        return this.#watch.pinged(event.nonce, now);
      case "ping-sent":
        return this.#watch.pingSent(event.nonce, now);
      case "pong":
        return this.#takePong(event.nonce, now);
      case "peer-close":
        return this.#takePeerClose(event, now);
      case "peer-end":
        return this.#takePeerEnd(now);
      case "violation":
        if (!this.#canClose) return;
        return this.#takeViolation(event, now);
      case "close":
        if (this.#canClose) this.#closeNow({ ...event, cause: "closed" }, now);
        return;
      case "slow-consumer":
        if (!this.#canClose) return;
        this.#tooSlowAt = now + SLOW_CONSUMER_TIMEOUT;
        this.#cause.breakOff(event.type, event.detail);
        return this.#closeNow({ ...event, cause: event.type }, now);
      case "handler-settled":
        return this.#settleHandler(event.failed, now);
      case "unsent":
        return this.#progress.unsent(now);
      case "sent":
        this.#watch.moved(now);
        return this.#progress.sent(now);
      case "progress":
        this.#watch.moved(now);
        return this.#progress.seen(now);
      case "compressing":
        return this.#waitForCompressor(now);
      case "looked":
        this.#progress.looked(event, now);
        this.#cutWhenDue(now);
        return this.#giveUpWhenDue(now);
      case "last-call":
        return this.#lastCall(now);
      case "force":
        return this.#force(now);
      case "fail":
        return this.#breakOff(event.cause, event.detail);
      case "socket-closed":
        return this.#takeSocketClosed(event, now);
      case "tick":
        return this.#tick(now);
    }
  }

  // The barrier and the cut

  #startDraining(now: number): void {
    if (this.#drainingSince !== undefined) return;
    this.#drainingSince = now;
    this.#patientSince = now;
    // What was under way unhurried goes on within the drain's limits.
    this.#progress.restart(now);
    if (this.#state === "open") {
      this.#state = "draining";
      this.#watch.start(now);
      this.#do({ type: "ping" });
    } else if (this.#state === "ending" && this.#peerStatus === undefined && !this.#broken) {
      // The peer's input ended without Close before anything could be asked of it.
      this.#watch.start(now);
      this.#watch.giveUp();
    }
  }

  /** The connection's quiet is only of interest until the cut. */
  #pingIf(isWanted: boolean): void {
    if (isWanted && this.#state === "draining") this.#do({ type: "ping" });
  }

  #takePong(nonce: number, now: number): void {
    if (nonce <= this.#lastPong) return; // repeated or overtaken: no sign of anything
    this.#lastPong = nonce;
    this.#progress.seen(now);
    this.#pingIf(this.#watch.pong(nonce, now, this.#options.quiet));
    this.#cutWhenQuiet(now);
  }

  #cutAt(): number {
    if (this.#state !== "draining") return Infinity;
    return Math.min(this.#watch.quietAt(this.#options.quiet), this.#patientSince + this.#options.patience);
  }

  #barrierTimeoutAt(): number {
    if (this.#state !== "draining") return Infinity;
    return this.#watch.barrierTimeoutAt(this.#options.barrierTimeout);
  }

  #cutWhenQuiet(now: number): void {
    if (this.#state === "draining" && now >= this.#watch.quietAt(this.#options.quiet)) this.#endInput(now);
  }

  /**
   * When a peer behind the barrier is cut that shows nothing, though it has to read or to answer the Ping that follows our
   * last reply: it is waited for no longer than at the barrier.
   */
  #silentAt(): number {
    return this.#isAwaited ? this.#progress.giveUpAt("draining", this.#options) : Infinity;
  }

  get #isAwaited(): boolean {
    if (this.#state !== "draining" || !this.#watch.isPastBarrier) return false;
    return this.#progress.hasUnsent || this.#watch.isAsking;
  }

  #cutWhenDue(now: number): void {
    if (now < Math.min(this.#cutAt(), this.#silentAt())) return;
    this.#watch.giveUp();
    this.#endInput(now);
  }

  /** Nothing more will be taken from the peer: from here on the handler only finishes. */
  #endInput(now: number): void {
    if (this.#state === "open" || this.#state === "draining") {
      this.#state = "ending";
      this.#progress.seen(now);
    }
    if (this.#cut) return;
    this.#cut = true;
    this.#do({ type: "cut" });
  }

  #lastCall(now: number): void {
    if (this.#state === "forced") return;
    this.#startDraining(now);
    if (this.#state === "draining") {
      this.#watch.giveUp();
      this.#endInput(now);
    }
    // Also behind our Close: one that answered the peer's in time may have left messages to be served.
    this.#do({ type: "drop-queue", as: "handed back" });
  }

  // What the peer does

  #takePeerClose(status: CloseStatus, now: number): void {
    this.#peerStatus = { code: status.code, reason: status.reason };
    this.#watch.prove();
    if (this.#state === "closing") return this.#linger(now);
    if (this.#closeSent || this.#state === "forced") return;
    this.#peerFirst = true;
    this.#cause.begin("client-closed");
    this.#closeReplyAt = now + this.#options.closeReplyTimeout;
    this.#goneAt = Math.min(this.#goneAt, now + this.#options.goneTimeout);
    this.#unheardAt = now + HEARD_AFTER_CLOSE;
    this.#endInput(now);
  }

  #takePeerEnd(now: number): void {
    this.#peerEnded = true;
    this.#peerEndedAt = now;
    this.#askAt = now + FIRST_QUESTION_AFTER;
    if (this.#state === "closing") return this.#linger(now);
    return this.#loseInput(now);
  }

  /** A handler works for a peer of which it is not known whether it hears the answer. */
  get #isHeard(): boolean {
    return !this.#handlerSettled && !this.#aborted && this.#canClose;
  }

  #ask(now: number): void {
    this.#askAt = now + Math.max(FIRST_QUESTION_AFTER, now - this.#peerEndedAt);
    this.#do({ type: "probe" });
  }

  /** The peer's side of the stream is over, by FIN or with the socket. */
  #loseInput(now: number): void {
    if (this.#state === "forced") return;
    // Also behind our Close: messages from before it may still wait.
    this.#goneAt = Math.min(this.#goneAt, now + this.#options.goneTimeout);
    if (this.#closeSent) return;
    // A FIN proves nothing: a reset can look like one.
    if (this.#peerStatus === undefined) this.#watch.giveUp();
    if (!this.#destroyed) this.#peerFirst = true;
    this.#cause.begin("client-left");
    this.#endInput(now);
  }

  #takeViolation({ code, reason }: CloseStatus, now: number): void {
    this.#broken = true;
    const cause = causeOfViolation(code);
    this.#cause.begin(cause, reason);
    this.#ownStatus = { code, reason, cause };
    this.#closeReplyAt = now + this.#options.closeReplyTimeout;
    this.#endInput(now);
  }

  #takeSocketClosed({ reset, detail }: { reset: boolean; detail?: string }, now: number): void {
    this.#socketClosed = true;
    // After the peer's FIN a reset only answers what we sent to someone who had left.
    this.#reset = reset && !this.#destroyed && !this.#peerEnded;
    // Who has said why it leaves, or was told why it must, may end TCP as it likes.
    if (!this.#destroyed && !this.#peerEnded && this.#peerStatus === undefined && !this.#broken) {
      this.#cause.breakOff(reset ? "reset" : "destroyed", detail);
    }
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
    this.#progress.asked(now);
    const { code, reason, cause } = this.#closeStatus();
    this.#cause.begin(cause);
    this.#do({ type: "close", code, reason });
    this.#abort();
    if (this.#peerStatus !== undefined || this.#peerEnded || this.#broken) this.#linger(now);
  }

  /** What is said now, and nothing that waits is started any more. */
  #closeNow(status: OwnStatus, now: number): void {
    this.#ownStatus = status;
    this.#endInput(now);
    this.#do({ type: "drop-queue", as: "handed back" });
    this.#close(now);
  }

  #closeStatus(): OwnStatus {
    if (this.#ownStatus !== undefined) return this.#ownStatus;
    // RFC 6455 §5.5.1: the answer to a Close typically echoes its code.
    if (this.#peerStatus !== undefined) {
      return { code: this.#peerStatus.code, reason: "", cause: "client-closed" };
    }
    if (this.#handlerFailed) return { code: INTERNAL_ERROR, reason: "internal error", cause: "failed" };
    if (this.#drainingSince === undefined) return { code: NORMAL_CLOSURE, reason: "", cause: "returned" };
    return { code: this.#options.code, reason: this.#options.reason, cause: "shutdown" };
  }

  #linger(now: number): void {
    this.#state = "lingering";
    this.#progress.linger(now);
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

  /**
   * A peer that has been gone for so long, and for which nothing is in hand, does not keep its socket for a handler. (The
   * answer to its Close, or to a broken stream, has a limit of its own.)
   */
  #closeWhenGivenUp(now: number): void {
    const isAnswered = this.#peerStatus !== undefined || this.#broken;
    if (this.#gaveUp && !isAnswered && this.#watch.isIdle && this.#canClose) this.#close(now);
  }

  // The end of patience

  /** No clock of the peer's runs while what it is to be sent waits for us. */
  #waitForCompressor(now: number): void {
    if (this.#watch.holdsBarrier) this.#patientSince = now;
    if (this.#tooSlowAt !== Infinity) this.#tooSlowAt = now + SLOW_CONSUMER_TIMEOUT;
    this.#watch.moved(now);
    this.#progress.seen(now);
  }

  /** Destroys it for this reason, unless it is over. */
  #breakOff(cause: EndCause, detail?: string): void {
    if (!this.#socketClosed && !this.wasClean) this.#cause.breakOff(cause, detail);
    this.#destroy();
  }

  #destroy(): void {
    if (this.#destroyed || this.#socketClosed) return;
    this.#destroyed = true;
    this.#abort();
    this.#do({ type: "destroy" });
  }

  #force(now: number): void {
    if (this.#state === "forced") return;
    this.#forced = !(this.wasClean && this.#handlerSettled);
    if (!this.#socketClosed && !this.wasClean) this.#cause.breakOff("forced");
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

  /** When the kernel is looked at next. */
  #lookAt(): number {
    if (this.#destroyed || this.#socketClosed) return Infinity;
    if (this.#state === "forced")
      return this.#progress.hasLookedSince(this.#forcedAt) ? Infinity : this.#forcedAt + FORCED_LOOK;
    if (this.#state === "draining" && !this.#isAwaited) return Infinity;
    return this.#progress.lookAt(this.#state, this.#progressLimits);
  }

  /** When the socket is given up. */
  #giveUpSocketAt(): number {
    if (this.#destroyed || this.#socketClosed || this.#state === "draining") return Infinity;
    if (this.#state === "forced") return this.#forcedAt + FORCED_FLUSH_TIMEOUT;
    const patience = this.#progress.giveUpAt(this.#state, this.#progressLimits);
    return this.#progress.hasUnsent ? Math.min(patience, this.#tooSlowAt) : patience;
  }

  get #progressLimits(): ProgressLimits {
    return this.#drainingSince === undefined ? UNHURRIED : this.#options;
  }

  #tick(now: number): void {
    if (now >= this.#barrierTimeoutAt()) {
      this.#watch.timeOut(now);
    }
    this.#cutWhenDue(now);
    if (this.#canClose && now >= this.#closeReplyAt) this.#close(now);
    if (!this.#handlerSettled && now >= this.#goneAt) {
      this.#goneAt = Infinity;
      this.#gaveUp = true;
      this.#do({ type: "drop-queue", as: "handed back" });
      this.#abort();
      this.#closeWhenGivenUp(now);
    }
    if (this.#isHeard && now >= this.#askAt) this.#ask(now);
    if (this.#isHeard && now >= this.#unheardAt) this.#abort();
    if (now >= this.#lookAt()) {
      this.#progress.look(now);
      this.#do({ type: "look" });
    }
    this.#giveUpWhenDue(now);
  }

  #giveUpWhenDue(now: number): void {
    if (now < this.#giveUpSocketAt()) return;
    // Everything is with the kernel, but no Close came: a FIN lets the peer's stack finish before the socket goes.
    if (this.#state === "closing" && !this.#progress.hasUnsent) this.#linger(now);
    else if (this.#progress.hasUndelivered) this.#breakOff("stalled");
    else this.#destroy();
  }

  #do(action: EndingAction): void {
    this.#actions.push(action);
  }
}
