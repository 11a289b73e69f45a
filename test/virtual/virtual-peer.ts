/**
 * A peer in virtual time, well-behaved or not. It knows nothing of the server but what comes over the line: frames
 * arrive after a delay and are read one after the other, each in its time.
 */
import type { VirtualTime } from "./virtual-time.js";

/** What a peer puts on the line. `part` begins a fragmented message that ends with `message`. */
export type PeerFrame =
  | { type: "part" }
  | { type: "message"; id: number }
  | { type: "pong"; payload: Buffer }
  | { type: "close"; code: number }
  | { type: "malformed" }
  | { type: "fin" };

/** What a server puts on the line. */
export type ServerFrame =
  | { type: "reply"; id: number }
  | { type: "ping"; payload: Buffer }
  | { type: "close"; code: number }
  | { type: "fin" };

export interface PeerStep {
  at: number;
  /** `leave` ends TCP and answers everything that still comes with a reset. Who vanishes is not heard of again. */
  what: "send" | "close" | "malformed" | "fin" | "leave" | "reset" | "vanish";
  /** How long a message stays unfinished between its first and its last fragment. */
  unfinished?: number;
}

export interface PeerScript {
  /** One way, in ms. */
  delay: number;
  steps: readonly PeerStep[];
  /** It sends so many more messages, each so long after it has read a reply. */
  conversation: { messages: number; think: number };
  answersPing: boolean;
  answersClose: boolean;
  /** It ends TCP when the server has. */
  endsTcp: boolean;
  /** Close does not keep it from sending. */
  sendsThroughClose: boolean;
  /** How long it takes to read a reply; what is small takes no time. Infinity: it never reads. */
  readTime: number;
}

export const goodPeer: PeerScript = {
  delay: 10,
  steps: [],
  conversation: { messages: 0, think: 0 },
  answersPing: true,
  answersClose: true,
  endsTcp: true,
  sendsThroughClose: false,
  readTime: 0,
};

/** The server's end of the line. */
export interface Line {
  fromPeer(frame: PeerFrame): void;
  /** The peer has read a reply, so that the server's kernel has room again. */
  room(): void;
  reset(): void;
}

export class VirtualPeer {
  readonly sent: { id: number; at: number }[] = [];
  readonly replies: number[] = [];
  /** The server's Close. */
  closedBy: { code: number; at: number; repliesBefore: number } | undefined;
  /** It closed before it had read the server's Close, if it ever did. */
  closedFirst = false;
  /** Frames read behind the server's Close: there must be none. */
  framesAfterClose = 0;
  resetAt: number | undefined;

  readonly #time: VirtualTime;
  readonly #script: PeerScript;
  readonly #line: Line;
  #toAsk: number;
  #unread: ServerFrame[] = [];
  #reading = false;
  /** When its unfinished message ends; long over when there is none. */
  #unfinishedUntil = -1;
  #closeSent = false;
  #finSent = false;
  #left = false;
  #vanished = false;

  constructor(time: VirtualTime, script: PeerScript, line: Line) {
    this.#time = time;
    this.#script = script;
    this.#line = line;
    this.#toAsk = script.conversation.messages;
    for (const step of script.steps) time.at(step.at, () => this.#take(step));
  }

  #take(step: PeerStep): void {
    const withinMessage = this.#time.now <= this.#unfinishedUntil;
    switch (step.what) {
      case "send":
      case "close":
      case "malformed":
        if (withinMessage) {
          this.#time.at(this.#unfinishedUntil, () => this.#take(step));
          return;
        }
        if (step.what === "send") this.#send(step.unfinished ?? 0);
        else if (step.what === "close") this.#close(1000);
        else this.#put({ type: "malformed" });
        return;
      case "fin":
        return this.#end();
      case "leave":
        this.#end();
        this.#left = true;
        return;
      case "reset":
        return this.#reset();
      case "vanish":
        this.#vanished = true;
    }
  }

  #send(unfinished: number): void {
    const silenced = (this.#closeSent || this.closedBy !== undefined) && !this.#script.sendsThroughClose;
    if (silenced || this.#finSent || this.resetAt !== undefined) return;
    if (unfinished > 0) {
      this.#put({ type: "part" });
      this.#unfinishedUntil = this.#time.now + unfinished;
      this.#time.after(unfinished, () => this.#finishMessage());
    } else {
      this.#finishMessage();
    }
  }

  #finishMessage(): void {
    this.#unfinishedUntil = -1;
    if (this.#finSent || this.resetAt !== undefined) return;
    const id = this.sent.length;
    this.sent.push({ id, at: this.#time.now });
    this.#put({ type: "message", id });
  }

  #close(code: number): void {
    if (this.#closeSent) return;
    this.#closeSent = true;
    this.closedFirst = this.closedBy === undefined;
    this.#put({ type: "close", code });
  }

  #end(): void {
    if (this.#finSent) return;
    this.#put({ type: "fin" });
    this.#finSent = true;
  }

  #reset(): void {
    if (this.resetAt !== undefined) return;
    this.resetAt = this.#time.now;
    this.#time.after(this.#script.delay, () => this.#line.reset());
  }

  #put(frame: PeerFrame): void {
    if (this.#finSent || this.#vanished || this.resetAt !== undefined) return;
    this.#time.after(this.#script.delay, () => this.#line.fromPeer(frame));
  }

  /** A frame has left the server's kernel and arrives here after the delay. */
  carry(frame: ServerFrame): void {
    this.#time.after(this.#script.delay, () => {
      if (this.#vanished || this.resetAt !== undefined) return;
      if (this.#left) return this.#reset();
      this.#unread.push(frame);
      this.#read();
    });
  }

  /** The server's kernel answers with a reset: what was not read is lost. */
  beReset(): void {
    this.#time.after(this.#script.delay, () => {
      this.resetAt ??= this.#time.now;
      this.#unread = [];
    });
  }

  #read(): void {
    if (this.#reading || this.#unread.length === 0 || this.#script.readTime === Infinity) return;
    this.#reading = true;
    this.#time.after(this.#unread[0]!.type === "reply" ? this.#script.readTime : 0, () => {
      this.#reading = false;
      const frame = this.#unread.shift();
      if (frame === undefined) return; // lost in a reset
      this.#handle(frame);
      if (frame.type === "reply") this.#line.room();
      this.#read();
    });
  }

  #handle(frame: ServerFrame): void {
    if (this.closedBy !== undefined && frame.type !== "fin") this.framesAfterClose++;
    switch (frame.type) {
      case "reply":
        this.replies.push(frame.id);
        this.#goOnAsking();
        return;
      case "ping":
        if (this.#script.answersPing && !this.#closeSent) this.#put({ type: "pong", payload: frame.payload });
        return;
      case "close":
        this.closedBy ??= { code: frame.code, at: this.#time.now, repliesBefore: this.replies.length };
        if (this.#script.answersClose) this.#close(frame.code);
        return;
      case "fin":
        if (this.#script.endsTcp) this.#end();
    }
  }

  #goOnAsking(): void {
    if (this.#toAsk === 0) return;
    this.#toAsk--;
    this.#time.after(this.#script.conversation.think, () => this.#send(0));
  }
}
