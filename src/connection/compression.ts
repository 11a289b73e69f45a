/**
 * permessage-deflate (RFC 7692) on one connection, by the class that the `ws` package exports. How it is agreed on, and
 * when that package is loaded: listen/compression-offer.ts.
 *
 * `ws` runs at most ten zlib jobs at a time in a process, whatever their number of connections: more would only
 * fragment memory.
 */
import { isUtf8 } from "node:buffer";
import { CloseCode } from "../wire/close.js";
import type { Violation } from "../wire/violation.js";

/** What we use of the class that `ws` exports. */
export interface PerMessageDeflate {
  compress(data: Buffer, final: boolean, callback: (error: Error | null, result: Buffer) => void): void;
  decompress(
    data: Buffer,
    final: boolean,
    callback: (error: NodeJS.ErrnoException | null, result: Buffer) => void,
  ): void;
  cleanup(): void;
}

/** Memory that may stay with what was inflated last; zlib keeps more than that for itself. */
const SMALL = 16 * 1024;
const NOTHING = Buffer.alloc(0);

/** Compression as it was agreed on with one client. */
export class Compression {
  /** Messages of fewer bytes are not compressed. */
  readonly threshold: number;
  readonly #perMessageDeflate: PerMessageDeflate;
  readonly #maxPayload: number;
  #running = 0;
  #inflating = false;
  /** What to inflate when `ws` has let go of the message before. */
  #next: (() => void) | undefined;
  /** Whether zlib has to keep anything while it has nothing to do. */
  #remembers: boolean;

  /** `remembers`: whether a message is compressed against those before it, in either direction. */
  constructor(
    perMessageDeflate: PerMessageDeflate,
    { threshold, maxPayload, remembers }: { threshold: number; maxPayload: number; remembers: boolean },
  ) {
    this.#perMessageDeflate = perMessageDeflate;
    this.threshold = threshold;
    this.#maxPayload = maxPayload;
    this.#remembers = remembers;
  }

  /** Compresses a message. One at a time: each is compressed against those before it. */
  deflate(message: Buffer, onDone: (payload: Buffer) => void): void {
    this.#running++;
    this.#perMessageDeflate.compress(message, true, (_error, payload) => {
      this.#end();
      onDone(payload);
    });
  }

  /** Inflates a message, and checks text for UTF-8. One at a time, in their order. */
  inflate(payload: Buffer, isText: boolean, onDone: (message: Buffer | Violation) => void): void {
    if (this.#inflating) {
      this.#next = () => this.inflate(payload, isText, onDone);
      return;
    }
    const memory = payload.buffer.byteLength;
    this.#decompress(payload, true, (error, message) => {
      if (error !== null) onDone(this.#violationOf(error));
      else if (!isText || isUtf8(message)) onDone(message);
      else onDone({ violated: CloseCode.invalidPayload, explanation: "a text message that is not UTF-8" });
      if (memory > SMALL) this.#letGo();
    });
  }

  #decompress(
    data: Buffer,
    final: boolean,
    onDone: (error: NodeJS.ErrnoException | null, message: Buffer) => void,
  ): void {
    this.#running++;
    this.#inflating = true;
    this.#perMessageDeflate.decompress(data, final, (error, message) => {
      this.#inflating = false;
      this.#end();
      onDone(error, message);
    });
  }

  /**
   * `ws` keeps its last callback and all that this has in reach, the message among it, until the next one comes. So
   * where none does, it gets a piece of nothing to inflate.
   */
  #letGo(): void {
    if (!this.#remembers || this.#inflating) return;
    this.#decompress(NOTHING, false, () => {
      const next = this.#next;
      this.#next = undefined;
      next?.();
    });
  }

  #violationOf(error: NodeJS.ErrnoException): Violation {
    if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") {
      return {
        violated: CloseCode.messageTooBig,
        explanation: `a message that inflates to over ${this.#maxPayload} bytes, the most that is accepted here`,
      };
    }
    return {
      violated: CloseCode.invalidPayload,
      explanation: "a compressed message that cannot be inflated",
    };
  }

  /** Gives the memory of zlib back. Nothing is inflated or deflated any more. */
  release(): void {
    this.#remembers = false;
    this.#forget();
  }

  #end(): void {
    this.#running--;
    this.#forget();
  }

  #forget(): void {
    // In the middle of a job `ws` would read what its own cleanup has thrown away.
    if (!this.#remembers && this.#running === 0) this.#perMessageDeflate.cleanup();
  }
}
