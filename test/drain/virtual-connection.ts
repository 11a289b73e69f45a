/**
 * A server's connection in virtual time. It drives the machine just as `src/connection/connection.ts` and `ending.ts` do:
 * the same events at the same points, the actions performed in their order, woken when it asks to be.
 *
 * Every frame counts as one byte.
 */
import { ConnectionDrain } from "../../src/drain/connection.js";
import type { ConnectionDrainOptions, DrainAction, DrainEvent } from "../../src/drain/events.js";
import type { ConnectionAccount, DrainReport } from "../../src/drain/report.js";
import { VirtualPeer, type Line, type PeerFrame, type PeerScript, type ServerFrame } from "./virtual-peer.js";
import type { VirtualTime } from "./virtual-time.js";

export interface HandlerScript {
  /** How long each message takes, the list over and over. */
  work: readonly number[];
  /** What it does once it has had so many messages. */
  stops?: { after: number; how: "returns" | "throws" | "hangs" } | undefined;
  /** Its loop over, it waits so long, says one thing more and returns. */
  lastWords?: number | undefined;
  /** It sends at these times, whatever the state of the connection. */
  strays?: readonly number[] | undefined;
}

export interface ConnectionScript {
  id: string;
  options: ConnectionDrainOptions;
  handler: HandlerScript;
  peer: PeerScript;
  /** Messages; reading pauses when so many wait, and resumes at half of them. */
  inboxLimit: number;
  /** Frames; the handler gets the next message below it. */
  highWaterMark: number;
  /** Frames that the two kernels hold for a peer that does not read. */
  kernelBuffer: number;
  /** When the application closes it. */
  closesAt?: number | undefined;
}

/** When something happened, and in what order with all else on its connection. */
interface Noted {
  at: number;
  order: number;
}

/** What a connection needs of its server. */
export interface VirtualHost {
  /** A shutdown has begun, even if it has not reached this connection yet. */
  readonly draining: boolean;
  connectionClosed(connection: VirtualConnection): void;
}

/** So many frames go out between two Pings that watch for progress. */
const BULK = 4;

export class VirtualConnection implements Line {
  // What happened, for the tests.
  readonly received: { id: number; at: number; beforeCut: boolean }[] = [];
  readonly delivered: { id: number; at: number }[] = [];
  readonly performed: (DrainAction & Noted)[] = [];
  readonly events: (DrainEvent & Noted)[] = [];
  served = 0;
  handedBack = 0;
  abandoned = 0;
  undelivered = 0;
  /** Replies that `send` took, those that it did not take, and those that the kernel got. */
  accepted = 0;
  refused = 0;
  carried = 0;
  settledAt = Infinity;
  socketClosedAt = Infinity;
  closedAt = Infinity;
  unreadAtDestroy = 0;
  lastCallAt = Infinity;
  forcedAt = Infinity;
  drainedAt = Infinity;

  readonly peer: VirtualPeer;
  /** Made when something first ends. */
  machine: ConnectionDrain | undefined;
  readonly script: ConnectionScript;
  readonly #time: VirtualTime;
  readonly #host: VirtualHost;

  #order = 0;
  #inbox: number[] = [];
  #inputCut = false;
  #paused = false;
  #partial = false;
  /** The decoder takes nothing behind the peer's Close or a violation. */
  #inputOver = false;
  #asking = false;
  #inHand = 0;
  #told = { idle: true, unsent: false };
  #wakeAt = Infinity;
  #forced: Pick<ConnectionAccount, "queued" | "unsentBytes" | "running"> | undefined;
  #unreadUnknown = false;
  #unsentBytes = 0;

  #outbox: ServerFrame[] = [];
  #inKernel = 0;
  #kernelUnread: PeerFrame[] = [];
  #inBulk = 0;
  #pings = 0;
  #closeSent = false;
  #finRequested = false;
  #finSent = false;
  #flushed = false;
  #peerEnded = false;
  #destroyed = false;
  #gone = false;

