/** Whether a peer still lives: asked by the heartbeat, which has one timer for all. */
import type { HeartbeatOptions } from "./options.js";

/** One peer's signs of life. */
export class Pulse {
  /** Milliseconds since the last sign, counted while we read. */
  #silentFor = 0;
  #asked = false;
  #stalled = false;

  /** Something came from the peer. */
  onRead(): void {
    this.#silentFor = 0;
    this.#asked = false;
  }

  /** The kernel took something; what had been stuck can only have moved because the peer reads. */
  onWritten(): void {
    if (this.#stalled) this.onRead();
    this.#stalled = false;
  }

  /**
   * `elapsed` ms have passed, in which we did or did not read, and `unsent` tells whether bytes wait to be sent.
   * Asks for a Ping after `interval` of silence, and finds the peer dead `timeout` later.
   */
  beat(
    elapsed: number,
    { interval, timeout }: HeartbeatOptions,
    { reading, unsent }: { reading: boolean; unsent: boolean },
  ): "fine" | "ask" | "dead" {
    this.#stalled = unsent;
    // The clock stands while we do not read: an answer may lie in the kernel.
    if (!reading) return "fine";
    this.#silentFor += elapsed;
    if (this.#silentFor >= interval + timeout) return "dead";
    if (this.#silentFor < interval || this.#asked) return "fine";
    this.#asked = true;
    return "ask";
  }
}
