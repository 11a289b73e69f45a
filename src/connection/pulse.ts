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
  /** Whether the peer's side has acknowledged all that it was sent, our question included; undefined when nobody looked. */
  acknowledged: boolean | undefined;
  /** Bytes wait to be sent. */
  unsent: boolean;
}

/** One peer's signs of life. */
export class Pulse {
  /** Milliseconds since the last sign. */
  #silentFor = 0;
  #asked = false;
  /** The time is over, and the kernel was looked at since. */
  #lookedLast = false;
  #stalled = false;

  /**
   * `elapsed` ms have passed, with these signs. Asks for a Ping after `interval` of silence, waits for its answer, and
   * finds the peer dead `timeout` later.
   */
  beat(
    elapsed: number,
    { interval, timeout }: HeartbeatOptions,
    { heard, wrote, reading, acknowledged, unsent }: Signs,
  ): "fine" | "ask" | "wait" | "dead" {
    // While we do not read, the answer to a question lies in the kernel. That it was acknowledged shows that the peer is
    // there; and a peer that has vanished, or whose process is gone, acknowledges nothing.
    const answered = this.#asked && !reading && acknowledged === true;
    // What had been stuck can only have moved because the peer reads.
    if (heard || answered || (wrote && this.#stalled)) {
      this.#silentFor = 0;
      this.#asked = false;
    }
    this.#stalled = unsent;
    this.#silentFor += elapsed;
    const isOver = this.#silentFor >= interval + timeout;
    // A look from before may have seen the question on its way: the last one begins here.
    const isProven = reading || (this.#lookedLast && acknowledged === false);
    if (isOver && isProven) return "dead";
    this.#lookedLast = isOver;
    if (this.#asked) return "wait";
    if (this.#silentFor < interval) return "fine";
    this.#asked = true;
    return "ask";
  }
}
