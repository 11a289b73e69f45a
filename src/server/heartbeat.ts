/** Finds dead peers, with one timer for all connections. */
import type { HeartbeatOptions } from "./options.js";

/** What the heartbeat asks of a connection. */
export interface Beating {
  /** `elapsed` ms have passed since the last time. */
  heartbeat(elapsed: number, options: HeartbeatOptions): void;
}

/** Looks this many times per interval or timeout, whichever is shorter: a peer is found dead at most that much late. */
const LOOKS = 4;

export class Heartbeat {
  readonly #connections: Iterable<Beating>;
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(connections: Iterable<Beating>, options: HeartbeatOptions) {
    this.#connections = connections;
    this.#options = options;
  }

  start(): void {
    const elapsed = Math.max(1, Math.min(this.#options.interval, this.#options.timeout) / LOOKS);
    this.#timer ??= setInterval(() => {
      for (const connection of this.#connections) connection.heartbeat(elapsed, this.#options);
    }, elapsed);
    // The sockets it watches keep the process alive; it has no reason of its own to.
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

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
