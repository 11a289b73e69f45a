/** Finds dead peers, with one timer for all connections. */
import { setInterval, clearInterval } from "../base/real-timers.js";
import type { HeartbeatOptions } from "../connection/options.js";

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
