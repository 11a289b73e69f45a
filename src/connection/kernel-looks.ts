/** What the kernel holds for a peer, and what that says of the peer: whether it reads, and what it never got. */
import type { Channel } from "./channel.js";
import type { Kernel } from "./kernel.js";

export class KernelLooks {
  readonly #channel: Channel;
  readonly #kernel: Kernel;
  /** What the peer's side had acknowledged at the last look, and what it had not, in bytes. */
  #acknowledged = Infinity;
  #unacknowledged = 0;
  #lost = 0;
  #over = false;

  constructor(channel: Channel, kernel: Kernel) {
    this.#channel = channel;
    this.#kernel = kernel;
  }

  /** Bytes that the kernel held when the socket was destroyed. */
  get lostBytes(): number {
    return this.#lost;
  }

  /** Tells, at once or later, how many bytes the peer's side has acknowledged, and how many not yet. */
  look(tell: (acknowledged: number, unacknowledged: number) => void): void {
    this.#channel.look(this.#kernel, (acknowledged, unacknowledged) => {
      // A socket that is gone holds nothing: what is known of it stays.
      if (this.#over) return;
      this.#acknowledged = acknowledged;
      this.#unacknowledged = unacknowledged;
      tell(acknowledged, unacknowledged);
    });
  }

  /** Calls back if the peer's side has taken something since the last look. */
  ifItReads(tell: () => void): void {
    const before = this.#acknowledged;
    this.look((acknowledged) => {
      if (acknowledged > before) tell();
    });
  }

  /** The socket is about to be destroyed, and with it what the kernel holds. */
  noteDestroyed(): void {
    this.#lost = this.#unacknowledged;
  }

  /** The socket is gone. */
  end(): void {
    this.#over = true;
    this.#channel.forgetLooks(this.#kernel);
  }
}
