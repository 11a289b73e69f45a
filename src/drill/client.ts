/**
 * One WebSocket client of a drill, on a plain socket and our own frames, so that it can misbehave. It notes what it
 * sees and when; what that means is judged elsewhere.
 */
import { performance, setTimeout, clearTimeout, setInterval, clearInterval } from "./real-timers.js";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { CloseCode, encodeClosePayload } from "../wire/close.js";
import { Decoder } from "../wire/decoder.js";
import { encodeFrame, Opcode } from "../wire/frame.js";
import type { Violation } from "../wire/violation.js";
import { DelayLine } from "./delay.js";
import { messageOf } from "./errors.js";
import { readAnswer, upgradeRequest, type UpgradeTarget } from "./handshake.js";
import { connectSocket, resetSocket } from "./socket.js";

/** How a client departs from one that keeps every rule. */
export interface Behaviour {
  /** Default true. */
  answersPing: boolean;
  /** "behind more": it goes on sending first. Default "at once". */
  answersClose: "at once" | "behind more" | "never";
  /** Milliseconds that everything takes on its way, in each direction. Default 0. */
  delay: number;
}

/** A client that keeps every rule. */
export const wellBehaved: Behaviour = {
  answersPing: true,
  answersClose: "at once",
  delay: 0,
};

/** What a client tells as it happens. */
export interface ClientListener {
  onMessage(data: string | Buffer): void;
  /** The server's Close, a FIN, a reset, a violation: nothing more is to be sent. Called once. */
  onEnding(): void;
  /** Both directions are over. Called once. */
  onEnded(): void;
}

/** Bytes that the server may send as one message: more would be kept for nothing. */
const MAX_MESSAGE = 64 * 1024 * 1024;

/** Behind both Close frames it is the server's turn to end TCP (RFC 6455 §7.1.1); a client does not wait forever. */
const FIN_PATIENCE = 2_000;

/** How often a client that reads at a rate takes its share. */
const READ_EVERY = 10;

/** The clock of a run: milliseconds since its load began. */
export type Clock = () => number;

/** A client. `connect()`, then `open()`, then the rest. */
export class Client {
  /** When TCP was connected: the server's system has accepted it, and the server may not know. */
  connectedAt: number | undefined;
  /** Of its TCP connection. */
  localPort: number | undefined;
  openedAt: number | undefined;
  refused: string | undefined;
  /** Whether the refusal is an answer: something that the client was told, in words of HTTP. */
  refusedByAnswer = false;
  refusedAt: number | undefined;
  close: { at: number; code: number; reason: string } | undefined;
  closeSentAt: number | undefined;
  finSentAt: number | undefined;
  finAt: number | undefined;
  resetAt: number | undefined;
  endedAt: number | undefined;
  endedFirst: "server" | "client" | undefined;
  violation: string | undefined;
  failure: string | undefined;

  readonly #target: UpgradeTarget;
  readonly #behaviour: Behaviour;
  readonly #listener: ClientListener;
  readonly #now: Clock;
  readonly #key = randomBytes(16).toString("base64");
  readonly #mask = randomBytes(4);
  readonly #outbound: DelayLine;
  readonly #inbound: DelayLine;
  readonly #decoder: Decoder;
  #socket: Socket | undefined;
  #head: Buffer | undefined = Buffer.alloc(0);
  #opened: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reading: NodeJS.Timeout | undefined;
  #isEnding = false;
  #isMute = false;
  #isDestroyed = false;

