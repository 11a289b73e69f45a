/** What a client sends before its handshake is answered. */
import type { Duplex } from "node:stream";

/** Bytes that a client may send ahead of the answer to its handshake; then its socket is not read. */
const MAX_EARLY_BYTES = 64 * 1024;

/** Reads a socket whose handshake waits, since only that shows when its client leaves. */
export class EarlyBytes {
  readonly #socket: Duplex;
  #chunks: Buffer[];
  #length: number;

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#chunks = [head];
    this.#length = head.length;
    socket.on("data", this.#onData);
  }

  /** Stops reading, and returns what has come. */
  take(): Buffer {
    this.#socket.off("data", this.#onData);
    return Buffer.concat(this.#chunks);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length >= MAX_EARLY_BYTES) this.#socket.pause();
  };
}
