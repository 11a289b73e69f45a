/** The promises and signals of one connection. Made when a handler asks for the first of them: they cost memory. */
import { setMaxListeners } from "node:events";
import type { Clock, Timer } from "../base/clock.js";
import { defer, mayBeIgnored, type Deferred } from "../base/deferred.js";
import { ConnectionGoneError } from "../base/errors.js";
import { describeWhy, type WhyEnded } from "../drain/cause.js";
import type { ConnectionClosed } from "./handler.js";
import type { OnSent } from "./outbox.js";
import { SentPings } from "./sent-pings.js";

/**
 * How long nothing but its handler may keep a connection until `closed` resolves all the same. Most handlers return at
 * once when their input ends, and `closed` tells then how it has really ended.
 */
const HANDLER_GRACE = 100;

/** What a connection is at the moment. */
export interface Standing {
  readonly clock: Clock;
  /** Whether anything can still be sent. */
  readonly isOpen: boolean;
  readonly isOutboxLow: boolean;
  /** It is on its way out: a shutdown has reached it, or nothing more will come of its peer. */
  readonly isLeaving: boolean;
  /** Nobody can hear an answer any more. */
  readonly isUnheard: boolean;
  /** Why it ends, once that is known. */
  readonly why: WhyEnded | undefined;
  /** How it has ended, when its socket is gone. */
  readonly closed: ConnectionClosed | undefined;
  /** The same; also how it ends, while nothing but its handler keeps it. */
  readonly outcome: ConnectionClosed | undefined;
  /** Sends a Ping and returns its number. */
  ping(): number;
  /** Calls back, at once or later, when the kernel has what was accepted until now; with an error when it never will. */
  whenSent(onSent: OnSent): void;
}

export class Moments {
  readonly #connection: Standing;
  #signal: AbortController | undefined;
  #draining: AbortController | undefined;
  #closed: Deferred<ConnectionClosed> | undefined;
  #flushed: Deferred<void> | undefined;
  #pings: SentPings | undefined;
  /** How long it is kept by nothing but a handler that may be waiting for `closed`. */
  #grace: Timer | undefined;

  constructor(connection: Standing) {
    this.#connection = connection;
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      this.#signal = abortController();
      if (this.#connection.isUnheard) this.onUnheard();
    }
    return this.#signal.signal;
  }

  get draining(): AbortSignal {
    if (this.#draining === undefined) {
      this.#draining = abortController();
      if (this.#connection.isLeaving) this.onLeaving();
    }
    return this.#draining.signal;
  }

  get closed(): Promise<ConnectionClosed> {
    if (this.#closed === undefined) {
      this.#closed = defer();
      const { closed, outcome } = this.#connection;
      if (closed !== undefined) this.#closed.resolve(closed);
      else if (outcome !== undefined) this.onAwaited();
    }
    return this.#closed.promise;
  }

  flushed(): Promise<void> {
    const { closed, isOutboxLow } = this.#connection;
    if (closed !== undefined) return this.#rejected("What waited to be sent was not delivered");
    if (isOutboxLow) return Promise.resolve();
    if (this.#flushed === undefined) {
      this.#flushed = defer();
      void mayBeIgnored(this.#flushed.promise);
    }
    return this.#flushed.promise;
  }

  ping(): Promise<number> {
    if (!this.#connection.isOpen) return this.#rejected("No Ping can be sent");
    this.#pings ??= new SentPings(this.#connection.clock);
    const nonce = this.#connection.ping();
    return mayBeIgnored(this.#pings.wait(nonce, (onSent) => this.#connection.whenSent(onSent)));
  }

  // What the connection goes through

  onOutboxLow(): void {
    this.#flushed?.resolve();
    this.#flushed = undefined;
  }

  onPingAnswered(nonce: number): void {
    this.#pings?.onPong(nonce);
  }

  onLeaving(): void {
    this.#draining?.abort();
  }

  /** A handler that waits for the end would wait for itself. */
  onAwaited(): void {
    if (this.#closed === undefined || this.#grace !== undefined) return;
    this.#grace = this.#connection.clock.after(HANDLER_GRACE, () => {
      this.#grace = undefined;
      const { outcome } = this.#connection;
      if (outcome !== undefined) this.#closed!.resolve(outcome);
    });
  }

  onUnheard(): void {
    this.#signal?.abort(this.#gone("Nobody can hear an answer any more"));
  }

  onClosed(closed: ConnectionClosed): void {
    this.#connection.clock.cancel(this.#grace);
    this.#closed?.resolve(closed);
    this.#flushed?.reject(this.#gone("What waited to be sent was not delivered"));
    this.#pings?.fail(this.#gone("No Pong came"));
  }

  #rejected(what: string): Promise<never> {
    return mayBeIgnored(Promise.reject(this.#gone(what)));
  }

  #gone(what: string): ConnectionGoneError {
    return gone(what, this.#connection.why);
  }
}

/** Each message in hand may use it, and there may be many: Node's warning of a leak at eleven would be wrong. */
function abortController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** What cannot be done any more, and why. */
export function gone(what: string, why: WhyEnded | undefined): ConnectionGoneError {
  return new ConnectionGoneError(
    `${what}: ${why === undefined ? "the connection is over" : describeWhy(why)}.`,
    why?.cause,
  );
}