  constructor(time: VirtualTime, script: ConnectionScript, host: VirtualHost) {
    this.#time = time;
    this.script = script;
    this.#host = host;
    this.peer = new VirtualPeer(time, script.peer, this);
    for (const at of script.handler.strays ?? []) time.at(at, () => this.#send());
    if (script.closesAt !== undefined) {
      time.at(script.closesAt, () => this.#dispatch({ type: "close", code: 3000, reason: "" }));
    }
    this.#ask();
  }

  performedFirst<Type extends DrainAction["type"]>(
    type: Type,
  ): (DrainAction & Noted & { type: Type }) | undefined {
    return this.performed.find(
      (action): action is DrainAction & Noted & { type: Type } => action.type === type,
    );
  }

  // From the server

  drain(): void {
    if (this.drainedAt < Infinity) return;
    this.drainedAt = this.#time.now;
    this.#dispatch({ type: "drain", options: this.script.options });
  }

  lastCall(): void {
    this.drain();
    this.lastCallAt = Math.min(this.lastCallAt, this.#time.now);
    this.#dispatch({ type: "last-call" });
  }

  force(): void {
    if (this.#forced !== undefined) return;
    this.forcedAt = this.#time.now;
    this.#forced = {
      queued: this.#inbox.length,
      unsentBytes: this.#gone ? this.#unsentBytes : this.#outbox.length,
      running: this.#inHand,
    };
    this.abandoned += this.#inHand;
    this.#dispatch({ type: "force" });
  }

  fail(): void {
    this.#dispatch({ type: "fail" });
  }

  account(): ConnectionAccount {
    const { end, unproven, reset, gaveUp } = this.machine!;
    return {
      id: this.script.id,
      remoteAddress: "192.0.2.1",
      end,
      unproven,
      reset,
      gaveUp,
      handlerRuns: this.settledAt === Infinity,
      queued: 0,
      unsentBytes: this.#unsentBytes,
      running: 0,
      undelivered: this.undelivered,
      unreadUnknown: this.#unreadUnknown,
      ...this.#forced,
    };
  }

  get counts(): DrainReport["messages"] {
    const { served, handedBack, undelivered, abandoned } = this;
    return { served, handedBack, undelivered, abandoned };
  }

  // The handler

  #ask(): void {
    const { stops } = this.script.handler;
    if (stops !== undefined && this.delivered.length === stops.after) {
      if (stops.how !== "hangs") this.#settle(stops.how === "throws");
      return;
    }
    this.#asking = true;
    this.#pump();
  }

  #pump(): void {
    if (!this.#asking || !(this.#gone || this.#closeSent || this.#outbox.length < this.script.highWaterMark))
      return;
    if (this.#inbox.length > 0) {
      this.#asking = false;
      const id = this.#inbox.shift()!;
      this.delivered.push({ id, at: this.#time.now });
      this.#inHand++;
      if (this.#paused && this.#inbox.length <= this.script.inboxLimit / 2) this.#resume();
      const { work } = this.script.handler;
      this.#time.after(work[id % work.length]!, () => this.#finishMessage());
    } else if (this.#inputCut) {
      this.#asking = false;
      this.#time.after(this.script.handler.lastWords ?? 0, () => {
        if (this.script.handler.lastWords !== undefined) this.#send();
        this.#settle(false);
      });
    }
  }

  #finishMessage(): void {
    this.#send();
    this.#finish();
    this.#ask();
  }

  #finish(): void {
    this.#inHand--;
    if (this.#forced === undefined) this.served++;
    this.#updateIdle();
  }

  #settle(failed: boolean): void {
    this.settledAt = this.#time.now;
    if (this.#host.draining) this.drain();
    this.#dispatch({ type: "handler-settled", failed });
  }

  #send(): void {
    if (this.#gone || this.#closeSent) {
      this.undelivered++;
      this.refused++;
      return;
    }
    this.#outbox.push({ type: "reply", id: this.accepted++ });
    this.#write();
    this.#noteUnsent();
  }

  // The way in

  fromPeer(frame: PeerFrame): void {
    if (this.#gone || this.#destroyed) {
      if (frame.type !== "fin") this.peer.beReset();
    } else {
      this.#kernelUnread.push(frame);
      this.#readKernel();
    }
  }

  #readKernel(): void {
    while (!this.#paused && !this.#gone && !this.#destroyed && this.#kernelUnread.length > 0) {
      this.#read(this.#kernelUnread.shift()!);
    }
  }

  #read(frame: PeerFrame): void {
    if (this.#inputOver && frame.type !== "fin") return;
    this.#inputOver = frame.type === "close" || frame.type === "malformed";
    switch (frame.type) {
      case "part":
        this.#partial = true;
        break;
      case "message":
        this.#partial = false;
        this.#receive(frame.id);
        break;
      case "pong":
        this.#updateIdle();
        this.#note({ type: "pong", nonce: frame.nonce });
        break;
      case "close":
        this.#dispatch({ type: "peer-close", code: frame.code, reason: "" });
        break;
      case "malformed":
        this.#dispatch({ type: "violation", code: 1002, reason: "" });
        break;
      case "fin":
        this.#peerEnded = true;
        this.#dispatch({ type: "peer-end" });
        this.#closeSocketWhenEnded();
        return;
    }
    if (!this.#paused && !this.#inputCut && this.#inbox.length >= this.script.inboxLimit) {
      this.#paused = true;
      this.#note({ type: "paused" });
    }
    this.#updateIdle();
  }

  #receive(id: number): void {
    this.received.push({ id, at: this.#time.now, beforeCut: !this.#inputCut });
    if (this.#inputCut) {
      this.handedBack++;
      return;
    }
    this.#inbox.push(id);
    this.#pump();
  }

  #resume(): void {
    this.#paused = false;
    this.#note({ type: "resumed" });
    this.#time.after(0, () => this.#readKernel());
  }

  #updateIdle(): void {
    if (this.machine === undefined || this.#isIdle === this.#told.idle) return;
    this.#told.idle = this.#isIdle;
    this.#dispatch({ type: this.#told.idle ? "idle" : "busy" });
  }

