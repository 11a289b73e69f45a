/**
 * When a peer that shows nothing is given up: one that does not read what it is sent, does not answer a Ping or Close, or
 * does not end TCP. Whatever shows that it goes on restarts the wait.
 *
 * A peer that reads slowly shows nothing for long: the kernel may hold megabytes for it. So the kernel is looked at, once
 * early in a wait and once before the peer is given up, and what it was acknowledged in between is a sign too.
 */
import type { EndingOptions, EndingState } from "./events.js";

/** How long the peer may show nothing, in milliseconds. */
export type ProgressLimits = Pick<EndingOptions, "barrierTimeout" | "closeTimeout" | "lingerTimeout">;

/** Outside a shutdown nobody waits for us: peers get this long to read, to answer Close, and to end TCP. */
export const UNHURRIED: ProgressLimits = {
  barrierTimeout: Infinity,
  closeTimeout: 30_000,
  lingerTimeout: 30_000,
};

/** The early look comes after this part of the wait: later than an answer over a long way. */
const EARLY = 1 / 4;

/** A look is waited for so long, in milliseconds. */
const LOOK_TIMEOUT = 1_000;

export class Progress {
  #unsent = false;
  #seenAt = 0;
  #lingeringSince = 0;

  /** Since when a look is under way. */
  #lookingSince: number | undefined;
  #lookedAt = -Infinity;
  #acknowledged = 0;
  #unacknowledged = 0;

  /** Whether bytes wait to be sent. */
  get hasUnsent(): boolean {
    return this.#unsent;
  }

  /** Whether there are bytes that wait to be sent, or that the peer's side had not acknowledged when it was looked for. */
  get hasUndelivered(): boolean {
    return this.#unsent || this.#unacknowledged > 0;
  }

  /** Bytes wait to be sent. */
  unsent(now: number): void {
    this.#unsent = true;
    this.#seenAt = now;
  }

  /** None wait any more. */
  sent(now: number): void {
    this.#unsent = false;
    this.#seenAt = now;
    this.#lingeringSince = now;
  }

  /** The peer was seen to read or to answer, or its time begins anew. */
  seen(now: number): void {
    this.#seenAt = now;
  }

  /**
   * The peer is sent a Ping or Close, and its time begins here. What was looked at before says nothing any more: its side
   * acknowledges what is new without having read it.
   */
  asked(now: number): void {
    this.#seenAt = now;
    this.#lookedAt = -Infinity;
  }

  /** Our FIN is on its way: the peer's is waited for from here. */
  linger(now: number): void {
    this.#lingeringSince = now;
  }

  /** What was under way goes on within other limits, counted from here. */
  restart(now: number): void {
    this.#seenAt = now;
    this.#lingeringSince = now;
  }

  /** A look begins. */
  look(now: number): void {
    this.#lookingSince = now;
  }

  /** What it showed. */
  looked({ acknowledged, unacknowledged }: Look, now: number): void {
    if (this.#lookedAt > -Infinity && acknowledged > this.#acknowledged) this.#seenAt = now;
    this.#lookingSince = undefined;
    this.#lookedAt = now;
    this.#acknowledged = Math.max(acknowledged, this.#acknowledged);
    this.#unacknowledged = unacknowledged;
  }

  /** Whether a look was begun at this time or later. */
  hasLookedSince(time: number): boolean {
    return (this.#lookingSince ?? this.#lookedAt) >= time;
  }

  /** When to look next. */
  lookAt(state: EndingState, limits: ProgressLimits): number {
    if (this.#lookingSince !== undefined) return Infinity;
    const end = this.#endOfWait(state, limits);
    if (end === Infinity || this.#lookedAt >= this.#seenAt) return end;
    const wait = state === "draining" ? limits.barrierTimeout : limits.closeTimeout;
    return Math.min(end, this.#seenAt + EARLY * wait);
  }

  /** When the socket is given up, if nothing is seen until then: never before it was looked for. */
  giveUpAt(state: EndingState, limits: ProgressLimits): number {
    const end = this.#endOfWait(state, limits);
    if (this.#lookingSince !== undefined) return Math.max(end, this.#lookingSince + LOOK_TIMEOUT);
    return this.#lookedAt >= end ? end : Infinity;
  }

  #endOfWait(state: EndingState, { barrierTimeout, closeTimeout, lingerTimeout }: ProgressLimits): number {
    switch (state) {
      case "draining":
        return this.#seenAt + barrierTimeout;
      case "ending":
        // A handler may be waiting for room in the outbox.
        return this.#unsent ? this.#seenAt + closeTimeout : Infinity;
      case "closing":
        return this.#seenAt + closeTimeout;
      case "lingering": {
        if (this.#unsent) return this.#seenAt + closeTimeout;
        // A peer that still reads what the kernel holds will answer: on a socket that is gone its Close would be met by a
        // reset, which destroys the rest.
        const isReading = this.#unacknowledged > 0 || this.#seenAt > this.#lingeringSince;
        return Math.max(this.#lingeringSince + lingerTimeout, isReading ? this.#seenAt + closeTimeout : 0);
      }
      default:
        return Infinity;
    }
  }
}

/** What a look at the kernel shows, in bytes. */
interface Look {
  acknowledged: number;
  unacknowledged: number;
}
