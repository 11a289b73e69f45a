/**
 * Pongs that wait to be sent. Every Ping is answered, in order, as far as there is room; of what comes beyond that only
 * the latest is kept, as RFC 6455 §5.5.3 allows: a flood of Pings must not fill our memory.
 */

/** Bytes that may wait while the socket is busy; and while it is not, for what one chunk asks that was read of it. */
const MAX_BYTES = 4 * 1024;
const MAX_BYTES_OF_CHUNK = 64 * 1024;

export class Pongs {
  /** Frames one behind the other; a lone one is not copied. */
  #frames: Buffer | undefined;
  #length = 0;
  /** The latest of those for which there was no room. */
  #latest: Buffer | undefined;

  get wait(): boolean {
    return this.#frames !== undefined;
  }

  /** `busy`: what was handed to the socket before waits there. */
  add(frame: Buffer, busy: boolean): void {
    const room = busy ? MAX_BYTES : MAX_BYTES_OF_CHUNK;
    if (this.#frames === undefined) {
      this.#frames = frame;
      this.#length = frame.length;
    } else if (this.#latest !== undefined || this.#length + frame.length > room) {
      this.#latest = frame;
    } else {
      if (this.#frames.length < this.#length + frame.length) this.#grow(this.#frames, room);
      this.#frames.set(frame, this.#length);
      this.#length += frame.length;
    }
  }

  #grow(before: Buffer, room: number): void {
    this.#frames = Buffer.allocUnsafeSlow(before.length < MAX_BYTES ? MAX_BYTES : room);
    this.#frames.set(before);
  }

  /** Takes all that wait, as bytes to be sent. */
  take(): Buffer[] {
    const taken = this.#frames === undefined ? [] : [this.#frames.subarray(0, this.#length)];
    if (this.#latest !== undefined) taken.push(this.#latest);
    this.#frames = undefined;
    this.#length = 0;
    this.#latest = undefined;
    return taken;
  }
}
