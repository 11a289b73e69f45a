/** The shutdown of one connection: as that of the server (shutdown.ts), without a door and without guests. */
import type { Clock } from "../base/clock.js";
import type { EndingOptions } from "../drain/events.js";
import type { DrainOptions } from "../drain/options.js";
import { NO_DOOR, type DoorAccount, type DrainReport } from "../drain/report.js";
import { Shutdown, type Drainable, type ShutdownOwner } from "./shutdown.js";

/** The connection that leaves. */
export interface Departing extends Omit<Drainable, "drain"> {
  /** Begins to drain, with options of its own. */
  drain(options: EndingOptions): void;
  /** What happens to its messages from here on is counted there, too. */
  countIn(tally: DrainReport["messages"]): void;
}

export class Departure implements ShutdownOwner {
  readonly clock: Clock;
  readonly connections = new Set<Drainable>();
  readonly #departing: Departing;
  readonly #leaving: Drainable;
  readonly #shutdown: Shutdown;

  constructor(clock: Clock, departing: Departing, options: DrainOptions & EndingOptions) {
    this.clock = clock;
    this.#departing = departing;
    this.#leaving = {
      get handlerRuns() {
        return departing.handlerRuns;
      },
      drain: () => departing.drain(options),
      lastCall: () => departing.lastCall(),
      force: () => departing.force(),
      account: () => departing.account(),
      destroy: () => departing.destroy(),
    };
    this.connections.add(this.#leaving);
    // What is published is about the server.
    this.#shutdown = new Shutdown(this, options, () => {});
    departing.countIn(this.#shutdown.tally);
    this.#shutdown.begin();
  }

  /** For the connection's own handler: what there is when its patience is over. */
  reportFor(caller: object | undefined): Promise<DrainReport> {
    return this.#shutdown.reportFor(caller === this.#departing ? this.#leaving : caller);
  }

  hasten(given: Partial<DrainOptions>): void {
    this.#shutdown.hasten(given);
  }

  /** It was over before. */
  forgo(): void {
    this.connections.clear();
  }

  /** The connection is over. */
  end(): void {
    this.connections.clear();
    this.#shutdown.connectionClosed(this.#leaving);
  }

  // There is no door.

  doorAccount(): DoorAccount {
    return NO_DOOR;
  }

  closeDoor(): Promise<void> {
    return Promise.resolve();
  }

  closeDoorNow(): void {}

  pendingHandshakes(): number {
    return 0;
  }

  isPending(): boolean {
    return false;
  }

  refuseHandshakes(): void {}

  release(): Promise<void> {
    return Promise.resolve();
  }
}
