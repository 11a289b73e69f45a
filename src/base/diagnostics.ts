/**
 * What is published on Node's `diagnostics_channel`, so that metrics, logs and pages need no hook in the core. Each room
 * has its own events; docs/diagnostics.md lists them.
 */
import { channel, type Channel } from "node:diagnostics_channel";

/** Publishes events of one kind. Nothing is made or sent while nobody subscribes. */
export class Publisher<Event> {
  readonly #channel: Channel<unknown, Event>;

  /** `name` follows `lastcall:`. */
  constructor(name: string) {
    this.#channel = channel(`lastcall:${name}`) as Channel<unknown, Event>;
  }

  /** Publishes what `make` returns, if anyone listens. */
  publish(make: () => Event): void {
    if (this.#channel.hasSubscribers) this.#channel.publish(make());
  }
}
