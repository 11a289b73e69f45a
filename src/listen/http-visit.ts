/** One socket at a caller's HTTP server: what was asked on it, what is answered, and whose it is. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { CutRequest } from "./listener.js";

/** What a visit tells. */
export interface VisitOwner {
  /** Something that was asked is answered, and is with the kernel; or its client has left. */
  onAnswered(isWhole: boolean): void;
  onGone(visit: Visit): void;
}

interface Asked {
  request: IncomingMessage;
  response: ServerResponse;
}

/** Errors of a socket are followed by 'close'. */
const ignoreError = (): void => {};

export class Visit {
  readonly socket: Socket;
  /** How many came in before it, itself included; 0 for who was there before us. */
  readonly number: number;
  readonly #owner: VisitOwner;
  /** A socket that is gone does not know it any more. */
  readonly remoteAddress: string;
  /** Asked and not answered, in the order of the stream: requests may be pipelined. */
  #unanswered: Asked[] = [];
  #hasAsked: boolean;
  /** The application has the socket itself: a tunnel, somebody else's WebSocket. Nothing of it is ours to end. */
  #isTheirs = false;
  #draining = false;
  #isOver = false;
  /** What was read and written when it came in, or was silent again. */
  #read = 0;
  #written = 0;
  #afterAnswers: (() => void) | undefined;

  constructor(socket: Socket, number: number, owner: VisitOwner) {
    this.socket = socket;
    this.number = number;
    this.#hasAsked = number === 0;
    this.#owner = owner;
    this.remoteAddress = socket.remoteAddress ?? "";
    this.#fallSilent();
    socket.once("close", this.#onClose);
  }

  #fallSilent(): void {
    this.#read = this.socket.bytesRead;
    this.#written = this.socket.bytesWritten;
  }

  /** Requests that are not answered. */
  get unanswered(): number {
    return this.#unanswered.length;
  }

  /** Its last answer has said so, or we have ended it: what is asked behind that is not served (RFC 9112 §9.6). */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Nobody has anything to say on it. */
  get isSilent(): boolean {
    return !this.#isTheirs && this.#unanswered.length === 0 && this.socket.bytesWritten === this.#written;
  }

  /** Kept alive, with nothing of a next request on it. */
  get isIdle(): boolean {
    return this.#hasAsked && this.isSilent && this.socket.bytesRead === this.#read;
  }

  /** What was written to it before it asked what it asks now; what is being answered is not told from that. */
  get writtenBefore(): number {
    return this.#unanswered.length === 0 ? this.#written : this.socket.bytesWritten;
  }

  /** The application was handed the socket. */
  handOver(): void {
    this.#isTheirs = true;
  }

  ask(request: IncomingMessage, response: ServerResponse): void {
    const asked = { request, response };
    this.#hasAsked = true;
    this.#unanswered.push(asked);
    if (this.#draining) this.#endBehind(response);
    response.once("close", () => this.#onAnswered(asked));
  }

  #onAnswered(asked: Asked): void {
    const index = this.#unanswered.indexOf(asked);
    if (index < 0) return;
    this.#unanswered.splice(index, 1);
    if (this.#unanswered.length === 0) {
      this.#fallSilent();
      this.#callBehindAnswers();
    }
    this.#owner.onAnswered(asked.response.writableFinished);
  }

  /** Calls back when all is answered that was asked before, and is with the kernel; never when its client leaves. */
  afterAnswers(act: () => void): void {
    if (this.#unanswered.length === 0) return act();
    this.#afterAnswers = act;
    // Node takes its own listeners off a socket that asks to be upgraded, also while answers are written to it.
    this.socket.on("error", ignoreError);
    this.socket.on("drain", this.#onDrain);
  }

  #callBehindAnswers(): void {
    const act = this.#afterAnswers;
    if (act === undefined) return;
    this.#afterAnswers = undefined;
    this.socket.off("error", ignoreError);
    this.socket.off("drain", this.#onDrain);
    // Node begins to count how long it is kept alive.
    this.socket.setTimeout(0);
    act();
  }

  readonly #onDrain = (): void => void this.#unanswered[0]?.response.emit("drain");

  /** From here on the last answer says that it is the last. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const { response } of this.#unanswered) this.#endBehind(response);
  }

  /**
   * Says so when the head of this answer is written, if nothing was asked behind it by then. Said earlier it would cut
   * off what is pipelined: Node ends the socket behind it, and executes what it has read all the same.
   */
  #endBehind(response: ServerResponse): void {
    if (response.headersSent) return;
    const writeHead = response.writeHead.bind(response) as (...given: unknown[]) => ServerResponse;
    response.writeHead = (...given: unknown[]) => {
      const isLast = this.#unanswered.at(-1)?.response === response && this.#afterAnswers === undefined;
      if (!isLast || response.headersSent) return writeHead(...given);
      response.setHeader("Connection", "close");
      const written = writeHead(...given);
      this.#isOver = /\bclose\b/i.test(String(response.getHeader("connection")));
      return written;
    };
  }

  /** Sends FIN: it was idle. A request that crosses it is read, so that it gets no reset, and not served. */
  end(): void {
    this.#isOver = true;
    this.socket.end();
  }

  /** Destroys it if it is nobody else's, and returns what was cut by that. */
  cut(): CutRequest[] {
    const cut = this.#unanswered.map(({ request: { method = "", url = "" } }) => ({
      method,
      path: url.split("?", 1)[0]!,
      remoteAddress: this.remoteAddress,
    }));
    this.#unanswered = [];
    if (!this.#isTheirs) this.socket.destroy();
    return cut;
  }

  /** It is not plain HTTP any more: nothing of this is kept. */
  forget(): void {
    this.socket.off("close", this.#onClose);
  }

  readonly #onClose = (): void => {
    // Of answers that wait for others on the same socket Node never says that they are over.
    const left = this.#unanswered;
    this.#unanswered = [];
    for (const _ of left) this.#owner.onAnswered(false);
    this.#owner.onGone(this);
  };
}
