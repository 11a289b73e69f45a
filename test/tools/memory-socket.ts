/**
 * A socket without a kernel: what it receives is the chunk that the test hands it, and what is written to it is what
 * the test sees, each write as the buffers that it was made of. It takes everything at once, unless it is told not to.
 */
import { Duplex } from "node:stream";

type Callback = (error?: Error | null) => void;

export class MemorySocket extends Duplex {
  /** The buffers of each write, in order: as `write` would hand them to the kernel, or `writev`. */
  readonly writes: Buffer[][] = [];
  /** Times that `cork` was called. */
  corks = 0;
  /** FIN was sent. */
  ended = false;
  /** Callbacks of writes that are not taken yet, while writes are held. */
  #held: Callback[] | undefined;

  /** What the peer has sent: one chunk. */
  receive(chunk: Buffer | string): void {
    this.push(chunk);
  }

  /** The peer's FIN. */
  receiveEnd(): void {
    this.push(null);
  }

  /** From here on no write is taken, as with a peer that does not read: until it is released, or each by `take`. */
  holdWrites(): { take: () => void; release: () => void } {
    this.#held = [];
    return {
      take: () => this.#held?.shift()?.(),
      release: () => {
        const held = this.#held ?? [];
        this.#held = undefined;
        for (const callback of held) callback();
      },
    };
  }

  /** Resolves when there have been so many writes. */
  async written(count: number): Promise<void> {
    while (this.writes.length < count) await new Promise((resolve) => this.once("written", resolve));
  }

  /** Resolves when FIN was sent. */
  async sentEnd(): Promise<void> {
    if (!this.ended) await new Promise((resolve) => this.once("ended", resolve));
  }

  override cork(): void {
    this.corks++;
    super.cork();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: Callback): void {
    this.#take([chunk], callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: Callback): void {
    this.ended = true;
    callback();
    this.emit("ended");
  }

  #take(buffers: Buffer[], callback: Callback): void {
    this.writes.push(buffers);
    if (this.#held === undefined) callback();
    else this.#held.push(callback);
    this.emit("written");
  }
}
