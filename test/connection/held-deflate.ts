/** zlib in the hands of a test: a job is done when the test says so, and what comes of it can be read. */
import { Compression, type PerMessageDeflate } from "../../src/connection/compression.js";

type Inflate = (payload: string) => string | NodeJS.ErrnoException;

export class HeldDeflate implements PerMessageDeflate {
  /** How often zlib's memory was given back. */
  cleanups = 0;
  readonly #inflate: Inflate;
  readonly #jobs: (() => void)[] = [];

  constructor(inflate: Inflate = (payload) => `inflated ${payload}`) {
    this.#inflate = inflate;
  }

  /** Jobs that were begun and are not done. */
  get jobs(): number {
    return this.#jobs.length;
  }

  /** The oldest job is done. */
  finish(): void {
    this.#jobs.shift()!();
  }

  compress(data: Buffer, _final: boolean, callback: (error: Error | null, result: Buffer) => void): void {
    this.#jobs.push(() => callback(null, Buffer.from(`deflated ${data.length}`)));
  }

  decompress(
    data: Buffer,
    _final: boolean,
    callback: (error: NodeJS.ErrnoException | null, result: Buffer) => void,
  ): void {
    this.#jobs.push(() => {
      const result = this.#inflate(String(data));
      if (result instanceof Error) callback(result, Buffer.alloc(0));
      else callback(null, Buffer.from(result));
    });
  }

  cleanup(): void {
    this.cleanups++;
  }
}

/** Compression on top of it, of messages from so many bytes on. */
export function heldCompression({
  threshold = 10,
  inflate,
}: { threshold?: number; inflate?: Inflate } = {}): {
  deflate: HeldDeflate;
  compression: Compression;
} {
  const deflate = new HeldDeflate(inflate);
  const compression = new Compression(deflate, { threshold, maxPayload: 2 ** 20, remembers: true });
  return { deflate, compression };
}
