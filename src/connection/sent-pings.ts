/** Pings that the application sent and waits for. */
import type { Clock } from "../base/clock.js";
import { defer, type Deferred } from "../base/deferred.js";
import type { OnSent } from "./outbox.js";

interface SentPing {
  nonce: number;
  sentAt: number;
  pong: Deferred<number>;
}

export class SentPings {
  readonly #clock: Clock;
  #waiting: SentPing[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with the milliseconds from when this Ping, which was accepted, is sent until a Pong for it. */
  wait(nonce: number, whenSent: (onSent: OnSent) => void): Promise<number> {
    const ping: SentPing = { nonce, sentAt: this.#clock.now(), pong: defer() };
    this.#waiting.push(ping);
    // What stands before it may be many megabytes, or wait for the compressor: that says nothing about the way.
    whenSent(() => (ping.sentAt = this.#clock.now()));
    return ping.pong.promise;
  }

  /** A Pong answers its Ping and all before it (RFC 6455 §5.5.3). */
  onPong(nonce: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.nonce <= nonce) {
      const { sentAt, pong } = this.#waiting.shift()!;
      pong.resolve(this.#clock.now() - sentAt);
    }
  }

  fail(error: Error): void {
    for (const { pong } of this.#waiting) pong.reject(error);
    this.#waiting = [];
  }
}