  get #isIdle(): boolean {
    return this.#inHand === 0 && this.#inbox.length === 0 && !this.#partial;
  }

  reset(): void {
    if (!this.#gone && !this.#destroyed) this.#closeSocket(true);
  }

  // The way out

  #noteUnsent(): void {
    if (this.machine === undefined || this.#told.unsent || this.#outbox.length === 0) return;
    this.#told.unsent = true;
    this.#dispatch({ type: "unsent" });
  }

  room(): void {
    this.#inKernel--;
    this.#write();
  }

  /** The kernel takes a frame whenever it has room. */
  #write(): void {
    this.#time.after(0, () => {
      if (this.#gone || this.#destroyed) return;
      if (this.#outbox.length > 0 && this.#inKernel < this.script.kernelBuffer) {
        if (this.#inBulk >= BULK && this.#outbox[0]!.type === "reply" && this.drainedAt <= this.#time.now) {
          this.#carry({ type: "ping", nonce: ++this.#pings });
          this.#inBulk = 0;
        }
        this.#carry(this.#outbox.shift()!);
        this.#inBulk = this.#outbox.length === 0 ? 0 : this.#inBulk + 1;
        this.#write();
        this.#onWritten();
      }
      this.#endWhenWritten();
    });
  }

  #carry(frame: ServerFrame): void {
    this.#inKernel++;
    if (frame.type === "reply") this.carried++;
    this.peer.carry(frame);
  }

  #onWritten(): void {
    if (this.#flushed) return;
    this.#pump();
    if (!this.#told.unsent) return;
    this.#told.unsent = this.#outbox.length > 0;
    this.#dispatch({ type: this.#told.unsent ? "progress" : "sent" });
  }

  #endWhenWritten(): void {
    if (!this.#finRequested || this.#finSent || this.#outbox.length > 0) return;
    this.#finSent = true;
    this.#carry({ type: "fin" });
    this.#closeSocketWhenEnded();
  }

  #closeSocketWhenEnded(): void {
    if (this.#finSent && this.#peerEnded) this.#time.after(0, () => this.#closeSocket(false));
  }

  #closeSocket(reset: boolean): void {
    if (this.#gone) return;
    this.#gone = true;
    this.socketClosedAt = this.#time.now;
    this.#unsentBytes = this.#outbox.length;
    this.#unreadUnknown = this.#paused;
    this.undelivered += this.#outbox.filter(({ type }) => type === "reply").length;
    this.#dispatch({ type: "socket-closed", reset });
    this.#pump();
  }

  // The machine

  /** What matters only when the end has begun. */
  #note(event: DrainEvent): void {
    if (this.machine !== undefined) this.#dispatch(event);
  }

  #dispatch(event: DrainEvent): void {
    const machine = this.machine ?? this.#beginEnding();
    this.events.push({ ...event, ...this.#notedNow() });
    for (const action of machine.handle(event, this.#time.now)) this.#perform(action);
    if (event.type === "tick" && machine.wakeAt <= this.#time.now) {
      throw new Error(`woken at ${this.#time.now}, the machine wants to be woken at ${machine.wakeAt} again`);
    }
    this.#arm(machine.wakeAt);
  }

  #notedNow(): Noted {
    return { at: this.#time.now, order: this.#order++ };
  }

  #beginEnding(): ConnectionDrain {
    this.#told.idle = this.#isIdle;
    this.machine = new ConnectionDrain(this.script.options, { idle: this.#isIdle, reading: !this.#paused });
    this.#noteUnsent();
    return this.machine;
  }

  #arm(wakeAt: number): void {
    if (wakeAt >= this.#wakeAt) return;
    this.#wakeAt = wakeAt;
    this.#time.at(wakeAt, () => {
      if (this.#wakeAt !== wakeAt) return;
      this.#wakeAt = Infinity;
      this.#dispatch({ type: "tick" });
    });
  }

  #perform(action: DrainAction): void {
    this.performed.push({ ...action, ...this.#notedNow() });
    switch (action.type) {
      case "ping":
        this.#outbox.push({ type: "ping", nonce: ++this.#pings });
        this.#write();
        return this.#dispatch({ type: "pinged", nonce: this.#pings });
      case "cut":
        this.#inputCut = true;
        if (this.#paused && !this.#gone) this.#resume();
        return this.#pump();
      case "drop-queue":
        if (action.as === "handed back") this.handedBack += this.#inbox.length;
        else this.abandoned += this.#inbox.length;
        this.#inbox = [];
        this.#pump();
        return this.#updateIdle();
      case "close":
        this.#closeSent = true;
        this.#outbox.push({ type: "close", code: action.code });
        this.#write();
        this.#noteUnsent();
        return this.#pump();
      case "fin":
        this.#finRequested = true;
        return this.#write();
      case "flush":
        this.#closeSent = true;
        this.#flushed = true;
        this.#finRequested = true;
        return this.#write();
      case "destroy":
        this.#destroyed = true;
        this.#closeSent = true;
        this.unreadAtDestroy = this.#kernelUnread.length;
        if (this.unreadAtDestroy > 0) this.peer.beReset();
        return this.#time.after(0, () => this.#closeSocket(false));
      case "abort":
        return;
      case "closed":
        this.closedAt = this.#time.now;
        this.#host.connectionClosed(this);
    }
  }
}
