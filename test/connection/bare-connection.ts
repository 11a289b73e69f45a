/** A connection with nothing to it, as the measure of what the real one costs. */
import type { Connection, Handler, Message } from "../../src/index.js";
import { Decoder } from "../../src/wire/decoder.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { MemorySocket } from "../tools/memory-socket.js";
import { RecordingSink, SERVER_OPTIONS } from "../wire/recording.js";

/**
 * The least that a connection can be, for a handler that loops: what is queued, who waits, and what goes out with the
 * next write. No limits, no back-pressure, no end. What the real one costs is held against this.
 */
class BareConnection {
  readonly #socket: MemorySocket;
  readonly #queue: Message[] = [];
  #waiter: ((result: IteratorResult<Message, void>) => void) | undefined;
  #frames: Buffer[] = [];

  constructor(socket: MemorySocket) {
    this.#socket = socket;
    const sink = new RecordingSink();
    sink.onMessage = (message) => this.#take(message);
    const decoder = new Decoder(sink, SERVER_OPTIONS);
    socket.on("data", (chunk: Buffer) => decoder.push(chunk));
  }

  [Symbol.asyncIterator](): AsyncIterator<Message, void, void> {
    return { next: () => this.#next() };
  }

  send(message: Message): void {
    if (this.#frames.length === 0) process.nextTick(() => this.#flush());
    this.#frames.push(encodeFrame(typeof message === "string" ? Opcode.text : Opcode.binary, message));
  }

  #next(): Promise<IteratorResult<Message, void>> {
    const value = this.#queue.shift();
    if (value !== undefined) return Promise.resolve({ value, done: false });
    return new Promise((resolve) => (this.#waiter = resolve));
  }

  #take(message: Message): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter === undefined) this.#queue.push(message);
    else waiter({ value: message, done: false });
  }

  #flush(): void {
    const frames = this.#frames;
    this.#frames = [];
    this.#socket.write(Buffer.concat(frames), () => {});
  }
}

/** The socket of a bare connection that the handler runs on. */
export function runBare(handler: Handler): MemorySocket {
  const socket = new MemorySocket();
  const connection = new BareConnection(socket) as unknown as Connection;
  (handler(connection) as Promise<void>).then(
    () => {},
    () => {},
  );
  return socket;
}
