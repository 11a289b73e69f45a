/** One socket at a caller's HTTP server: what was asked on it, what is answered, and whose it is. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { systemClock, type Timer } from "../base/clock.js";
import { systemKernel } from "../connection/kernel.js";
import type { CutRequest } from "./listener.js";

/** What a visit tells. */
export interface VisitOwner {
  /** Something that was asked is answered, and is with the kernel; or its client has left. */
  onAnswered(response: ServerResponse, isWhole: boolean): void;
  /** Our FIN is on its way. */
  onEnding(visit: Visit): void;
  onGone(visit: Visit): void;
}

/** How long a client gets to end TCP after our FIN, or to read a part of what is under way to it. */
const LINGER_TIMEOUT = 500;

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
  /** The last request. */
  #last: IncomingMessage | undefined;
  /** The application has the socket itself: a tunnel, somebody else's WebSocket. Nothing of it is ours to end. */
  #isTheirs = false;
  #draining = false;
  #isOver = false;
  /** What was read and written when it came in, or was silent again. */
  #read = 0;
  #written = 0;
  #afterAnswers: (() => void) | undefined;
  #bearsErrors = false;
  /** A request has been read that is given to Node once more, behind the answers before it. */
  #expectsMore = false;
  #lingering: Timer | undefined;

  constructor(socket: Socket, number: number, owner: VisitOwner) {
    this.socket = socket;
    this.number = number;
    this.#hasAsked = number === 0 && socket.bytesRead > 0;
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

  /** Something was asked that comes behind the answers. */
  get #isWaitedFor(): boolean {
    return this.#expectsMore || this.#afterAnswers !== undefined;
  }

  /** A request has been read that Node gets once more when those before it are answered. */
  expectMore(): void {
    this.#expectsMore = true;
  }

  /** Nobody has anything to say on it. */
  get isSilent(): boolean {
    return this.mayEnd && this.socket.bytesWritten === this.#written;
  }

  /** Nothing is under way on it, and it is not theirs: what Node has answered by itself, without an event, is over. */
  get mayEnd(): boolean {
    return !this.#isTheirs && this.#unanswered.length === 0 && !this.#isWaitedFor;
  }

  /** Kept alive, with nothing of a next request on it. */
  get isIdle(): boolean {
    // What comes behind an early answer is the rest of the request.
    const hasBegun = this.socket.bytesRead !== this.#read && this.#last?.complete !== false;
    return this.#hasAsked && this.isSilent && !hasBegun;
  }

  /** What was written to it when it asked to be upgraded, before anybody heard of that. */
  get writtenBefore(): number {
    return this.#written;
  }

  /** What was read of it is no request yet. */
  noteSilent(): void {
    this.#hasAsked = false;
  }

  noteUpgrade(): void {
    this.#written = this.socket.bytesWritten;
  }

  /** The application was handed the socket. */
  handOver(): void {
    this.#isTheirs = true;
  }

  ask(request: IncomingMessage, response: ServerResponse): void {
    const asked = { request, response };
    this.#hasAsked = true;
    this.#expectsMore = false;
    this.#last = request;
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
      if (this.#draining) this.#endIfAnsweredEarly();
    }
    this.#owner.onAnswered(asked.response, asked.response.writableFinished);
  }

  /** Calls back when all is answered that was asked before, and is with the kernel; never when its client leaves. */
  afterAnswers(act: () => void): void {
    const older = responseOn(this.socket);
    if (this.#unanswered.length === 0 && older === undefined) return act();
    this.#afterAnswers = act;
    this.#bearErrors();
    this.socket.on("drain", this.#onDrain);
    // One that had begun before us is known to Node alone.
    if (this.#unanswered.length === 0) older!.once("close", () => this.#callBehindAnswers());
  }

  /**
   * Node takes its own listeners off a socket that asks to be upgraded, also while answers are written to it. Ours stays:
   * an error may be on its way when the last answer has closed.
   */
  #bearErrors(): void {
    if (this.#bearsErrors) return;
    this.#bearsErrors = true;
    this.socket.on("error", ignoreError);
  }

  #callBehindAnswers(): void {
    const act = this.#afterAnswers;
    if (act === undefined) return;
    this.#afterAnswers = undefined;
    this.socket.off("drain", this.#onDrain);
    // Node begins to count how long it is kept alive.
    this.socket.setTimeout(0);
    act();
  }

  readonly #onDrain = (): void => void responseOn(this.socket)?.emit("drain");

  /** From here on the last answer says that it is the last. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const { response } of this.#unanswered) this.#endBehind(response);
    this.#endIfAnsweredEarly();
  }

  /** Answered, and its body still comes: unread at the end it would reset the answer away. */
  #endIfAnsweredEarly(): void {
    if (this.mayEnd && this.#last?.complete === false) this.end();
  }

  /**
   * Says so when the head of this answer is written, if nothing was asked behind it by then. Said earlier it would cut
   * off what is pipelined: Node ends the socket behind it, and executes what it has read all the same.
   */
  #endBehind(response: ServerResponse): void {
    if (response.headersSent) return;
    const writeHead = response.writeHead.bind(response) as (...given: unknown[]) => ServerResponse;
    response.writeHead = (...given: unknown[]) => {
      const isLast = this.#unanswered.at(-1)?.response === response && !this.#isWaitedFor;
      if (!isLast || response.headersSent) return writeHead(...given);
      // Not by a header of ours: with one Node joins what was given to writeHead() as a list, and repeated ones are lost.
      response.shouldKeepAlive = false;
      const written = writeHead(...given);
      if (saysLast(response)) this.#becomeOver();
      return written;
    };
  }

  /**
   * Nothing more is served on it. Node would destroy the socket behind the last answer, and with input that is not read
   * the kernel resets it, and the answer is lost. So it is closed in stages (RFC 9112 §9.6): FIN, then reading on.
   */
  #becomeOver(): void {
    this.#isOver = true;
    this.socket.destroySoon = () => this.end();
  }

  /** It is told that nothing is served, and Node's parser does not know that. */
  noteRefused(): void {
    this.#isOver = true;
  }

  /** Reads what nobody is to hear of: unread, it would stop the socket, and the end would be a reset. */
  readOn(request: IncomingMessage): void {
    request.resume();
    this.#bearErrors();
    this.socket.resume();
  }

  /**
   * Sends FIN, and reads on for a while: what crosses it gets no reset, and is not served. Nor is the answer destroyed by
   * one, while its client goes on reading what the kernel holds of it.
   */
  end(): void {
    this.#isOver = true;
    if (this.#lingering !== undefined) return;
    this.socket.end();
    this.#lingerOn(Infinity);
    this.#owner.onEnding(this);
  }

  #lingerOn(held: number): void {
    this.#lingering = systemClock.after(LINGER_TIMEOUT, () => {
      systemKernel.unacknowledged(this.socket, (holds) => {
        if (holds === 0 || holds >= held) this.socket.destroy();
        else this.#lingerOn(holds);
      });
    });
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
    systemKernel.forget(this.socket);
    this.socket.off("close", this.#onClose);
    systemClock.cancel(this.#lingering);
  }

  readonly #onClose = (): void => {
    systemKernel.forget(this.socket);
    // Of answers that wait for others on the same socket Node never says that they are over.
    systemClock.cancel(this.#lingering);
    const left = this.#unanswered;
    this.#unanswered = [];
    for (const { response } of left) this.#owner.onAnswered(response, false);
    this.#owner.onGone(this);
  };
}

/**
 * The response that is written to a socket now. Node hands out none that had begun before us; this property is where it
 * keeps it (Node 20 to 26), and without it nothing is waited for that had begun.
 */
export function responseOn(socket: Socket): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })["_httpMessage"] ?? undefined;
}

/** Whether the head of a response, which is written, says that it is the last; the application may have said otherwise. */
function saysLast(response: ServerResponse): boolean {
  return (response as { _last?: boolean })["_last"] ?? true;
}
