/**
 * When a peer that shows nothing is given up: one that does not read what it is sent, does not answer Close, or does not
 * end TCP. Whatever shows that it goes on restarts the wait.
 */
import type { EndingOptions, EndingState } from "./events.js";

/** How long the peer may show nothing, in milliseconds. */
export type ProgressLimits = Pick<EndingOptions, "closeTimeout" | "lingerTimeout">;

/** Outside a shutdown nobody waits for us: peers get this long to read, to answer Close, and to end TCP. */
export const UNHURRIED: ProgressLimits = { closeTimeout: 30_000, lingerTimeout: 30_000 };

export class Progress {
  #unsent = false;
  #seenAt = 0;
  #lingeringSince = 0;

  /** Whether bytes wait to be sent. */
  get hasUnsent(): boolean {
    return this.#unsent;
  }

  /** Bytes wait to be sent. */
  unsent(now: number): void {
    this.#unsent = true;
    this.#seenAt = now;
  }

  /** None wait any more. */
  sent(now: number): void {
    this.#unsent = false;
    this.#seenAt = now;
    this.#lingeringSince = now;
  }

  /** The peer was seen to read or to answer, or its time begins here. */
  seen(now: number): void {
    this.#seenAt = now;
  }

  /** Our FIN is on its way: the peer's is waited for from here. */
  linger(now: number): void {
    this.#lingeringSince = now;
  }

  /** What was under way goes on within other limits, counted from here. */
  restart(now: number): void {
    this.#seenAt = now;
    this.#lingeringSince = now;
  }

  /** When the socket is given up, if nothing is seen until then. */
  giveUpAt(state: EndingState, { closeTimeout, lingerTimeout }: ProgressLimits): number {
    switch (state) {
      case "ending":
        // A handler may be waiting for room in the outbox.
        return this.#unsent ? this.#seenAt + closeTimeout : Infinity;
      case "closing":
        return this.#seenAt + closeTimeout;
      case "lingering": {
        if (this.#unsent) return this.#seenAt + closeTimeout;
        // A peer that still reads what the kernel holds answers Pings in between; on a socket that is gone, its Pongs
        // would be answered with a reset, which destroys the rest.
        const isReading = this.#seenAt > this.#lingeringSince;
        return Math.max(this.#lingeringSince + lingerTimeout, isReading ? this.#seenAt + closeTimeout : 0);
      }
      default:
        return Infinity;
    }
  }
}
