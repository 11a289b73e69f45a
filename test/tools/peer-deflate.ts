/**
 * permessage-deflate for a client that does each step by hand: synchronous, on zlib's own functions, with the last
 * bytes of what went before as a dictionary where the context is taken over. It shares nothing with the server's.
 */
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";

/** What ends every flushed block, and is not sent (RFC 7692 §7.2.1). */
const TRAILER = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/** One direction: what went before, as far as a window reaches. */
class Context {
  readonly #windowBits: number;
  readonly #takeover: boolean;
  #before = Buffer.alloc(0);

  constructor(windowBits: number, takeover: boolean) {
    this.#windowBits = windowBits;
    this.#takeover = takeover;
  }

  get options() {
    const dictionary = this.#before.length > 0 ? { dictionary: this.#before } : {};
    return { windowBits: this.#windowBits, finishFlush: constants.Z_SYNC_FLUSH, ...dictionary };
  }

  pass(message: Buffer): Buffer {
    if (this.#takeover) {
      this.#before = Buffer.concat([this.#before, message]).subarray(-(2 ** this.#windowBits));
    }
    return message;
  }
}

export class PeerDeflate {
  readonly #ours: Context;
  readonly #theirs: Context;

  /** `agreed` is the server's Sec-WebSocket-Extensions header. */
  constructor(agreed: string) {
    const bits = (name: string): number => Number(new RegExp(`${name}=(\\d+)`).exec(agreed)?.[1] ?? 15);
    this.#ours = new Context(bits("client_max_window_bits"), !agreed.includes("client_no_context_takeover"));
    this.#theirs = new Context(
      bits("server_max_window_bits"),
      !agreed.includes("server_no_context_takeover"),
    );
  }

  deflate(message: Buffer): Buffer {
    const compressed = deflateRawSync(message, this.#ours.options);
    this.#ours.pass(message);
    return compressed.subarray(0, -TRAILER.length);
  }

  /** Throws what zlib throws. */
  inflate(payload: Buffer): Buffer {
    return this.#theirs.pass(inflateRawSync(Buffer.concat([payload, TRAILER]), this.#theirs.options));
  }
}
