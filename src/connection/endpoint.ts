/**
 * One connection, as the machinery sees it: what its channel reads goes into the inbox, what its consumer sends goes
 * out, and the machine that rules its end is told of all that matters to it. Who takes the messages, and what an
 * application sees of the connection, is the consumer's.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.js";
import { LastcallError, type ConnectionGoneError } from "../base/errors.js";
import type { WhyEnded } from "../drain/cause.js";
import type { EndingMachine } from "../drain/ending-machine.js";
import type { EndingOptions, EndingEvent } from "../drain/events.js";
import type { ConnectionAccount, DrainReport } from "../drain/report.js";
import { CloseCode } from "../wire/close.js";
import type { Violation } from "../wire/violation.js";
import { Account, type Tallying } from "./account.js";
import { Channel, type ChannelOwner } from "./channel.js";
import type { Compression } from "./compression.js";
import type { Consumer, Received, Supply } from "./consumer.js";
import { Ending, type EndingOwner } from "./ending.js";
import type { ConnectionClosed } from "./handler.js";
import { Inbox, type InboxOwner } from "./inbox.js";
import { gone, type Standing } from "./moments.js";
import type { ConnectionOptions, HeartbeatOptions } from "./options.js";
import type { EncodedMessage } from "./encoded-message.js";
import type { Kernel } from "./kernel.js";
import { KernelLooks } from "./kernel-looks.js";
import type { OnSent } from "./outbox.js";
import { Pulse } from "./pulse.js";

/** What an endpoint needs of its server. */
export interface EndpointOwner extends Tallying {
  readonly options: ConnectionOptions;
  readonly clock: Clock;
  readonly kernel: Kernel;
  /** How a connection ends, by the options of the shutdown if there is one. */
  readonly endingOptions: EndingOptions;
  /** A shutdown has begun, even if it has not reached this connection yet. */
  readonly draining: boolean;
  connectionClosed(endpoint: Endpoint): void;
}

/** A socket that has been let in. */
export interface Accepted {
  /** How many connections there were in this process, this one included. */
  number: number;
  socket: Duplex;
  remoteAddress: string;
  /** As it was agreed on, if it was. */
  compression: Compression | undefined;
}

