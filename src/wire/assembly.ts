/** Room is made for at least this much when bytes arrive before the rest of their message. */
const SMALLEST_CAPACITY = 4096;

/**
 * Gathers a message that arrives in pieces into one buffer.
 *
 * The buffer grows with the bytes that have really come, never with a length that a header only
 * declares; and pieces are copied, so that a fragment of one byte cannot keep the chunk it came in alive.
 */
export class Assembly {
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;
  /** Bytes, from the first on, that have been found to be UTF-8, where that is looked for. */
  checked = 0;

  /** Bytes gathered so far. */
  get length(): number {
    return this.#length;
  }

  /**
   * Copies `source[start..end)` to the end. `expected` is how many bytes may still come, these included: the
   * buffer is not made larger than they need. It must not be less than what really comes, for then every call
   * would make a buffer and copy all that is there. Returns where in `buffer` the copy starts.
   */
  append(source: Buffer, start: number, end: number, expected: number): number {
    const offset = this.#length;
    const needed = offset + (end - start);
    if (needed > this.#buffer.length) {
      const capacity = Math.min(offset + expected, Math.max(SMALLEST_CAPACITY, needed * 2));
      const grown = Buffer.allocUnsafe(capacity);
      this.#buffer.copy(grown, 0, 0, offset);
      this.#buffer = grown;
    }
    source.copy(this.#buffer, offset, start, end);
    this.#length = needed;
    return offset;
  }

  /** The bytes gathered so far, as memory that later calls of `append` may replace. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Everything gathered; the assembly is not used after that. */
  take(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}