  constructor(target: UpgradeTarget, behaviour: Behaviour, now: Clock, listener: ClientListener) {
    this.#target = target;
    this.#behaviour = behaviour;
    this.#now = now;
    this.#listener = listener;
    this.#outbound = new DelayLine(behaviour.delay);
    this.#inbound = new DelayLine(behaviour.delay);
    this.#decoder = new Decoder(
      {
        onMessage: (data) => listener.onMessage(data),
        // Not agreed on: the decoder refuses such a frame.
        onCompressedMessage: () => {},
        onPing: (payload) => {
          if (behaviour.answersPing) this.sendFrame(Opcode.pong, payload);
        },
        onPong: () => {},
        onClose: (code, reason) => this.#onClose(code, reason),
        onViolation: (violation) => this.#onViolation(violation),
      },
      { maxPayload: MAX_MESSAGE, maxFragments: 2 ** 20, masked: false, compression: false },
    );
  }

  /** Whether messages can be sent: it is open, and nobody has ended it. */
  get isOpen(): boolean {
    return this.openedAt !== undefined && !this.#isEnding && !this.#isDestroyed;
  }

  /** Whether both directions are over, or there never was a connection. */
  get isOver(): boolean {
    return this.endedAt !== undefined || this.#isDestroyed;
  }

  /** Connects TCP, and TLS. Resolves also when that fails: `refused` says so. */
  async connect(): Promise<void> {
    const began = (socket: Socket): void => {
      this.#socket = socket;
      // Until it is ours: the one that waits for it hears of its errors.
      socket.on("error", () => {});
    };
    const connected = ({ localPort }: Socket): void => {
      this.connectedAt = this.#now();
      this.localPort = localPort;
    };
    try {
      this.#take(await connectSocket(this.#target.endpoint, began, connected));
    } catch (error) {
      this.#socket = undefined;
      if (this.#isDestroyed) return;
      // One that was given up has ended by our own doing.
      if (this.refused === undefined) this.#refuse((error as NodeJS.ErrnoException).code ?? messageOf(error));
      this.#ended();
    }
  }

  /** Sends the opening handshake. Resolves when it is answered, or the connection is over. */
  async open(): Promise<void> {
    // One that speaks first, and not HTTP, is refused before it is asked.
    if (this.#socket === undefined || this.isOver || this.refused !== undefined) return;
    const answered = new Promise<void>((resolve) => (this.#opened = resolve));
    this.#write(Buffer.from(upgradeRequest(this.#target, this.#key), "latin1"));
    await answered;
  }

  /**
   * A message, whole or in fragments of these lengths and a rest. `sent` is called when it was handed to the system,
   * and never when it was not.
   */
  send(data: string | Buffer, sent: () => void, fragments: readonly number[] = []): void {
    const opcode = typeof data === "string" ? Opcode.text : Opcode.binary;
    if (fragments.length === 0) {
      this.#write(encodeFrame(opcode, data, { mask: this.#mask }), sent);
      return;
    }
    const bytes = Buffer.from(data as string);
    let start = 0;
    for (const [index, length] of fragments.entries()) {
      // By its place: the first fragment may be empty.
      const frame = index === 0 ? opcode : Opcode.continuation;
      this.sendFrame(frame, bytes.subarray(start, start + length), false);
      // Control frames may come between fragments (RFC 6455 §5.4).
      this.ping("between");
      start += length;
    }
    const rest = encodeFrame(Opcode.continuation, bytes.subarray(start), { mask: this.#mask });
    this.#write(rest, sent);
  }

  sendFrame(opcode: Opcode, payload: string | Buffer = "", final = true): void {
    this.#write(encodeFrame(opcode, payload, { final, mask: this.#mask }));
  }

  ping(payload: string): void {
    this.sendFrame(Opcode.ping, payload);
  }

  /** How much waits in the socket's own buffer. */
  get bufferedBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  /** Sends half of a frame. After that it can say nothing any more: it would be taken for the rest of the frame. */
  sendHalfFrame(): void {
    const frame = encodeFrame(Opcode.text, "never said in full", { mask: this.#mask });
    this.#write(frame.subarray(0, frame.length / 2));
    this.#isMute = true;
  }

  /** Answers the server's Close, if that has not been done, unless it never does. */
  answerClose(): void {
    if (this.#behaviour.answersClose === "never") return;
    if (this.close === undefined || this.closeSentAt !== undefined || !this.#canWrite()) return;
    this.closeSentAt = this.#now();
    this.sendFrame(Opcode.close, encodeClosePayload(this.close.code, ""));
    this.#isMute = true;
    if (this.finAt !== undefined) this.#end();
    else this.#timer ??= setTimeout(() => this.#end(), FIN_PATIENCE);
  }

  /** Reads nothing more, until it reads on. */
  stopReading(): void {
    this.#socket?.pause();
  }

  readOn(): void {
    this.#socket?.resume();
  }

  /** Reads so many bytes a second from now on, evenly: what it does not take stays with the system, and the server. */
  readAt(rate: number): void {
    const socket = this.#socket;
    if (socket === undefined || this.isOver) return;
    socket.pause();
    let readAt = performance.now();
    this.#reading = setInterval(() => {
      const allowed = Math.floor(((performance.now() - readAt) / 1_000) * rate);
      if (allowed === 0) return;
      // A time in which nothing was there is not made up for by reading faster.
      readAt = performance.now();
      // 0 asks the system for more, where nothing is there yet, and tells of the end.
      socket.read(Math.min(allowed, socket.readableLength));
    }, READ_EVERY);
  }

  /** Ends its side of TCP, and reads on. */
  halfClose(): void {
    this.endedFirst ??= "client";
    this.#end();
  }

  /** Waits no longer to be let in. */
  giveUp(): void {
    if (this.openedAt !== undefined || this.refused !== undefined) return;
    this.#refuse("no answer");
    if (this.connectedAt === undefined) this.#socket?.destroy();
    else this.#end();
  }

  /** RST. */
  reset(): void {
    if (this.#socket === undefined || this.isOver) return;
    this.endedFirst ??= "client";
    this.#isMute = true;
    resetSocket(this.#socket);
  }

  /** Says goodbye as a client should, and leaves. */
  leave(): void {
    if (!this.isOpen) return;
    this.endedFirst ??= "client";
    this.closeSentAt = this.#now();
    this.sendFrame(Opcode.close, encodeClosePayload(CloseCode.normal, ""));
    this.#isMute = true;
    this.#timer ??= setTimeout(() => this.#end(), FIN_PATIENCE);
  }

  /** Takes it down, whatever its state. Nothing is noted or told any more. */
  destroy(): void {
    this.#isDestroyed = true;
    this.#release();
    this.#socket?.destroy();
    this.#opened?.();
  }

  #take(socket: Socket): void {
    this.#socket = socket;
    // One that was destroyed while it connected.
    if (this.#isDestroyed) {
      socket.destroy();
      return;
    }
    socket.on("data", (chunk: Buffer) => this.#inbound.send(() => this.#onData(chunk)));
    socket.on("end", () => this.#inbound.send(() => this.#onFin()));
    socket.on("error", (error: NodeJS.ErrnoException) => this.#inbound.send(() => this.#onError(error)));
    socket.on("close", () => this.#inbound.send(() => this.#ended()));
  }

  #onData(chunk: Buffer): void {
    // A body that comes with a refusal is nothing to us.
    if (this.#isDestroyed || this.refused !== undefined) return;
    if (this.#head === undefined) {
      this.#decoder.push(chunk);
      return;
    }
    this.#head = Buffer.concat([this.#head, chunk]);
    const answer = readAnswer(this.#head, this.#key, this.#target);
    if (answer === undefined) return;
    this.#head = undefined;
    if (answer.refused !== undefined) {
      this.refusedByAnswer = answer.isHttp;
      this.#refuse(answer.refused);
      this.#end();
      return;
    }
    this.openedAt = this.#now();
    this.#opened?.();
    if (answer.rest.length > 0) this.#decoder.push(answer.rest);
  }

  #onClose(code: number, reason: string): void {
    this.endedFirst ??= "server";
    this.close = { at: this.#now(), code, reason };
    this.#ending();
    if (this.#behaviour.answersClose === "at once") this.answerClose();
  }

  #onViolation({ violated, explanation }: Violation): void {
    // Limits are ours: RFC 6455 allows a server longer messages.
    const isLimit = violated === CloseCode.messageTooBig || violated === CloseCode.policyViolation;
    if (isLimit) this.failure ??= explanation;
    else this.violation ??= explanation;
    this.#ending();
    this.#end();
  }

  #onFin(): void {
    if (this.#isDestroyed) return;
    this.endedFirst ??= "server";
    this.finAt = this.#now();
    this.#ending();
    // One that goes on sending behind the Close does so behind the FIN too, and answers then.
    const owesAnswer = this.close !== undefined && this.closeSentAt === undefined;
    if (!owesAnswer || this.#behaviour.answersClose !== "behind more") this.#end();
  }

  #onError({ code }: NodeJS.ErrnoException): void {
    if (this.#isDestroyed || this.endedAt !== undefined) return;
    // EPIPE: a reset that was met while writing.
    if (code === "ECONNRESET" || code === "EPIPE") {
      this.endedFirst ??= "server";
      this.resetAt ??= this.#now();
    } else {
      this.failure ??= `the connection failed (${code})`;
    }
    this.#ending();
  }

  #ending(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (this.openedAt !== undefined) this.#listener.onEnding();
  }

  #ended(): void {
    if (this.endedAt !== undefined || this.#isDestroyed) return;
    if (this.openedAt === undefined && this.refused === undefined) {
      this.#refuse(this.resetAt === undefined ? "ended without an answer" : "reset without an answer");
    }
    this.endedAt = this.#now();
    this.#ending();
    this.#release();
    this.#listener.onEnded();
  }

  #refuse(reason: string): void {
    this.refused = reason;
    this.refusedAt = this.#now();
    this.#opened?.();
  }

  #release(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#reading);
    this.#outbound.cut();
    this.#inbound.cut();
  }

  #end(): void {
    if (this.finSentAt !== undefined) return;
    this.finSentAt = this.#now();
    this.#outbound.send(() => this.#socket?.end());
  }

  #canWrite(): boolean {
    return (
      !this.#isMute && !this.#isDestroyed && this.finSentAt === undefined && this.#socket?.writable === true
    );
  }

  #write(bytes: Buffer, sent?: () => void): void {
    if (!this.#canWrite()) return;
    if (sent !== undefined && this.#behaviour.delay > 0) sent();
    this.#outbound.send(() => {
      if (this.#socket?.writable !== true) return;
      if (sent === undefined || this.#behaviour.delay > 0) this.#socket.write(bytes);
      else this.#socket.write(bytes, (error) => (error ? undefined : sent()));
    });
  }
}
