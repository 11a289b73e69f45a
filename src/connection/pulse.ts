/** Whether a peer still lives: asked by the heartbeat, which has one timer for all. */
import type { HeartbeatOptions } from "./options.js";

/** What a connection has seen of its peer since it was asked last. */
export interface Signs {
  /** Something came from the peer. */
  heard: boolean;
  /** The kernel took something. */
  wrote: boolean;
  /** We read: an answer does not lie in the kernel. */
  reading: boolean;
  /** Bytes wait to be sent. */
  unsent: boolean;
}

/** One peer's signs of life. */
export class Pulse {
  /** Milliseconds since the last sign, counted while we read. */
  #silentFor = 0;
  #asked = false;
  #stalled = false;

  /**
   * `elapsed` ms have passed, with these signs. Asks for a Ping after `interval` of silence, waits for its answer, and
   * finds the peer dead `timeout` later.
   */
  beat(
    elapsed: number,
    { interval, timeout }: HeartbeatOptions,
    { heard, wrote, reading, unsent }: Signs,
  ): "fine" | "ask" | "wait" | "dead" {
    // What had been stuck can only have moved because the peer reads.
    if (heard || (wrote && this.#stalled)) {
      this.#silentFor = 0;
      this.#asked = false;
    }
    this.#stalled = unsent;
    // The clock stands while we do not read: an answer may lie in the kernel.
    if (!reading) return "fine";
    this.#silentFor += elapsed;
    if (this.#silentFor >= interval + timeout) return "dead";
    if (this.#asked) return "wait";
    if (this.#silentFor < interval) return "fine";
    this.#asked = true;
    return "ask";
  }
}
