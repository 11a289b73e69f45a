/** Pings that the application sent and waits for. */
import type { Clock } from "../base/clock.js";
import { defer, type Deferred } from "../base/deferred.js";

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

  /** Resolves with the milliseconds until a Pong for this Ping. */
  wait(nonce: number): Promise<number> {
    const pong = defer<number>();
    this.#waiting.push({ nonce, sentAt: this.#clock.now(), pong });
    return pong.promise;
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