export class Endpoint<Taker extends Consumer = Consumer>
  implements ChannelOwner, InboxOwner, EndingOwner, Supply, Standing
{
  readonly remoteAddress: string;
  readonly consumer: Taker;
  readonly #number: number;
  readonly #owner: EndpointOwner;
  readonly #channel: Channel;
  readonly #inbox: Inbox;
  /** Made when there is something to count. */
  #madeAccount: Account | undefined;
  /** Made at the first heartbeat. */
  #pulse: Pulse | undefined;
  /** The machine is made when something first ends: an open connection does not pay for it. */
  #ending: Ending | undefined;

  // Signs of the peer's life since the last heartbeat.
  #heard = false;
  #wrote = false;

  #open = true;
  #gone = false;
  /** A shutdown has reached it. */
  #draining = false;
  /** It is on its way out, by that or otherwise. */
  #leaving = false;
  /** The consumer wants nothing read. */
  #paused = false;
  /** Nothing of the consumer runs any more. */
  #settled = false;
  /** Made when the kernel is first looked at. */
  #madeLooks: KernelLooks | undefined;
  /** The peer will send nothing more: it has closed, or ended TCP. */
  #peerDone = false;
  #peerStatus: { code: number; reason: string } | undefined;

  /** `makeConsumer` gets the endpoint before anything can be asked of it. */
  constructor(owner: EndpointOwner, accepted: Accepted, makeConsumer: (endpoint: Endpoint) => Taker) {
    const { socket, compression } = accepted;
    this.#owner = owner;
    this.#number = accepted.number;
    this.remoteAddress = accepted.remoteAddress;
    this.#channel = new Channel(socket, this, compression);
    this.consumer = makeConsumer(this);
    this.#inbox = new Inbox(this, owner.options, compression);
  }

  /** Lets the consumer begin, and begins to read; `head` is what came behind the handshake. */
  start(head: Buffer): void {
    this.consumer.begin();
    this.#channel.start(head);
  }

  get id(): string {
    return String(this.#number);
  }

  get clock(): Clock {
    return this.#owner.clock;
  }

  get options(): ConnectionOptions {
    return this.#owner.options;
  }

  /** What rules its end, once something has begun to end; for whoever watches. */
  get machine(): EndingMachine | undefined {
    return this.#ending?.machine;
  }

  get #account(): Account {
    return (this.#madeAccount ??= new Account(this.#owner));
  }

  // What it is at the moment

  get isOpen(): boolean {
    return this.#open;
  }

  get isLeaving(): boolean {
    return this.#leaving;
  }

  get handlerRuns(): boolean {
    return !this.#settled;
  }

  get isUnheard(): boolean {
    return this.machine?.isUnheard ?? false;
  }

  get isOutboxLow(): boolean {
    return this.bufferedAmount < this.options.highWaterMark;
  }

  get bufferedAmount(): number {
    return this.#channel.bufferedAmount;
  }

  get why(): WhyEnded | undefined {
    return this.machine?.why;
  }

  get closed(): ConnectionClosed | undefined {
    if (!this.#gone) return undefined;
    return {
      ...(this.#peerStatus ?? { code: CloseCode.abnormal, reason: "" }),
      // A Close that was still waiting when the socket went has told nobody.
      wasClean: this.#account.unsentBytes === 0 && (this.machine?.wasClean ?? false),
      ...this.why!,
    };
  }

  get outcome(): ConnectionClosed | undefined {
    if (this.#gone) return this.closed;
    if (!this.#awaitsConsumer) return undefined;
    return {
      ...(this.#peerStatus ?? { code: CloseCode.abnormal, reason: "" }),
      wasClean: false,
      ...this.machine!.whySoFar,
    };
  }

  /** Nothing comes any more, nothing is queued or in hand: only its consumer keeps it. */
  get #awaitsConsumer(): boolean {
    return this.#inbox.isIdle && this.consumer.pending === 0 && (this.machine?.awaitsHandler ?? false);
  }

  // Sending

  /**
   * Sends a message: a string as text, bytes as binary. False when it can no longer be delivered, which is counted and
   * told. `onSent` is called once: when the kernel has the whole message, or with an error when it never will.
   */
  send(message: string | Uint8Array, onSent?: OnSent): boolean {
    return this.#noteSent(this.#open && this.#channel.send(message), onSent);
  }

  /** The same for what was encoded once for many. */
  sendEncoded(message: EncodedMessage): boolean {
    return this.#noteSent(this.#open && this.#channel.sendEncoded(message), undefined);
  }

  #noteSent(taken: boolean, onSent: OnSent | undefined): boolean {
    if (taken) {
      if (onSent !== undefined) this.#channel.whenSent(onSent);
      this.#ending?.noteAccepted(this.bufferedAmount);
      return true;
    }
    if (this.#open) this.#refuseSlowConsumer();
    this.#drop(1);
    onSent?.(this.#neverSent());
    return false;
  }

  /** Its peer does not read what it is sent: it gets what was accepted, and Close behind that, if it reads them soon. */
  #refuseSlowConsumer(): void {
    const detail = `${this.bufferedAmount} bytes waited, and outboxLimit is ${this.options.outboxLimit}`;
    const status = { code: CloseCode.policyViolation, reason: "reads too slowly" };
    this.#dispatch({ type: "slow-consumer", ...status, detail });
  }

  #neverSent(): ConnectionGoneError {
    return gone("What was to be sent was not delivered", this.why);
  }

  #drop(messages: number): void {
    if (messages === 0) return;
    this.#account.undelivered(messages);
    this.consumer.onDropped?.(messages);
  }

  /** Sends a Ping and returns its number, which rises by one each time. */
  ping(): number {
    return this.#channel.ping();
  }

  /** Sends what waits, then Close with a code and a reason that have been checked. */
  close(code: number, reason: string): void {
    this.#dispatch({ type: "close", code, reason });
  }

  // From the consumer

  ready(): void {
    this.#inbox.deliver();
  }

  take(): Received | undefined {
    return this.#inbox.take();
  }

  finished(messages: number): void {
    const finished = this.#inbox.finish(messages);
    if (finished > 0) this.#account.served(finished);
    this.#updateIdle();
  }

  changed(): void {
    this.#updateIdle();
  }

  pause(): void {
    if (this.#paused || this.#inbox.isCut) return;
    this.#paused = true;
    if (!this.#inbox.isFull) this.#stopReading();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#inbox.isFull) this.#readOn();
  }

  settled(failed: boolean): void {
    this.#settled = true;
    this.finished(this.#inbox.inHand);
    // Whoever is closed during a shutdown is told so, also when its own turn has not come yet.
    if (this.#owner.draining) this.drain();
    this.#dispatch({ type: "handler-settled", failed });
  }

  // From the inbox

  onInboxFull(): void {
    if (!this.#paused) this.#stopReading();
  }

  onInboxLow(): void {
    if (!this.#paused) this.#readOn();
  }

  onInflateFailed(violation: Violation, droppedBehind: number): void {
    this.#account.handedBack(droppedBehind);
    this.#channel.endDecoding();
    this.onViolation(violation);
    this.#updateIdle();
  }

  #stopReading(): void {
    this.#channel.pause();
    this.#ending?.dispatch({ type: "paused" });
  }

  #readOn(): void {
    if (this.#gone) return;
    this.#channel.resume();
    this.#ending?.dispatch({ type: "resumed" });
  }

  // From the channel

  onMessage(data: Received): void {
    if (!this.#inbox.push(data)) this.#account.handedBack(1);
  }

  onCompressedMessage(payload: Buffer, isText: boolean): void {
    if (!this.#inbox.pushCompressed(payload, isText)) this.#account.handedBack(1);
  }

  onRead(): void {
    this.#heard = true;
    this.#inbox.checkLimit();
    this.#updateIdle();
  }

  onPing(payload: Buffer): void {
    this.consumer.onPing?.(payload);
  }

  onPong(payload: Buffer): void {
    this.consumer.onPong?.(payload);
  }

  onPingAnswered(nonce: number): void {
    this.consumer.onPingAnswered?.(nonce);
    // A Pong stands behind messages of the same chunk: the machine has to know of those first.
    this.#updateIdle();
    this.#ending?.dispatch({ type: "pong", nonce });
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

  onOutboxFull(): void {
    // Nothing can be sent any more: what is made of the messages that wait goes nowhere, and holds nobody.
    if (this.#open) this.#inbox.hold();
  }

  onOutboxLow(): void {
    this.consumer.onOutboxLow?.();
    this.#inbox.letGo();
  }

  onCompressed(): void {
    this.#ending?.dispatch({ type: "compressing" });
  }

  onWritten(): void {
    this.#wrote = true;
    this.#ending?.noteWritten(this.bufferedAmount);
  }

  onBytesGone(): void {
    const detail = "bytes that were given to send() have been transferred or resized before they were sent";
    this.#dispatch({ type: "fail", cause: "failed", detail });
    this.consumer.onFailed?.(
      new LastcallError(
        "LASTCALL_BYTES_GONE",
        `The connection was ended: ${detail}. Over 8 KiB are not copied: leave them alone until they are sent, or ` +
          "send a copy.",
      ),
    );
  }

  onSocketClosed(error: NodeJS.ErrnoException | undefined): void {
    // The kernel was to take bytes from memory that is not there any more.
    if (error?.code === "EFAULT") this.onBytesGone();
    const lostBytes = this.#madeLooks?.lostBytes ?? 0;
    const unsentBytes = this.bufferedAmount + lostBytes;
    this.#account.socketClosed(unsentBytes, this.#inbox.isFull || this.#paused);
    this.#open = false;
    this.#gone = true;
    this.#madeLooks?.end();
    this.#drop(this.#channel.bufferedMessages + this.#channel.messagesWithin(lostBytes));
    this.#dispatch({ type: "socket-closed", reset: error !== undefined, ...nameOf(error) });
    this.#channel.failWaiting(this.#neverSent());
    this.consumer.onClosed?.(this.closed!);
    this.#inbox.letGo();
  }

  // From the machine that rules the end

  sendPing(): number {
    return this.#channel.ping();
  }

  whenSent(onSent: OnSent): void {
    this.#channel.whenSent(onSent);
  }

  cutInput(): void {
    // Who reads sees its input end; who only pushes is told.
    this.#tellLeaving();
    this.resume();
    this.#inbox.cut();
    this.#updateIdle();
  }

  dropQueue(as: "handed back" | "abandoned"): void {
    const dropped = this.#inbox.clear();
    if (as === "abandoned") this.#account.abandoned(dropped);
    else this.#account.handedBack(dropped);
    this.#updateIdle();
  }

  sendClose(code: number, reason: string): void {
    this.#open = false;
    this.#channel.close(code, reason);
    this.#ending!.noteAccepted(this.bufferedAmount);
    this.#inbox.letGo();
  }

  look(tell: (acknowledged: number, unacknowledged: number) => void): void {
    this.#looks.look(tell);
  }

  get #looks(): KernelLooks {
    return (this.#madeLooks ??= new KernelLooks(this.#channel, this.#owner.kernel));
  }

  endSocket(): void {
    this.#channel.end();
  }

  flushSocket(): void {
    this.#open = false;
    this.#channel.flushAndEnd();
    this.#inbox.letGo();
  }

  destroySocket(): void {
    this.#open = false;
    this.#madeLooks?.noteDestroyed();
    this.#channel.destroy();
    this.#inbox.letGo();
  }

  abortSignal(): void {
    this.consumer.onUnheard?.();
  }

  get isCompressing(): boolean {
    return this.#channel.isCompressing;
  }

  finishEnding(): void {
    this.#channel.releaseCompression();
    this.#owner.connectionClosed(this);
  }

  #dispatch(event: EndingEvent): void {
    this.#ending ??= this.#beginEnding();
    this.#ending.dispatch(event);
  }

  #beginEnding(): Ending {
    const { endingOptions } = this.#owner;
    const reading = !this.#inbox.isFull && !this.#paused;
    const ending = new Ending(endingOptions, this, this.clock, { idle: this.#isIdle(), reading });
    if (!this.#gone) ending.noteAccepted(this.bufferedAmount);
    return ending;
  }

  #isIdle(): boolean {
    // What is partial when the input ends never becomes whole.
    const isWhole = this.#channel.atBoundary || this.#inbox.isCut;
    return isWhole && this.#inbox.isIdle && this.consumer.pending === 0;
  }

  #updateIdle(): void {
    // Each message comes by here, and only what ends wants to know.
    if (this.#ending === undefined) return;
    this.#ending.setIdle(this.#isIdle());
    if (this.#awaitsConsumer) this.consumer.onAwaited?.();
  }

  // For the server

  drain(options: EndingOptions = this.#owner.endingOptions): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#tellLeaving();
    this.#dispatch({ type: "drain", options });
  }

  countIn(tally: DrainReport["messages"]): void {
    this.#account.countIn(tally);
  }

  lastCall(): void {
    this.drain();
    this.#dispatch({ type: "last-call" });
  }

  force(): void {
    if (this.#madeAccount?.isForced) return;
    this.#draining = true;
    this.#tellLeaving();
    const { queued, inHand } = this.#inbox;
    const unsentBytes = this.#gone ? this.#account.unsentBytes : this.bufferedAmount;
    this.#account.forced(
      {
        queued,
        unsentBytes,
        running: inHand + this.consumer.pending,
        // Its input had ended and nothing held it, and still it had not returned.
        handlerRuns: this.#inbox.isCut && queued === 0 && unsentBytes === 0 && !this.#settled,
      },
      inHand,
    );
    this.#dispatch({ type: "force" });
    this.#channel.releaseCompression();
  }

  destroy(): void {
    this.#dispatch({ type: "fail", cause: "forced" });
  }

  #tellLeaving(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.consumer.onLeaving?.();
  }

  heartbeat(elapsed: number, options: HeartbeatOptions): void {
    // Who has closed or ended TCP answers no Ping; from there on the limits of its end rule.
    if (this.#gone || this.#peerDone) return;
    // A Ping may wait behind what is being compressed: that is no silence of the peer's.
    if (this.isCompressing) return;
    // We do not read while too much waits. When that is because the peer does not read, its clock runs on.
    const reading = !(this.#inbox.isFull || this.#paused) || !this.isOutboxLow;
    const signs = {
      // The answer of one that reads slowly stands behind all that the kernel holds for it.
      heard: this.#heard || (this.#madeLooks?.takeHasRead() ?? false),
      wrote: this.#wrote,
      reading,
      acknowledged: this.#madeLooks?.takeHasAll(),
      unsent: this.bufferedAmount > 0,
    };
    this.#heard = false;
    this.#wrote = false;
    this.#pulse ??= new Pulse();
    const verdict = this.#pulse.beat(elapsed, options, signs);
    if (verdict === "dead") {
      const detail = `silent for ${options.interval + options.timeout} ms`;
      this.#dispatch({ type: "fail", cause: "heartbeat", detail });
    }
    if (verdict === "ask") this.#channel.ping();
    if (verdict === "ask" || verdict === "wait") this.#looks.look(() => {});
  }

  account(): ConnectionAccount {
    return this.#account.entry(
      { id: this.id, remoteAddress: this.remoteAddress, handlerRuns: this.handlerRuns },
      this.machine!,
    );
  }
}

/** The system's name for an error, for example ECONNRESET. */
function nameOf(error: NodeJS.ErrnoException | undefined): { detail?: string } {
  return error === undefined ? {} : { detail: error.code ?? error.message };
}
