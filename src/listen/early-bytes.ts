/** What a client sends before its handshake is answered. */
import type { Duplex } from "node:stream";

/** Bytes that a client may send ahead of the answer to its handshake; then its socket is not read. */
const MAX_EARLY_BYTES = 64 * 1024;

/** What is allocated for the first of them at least. */
const LEAST_ALLOCATION = 256;

/** Reads a socket whose handshake waits, since only that shows when its client leaves. */
export class EarlyBytes {
  readonly #socket: Duplex;
  /** What has come, and room for more: a chunk costs no more than its bytes, however small chunks are. */
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#append(head);
    socket.on("data", this.#onData);
  }

  /** Whether nothing has come. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Stops reading, and returns what has come. */
  take(): Buffer {
    this.#socket.off("data", this.#onData);
    return this.#bytes.subarray(0, this.#length);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#append(chunk);
    if (this.#length >= MAX_EARLY_BYTES) this.#socket.pause();
  };

  #append(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytes.length) this.#grow(length);
    chunk.copy(this.#bytes, this.#length);
    this.#length = length;
  }

  /** Doubles the room, or makes as much as is needed. */
  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length, LEAST_ALLOCATION));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
