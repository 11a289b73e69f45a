/** What the kernel holds for a peer, and what that says of the peer: whether it reads, and what it never got. */
import type { Channel } from "./channel.js";
import type { Kernel } from "./kernel.js";

export class KernelLooks {
  readonly #channel: Channel;
  readonly #kernel: Kernel;
  /** What the peer's side had acknowledged at the last look, and what it had not, in bytes. */
  #acknowledged = Infinity;
  #hasRead = false;
  #hasAll: boolean | undefined;
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
      // The kernel of a process that stands takes what its buffer has room for. Only what waits for room shows who reads.
      const wasStuck = this.#unacknowledged > 0 && unacknowledged > 0;
      if (wasStuck && acknowledged > this.#acknowledged) this.#hasRead = true;
      this.#hasAll = unacknowledged === 0;
      this.#acknowledged = acknowledged;
      this.#unacknowledged = unacknowledged;
      tell(acknowledged, unacknowledged);
    });
  }

  /** Whether a look has shown, since this was asked last, that the peer reads what it is sent. */
  takeHasRead(): boolean {
    const hasRead = this.#hasRead;
    this.#hasRead = false;
    return hasRead;
  }

  /** Whether the peer's side had all that it was sent, at the last look; undefined if none was since this was asked. */
  takeHasAll(): boolean | undefined {
    const hasAll = this.#hasAll;
    this.#hasAll = undefined;
    return hasAll;
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
