/**
 * Finds the moment at which a peer has nothing more to say, without cutting it off in the middle of a conversation.
 *
 * The barrier first: a Ping whose Pong proves that everything the peer put on the wire before it has been read, since
 * frames arrive in order. Then quiet: nothing is partial, queued or in hand, and for a while after the Pong that
 * follows our last reply nothing has come, a while that is never shorter than two round trips.
 *
 * The round trip is the shortest time that a Ping of the drain took. A Ping can only be late: it waits behind a
 * transfer or behind what TCP sends again, and such a wait says nothing of how far the peer is.
 */

/**
 * How often a round trip that makes the wait longer is measured: where packets are lost, two Pings in a row are late now
 * and then.
 */
const SAMPLES = 3;

export class QuietWatch {
  #idle: boolean;
  #barrier: "none" | "waiting" | "proven" | "unproven" = "none";
  #barrierNonce = Infinity;
  #barrierSent = false;

  /** Since when we read, while we do; and how long we had read before that, since the barrier's clock began. */
  #readingSince: number | undefined;
  #readBefore = 0;

  #lastPing = { nonce: 0, at: 0 };
  #roundTrip = Infinity;
  /** How many Pings were measured. */
  #samples = 0;
  /** The first Ping that was sent since the connection became idle: its Pong follows our last reply. */
  #quietNonce: number | undefined;
  #quietSince: number | undefined;

  constructor({ idle, reading }: { idle: boolean; reading: boolean }) {
    this.#idle = idle;
    this.#readingSince = reading ? 0 : undefined;
  }

  /** Nothing is partial, queued or in hand. */
  get isIdle(): boolean {
    return this.#idle;
  }

  /** The barrier was not answered, so frames may have been on their way that we never saw. */
  get unproven(): boolean {
    return this.#barrier === "unproven";
  }

  /** The barrier's Ping waits behind what was accepted before it: no peer could answer it yet. */
  get holdsBarrier(): boolean {
    return this.#barrier === "waiting" && !this.#barrierSent;
  }

  /** The barrier is put up: its Ping is accepted now. */
  start(now: number): void {
    this.#barrier = "waiting";
    this.#restartClock(now);
  }

  /** What stands before the barrier's Ping, if it does, was on the move until now: its clock begins here. */
  moved(now: number): void {
    if (this.holdsBarrier) this.#restartClock(now);
  }

  #restartClock(now: number): void {
    this.#readBefore = 0;
    if (this.#readingSince !== undefined) this.#readingSince = now;
  }

  /** A Pong proves the barrier, and so does the peer's Close: frames arrive in order. It is never too late for that. */
  prove(): void {
    if (this.#barrier !== "none") this.#barrier = "proven";
  }

  /** Nothing will prove the barrier any more. */
  giveUp(): void {
    if (this.#barrier === "waiting") this.#barrier = "unproven";
  }

  /** The barrier's time is over; from here on silence has to do. */
  timeOut(now: number): void {
    this.giveUp();
    if (this.#idle) this.#quietSince = now;
  }

  /** A Ping with this number was accepted. */
  pinged(nonce: number, now: number): void {
    this.#lastPing = { nonce, at: now };
    this.#barrierNonce = Math.min(this.#barrierNonce, nonce);
    if (this.#idle) this.#quietNonce ??= nonce;
  }

  /** The Ping with this number goes out now: neither the barrier's clock nor a round trip begins before that. */
  pingSent(nonce: number, now: number): void {
    if (nonce === this.#lastPing.nonce) this.#lastPing.at = now;
    if (nonce < this.#barrierNonce) return;
    this.moved(now);
    this.#barrierSent = true;
  }

  /** A Pong has come; it answers all Pings up to this number. Returns whether another Ping is wanted. */
  pong(nonce: number, now: number, quiet: number): boolean {
    if (nonce === this.#lastPing.nonce) this.#measure(now - this.#lastPing.at);
    // Idle by now, but not yet when the barrier's Ping went out: its Pong may have crossed our last reply.
    const crossed = this.#barrier === "waiting" && this.#idle && this.#quietNonce === undefined && quiet > 0;
    if (nonce >= this.#barrierNonce) this.prove();
    if (this.#quietNonce !== undefined && nonce >= this.#quietNonce) this.#quietSince ??= now;
    return (crossed && this.#barrier === "proven") || this.#isDoubtful(quiet);
  }

  #measure(roundTrip: number): void {
    this.#roundTrip = Math.min(this.#roundTrip, roundTrip);
    this.#samples++;
  }

  /** Whether few samples make the wait longer: they may have been late. */
  #isDoubtful(quiet: number): boolean {
    return (
      quiet > 0 && this.#quietSince !== undefined && this.#samples < SAMPLES && this.#wait(quiet) > quiet
    );
  }

  /** Nothing is partial, queued or in hand any more. Returns whether another Ping is wanted. */
  becomeIdle(now: number, quiet: number): boolean {
    this.#idle = true;
    if (this.#barrier === "unproven") this.#quietSince = now;
    return this.#barrier === "proven" && quiet > 0;
  }

  becomeBusy(): void {
    this.#idle = false;
    this.#quietNonce = undefined;
    this.#quietSince = undefined;
  }

  /** Our back-pressure holds the socket: the barrier's clock stands. */
  pause(now: number): void {
    if (this.#readingSince !== undefined) this.#readBefore += now - this.#readingSince;
    this.#readingSince = undefined;
  }

  resume(now: number): void {
    this.#readingSince ??= now;
  }

  /** When the connection counts as quiet, if nothing comes until then. */
  quietAt(quiet: number): number {
    if (!this.#idle || this.#barrier === "waiting") return Infinity;
    if (quiet === 0) return -Infinity;
    if (this.#quietSince === undefined) return Infinity;
    return this.#quietSince + this.#wait(quiet);
  }

  #wait(quiet: number): number {
    return this.#samples === 0 ? quiet : Math.max(quiet, 2 * this.#roundTrip);
  }

  /** The barrier is not waited for any more. */
  get isPastBarrier(): boolean {
    return this.#barrier === "proven" || this.#barrier === "unproven";
  }

  /** The peer owes the Pong that follows our last reply, and we read. */
  get isAsking(): boolean {
    const isAsked = this.#quietNonce !== undefined && this.#quietSince === undefined;
    return isAsked && this.isPastBarrier && this.#readingSince !== undefined;
  }

  /** When the barrier has been waited for long enough. */
  barrierTimeoutAt(timeout: number): number {
    if (this.#barrier !== "waiting" || this.#readingSince === undefined) return Infinity;
    return this.#readingSince + timeout - this.#readBefore;
  }
}
