/**
 * A server going down. The order of the steps is the order of this file:
 *
 * 1. Lame duck: accepting goes on, readiness is already false.
 * 2. The door closes, once the accept queue is empty. Handshakes on accepted sockets get `handshakeGrace`.
 * 3. Connections begin to drain, paced; each then goes its own way (drain/ending-machine.ts).
 * 4. Last call: nothing that waits is started any more, and nobody is let in any more.
 * 5. The deadline, or `close()`: what is left is forced.
 * 6. Nothing is left: the report.
 */
import type { Clock } from "../base/clock.js";
import { defer, type Deferred } from "../base/deferred.js";
import { FORCED_FLUSH_TIMEOUT } from "../drain/ending-machine.js";
import type { DrainOptions } from "../drain/options.js";
import { hastenDrain, Pacing, planDrain, type DrainPlan } from "../drain/plan.js";
import { ReportLedger, type ConnectionAccount, type DoorAccount, type DrainReport } from "../drain/report.js";
import { drainEvents, type DrainProgressEvent } from "./diagnostics.js";
import { Timetable } from "./timetable.js";

/** What a shutdown does with a connection. */
export interface Drainable {
  drain(): void;
  lastCall(): void;
  force(): void;
  /** Its handler, or what was given to `waitUntil`. */
  readonly handlerRuns: boolean;
  account(): ConnectionAccount;
  /** Ends what is still open of it, its handler aside. */
  destroy(): void;
}

/** What a shutdown needs of its server. */
export interface ShutdownOwner {
  readonly clock: Clock;
  readonly connections: ReadonlySet<Drainable>;
  /** Resolves when nobody is accepted any more: when nobody waits for that, or others kept coming for `limit` ms. */
  closeDoor(limit: number): Promise<void>;
  closeDoorNow(): void;
  /** Sockets that were accepted and are not connections yet, and plain requests. */
  pendingHandshakes(): number;
  /** Whether somebody is a plain request that is not answered yet. */
  isPending(request: object): boolean;
  /** From here on handshakes are refused, those that wait as well. */
  refuseHandshakes(): void;
  /** Ends whatever is still open. */
  release(): Promise<void>;
  /** What became of those who are no connections; known when all is released. */
  doorAccount(): DoorAccount;
}

/**
 * How long forced connections and their handlers get to finish. With the 200 ms of a forced flush inside it, and the
 * rest for a slow loop, `shutdown()` settles within a second of its deadline.
 */
const FORCED_TIMEOUT = 750;

type Moment = "lame duck" | "patience" | "handshake grace" | "pace" | "last call" | "deadline" | "forced";

export class Shutdown {
  readonly #owner: ShutdownOwner;
  readonly #options: DrainOptions;
  readonly #publish: (make: () => DrainProgressEvent) => void;
  readonly #ledger = new ReportLedger();
  readonly #startedAt = new Date();
  readonly #finished = defer<DrainReport>();
  readonly #moments: Timetable<Moment>;
  #plan: DrainPlan;
  #doorClosing = false;
  #doorClosed = false;
  #graceOver = false;
  #draining = false;
  #waitingToDrain: Drainable[] = [];
  #pacing: Pacing | undefined;
  #isStartingDrains = false;
  #lastCalled = false;
  #forced = false;
  #over = false;
  /** Those whom it waits for and who wait for it, and what they are told. */
  readonly #waiting = new Map<object, Deferred<DrainReport>>();
  #isPatienceOver = false;

  constructor(
    owner: ShutdownOwner,
    options: DrainOptions,
    publish = (make: () => DrainProgressEvent): void => drainEvents.publish(make),
  ) {
    this.#owner = owner;
    this.#moments = new Timetable(owner.clock);
    this.#options = options;
    this.#publish = publish;
    this.#plan = planDrain(options, this.#now);
  }

  get #now(): number {
    return this.#owner.clock.now();
  }

  /** Resolves with the report when nothing is left. Never rejects. */
  get report(): Promise<DrainReport> {
    return this.#finished.promise;
  }

  /**
   * The report for somebody whom this waits for, so that he must not wait for it: of all others, when nobody is left but
   * such. Whoever is answered a plain request is told at once then. A handler may have called and gone on; so it is told when
   * its patience is over and it still runs.
   */
  reportFor(caller: object | undefined): Promise<DrainReport> {
    if (caller === undefined || this.#over || !this.#waitsFor(caller)) return this.report;
    let told = this.#waiting.get(caller);
    if (told === undefined) {
      told = defer<DrainReport>();
      this.#waiting.set(caller, told);
      void this.report.then((report) => told!.resolve(report));
      this.#waitForPatience();
      this.#tellThoseWhoWait();
    }
    return told.promise;
  }

  /** Those who have called may have gone on, and not wait for this: they are cut by then, and over by themselves. */
  #waitForPatience(): void {
    this.#isPatienceOver = false;
    const { patience, quiet } = this.#options;
    const wait = this.#forced ? FORCED_FLUSH_TIMEOUT : patience + quiet;
    this.#moments.at("patience", this.#now + wait, () => this.#endPatience());
  }

  #endPatience(): void {
    this.#isPatienceOver = true;
    this.#tellThoseWhoWait();
  }

  #waitsFor(one: object): boolean {
    return this.#owner.connections.has(one as Drainable) || this.#owner.isPending(one);
  }

  /** Tells those who wait for this, when this waits for nobody else. */
  #tellThoseWhoWait(): void {
    if (this.#waiting.size === 0 || this.#over || !this.#doorClosed) return;
    for (const connection of this.#owner.connections) {
      if (!this.#isPatienceOver || !this.#waiting.has(connection) || !connection.handlerRuns) return;
    }
    const requests = [...this.#waiting.keys()].filter((one) => this.#owner.isPending(one));
    if (this.#owner.pendingHandshakes() > requests.length) return;
    const report = this.#makeReport();
    for (const told of this.#waiting.values()) told.resolve(report);
  }

  #makeReport(): DrainReport {
    const duration = this.#now - this.#plan.startedAt;
    return this.#ledger.close(this.#startedAt, duration, this.#owner.doorAccount());
  }

  /** Where messages are counted from here on. */
  get tally(): DrainReport["messages"] {
    return this.#ledger.messages;
  }

  /** Whether a handshake that ends now still becomes a connection. */
  get acceptsHandshakes(): boolean {
    return !this.#graceOver && !this.#forced;
  }

  begin(): void {
    this.#publish(() => ({ event: "started", connections: this.#owner.connections.size }));
    // A subscriber may have called close().
    if (this.#forced) return;
    this.#scheduleMoments();
    if (this.#plan.lameDuckUntil <= this.#now) this.#closeDoor();
  }

  /** A later call: moments may come nearer. */
  hasten(given: Partial<DrainOptions>): void {
    this.#plan = hastenDrain(this.#plan, given, this.#now);
    if (!this.#forced && !this.#over) this.#scheduleMoments();
  }

  #scheduleMoments(): void {
    const { lameDuckUntil, lastCallAt, deadlineAt } = this.#plan;
    if (!this.#doorClosing) this.#moments.move("lame duck", lameDuckUntil, () => this.#closeDoor());
    // At the deadline itself it would be too late to tell anybody.
    if (!this.#lastCalled && lastCallAt < deadlineAt)
      this.#moments.move("last call", lastCallAt, () => this.#announceLastCall());
    this.#moments.move("deadline", deadlineAt, () => this.force());
    if (this.#draining) this.#pace();
  }

  #closeDoor(): void {
    if (this.#doorClosing) return;
    this.#doorClosing = true;
    this.#moments.cancel("lame duck");
    const { handshakeGrace } = this.#options;
    // Those who keep coming leave half of the time to serve those who have come.
    const limit = Math.min(handshakeGrace, Math.max(0, this.#plan.lastCallAt - this.#now) / 2);
    void this.#owner.closeDoor(limit).then(() => {
      if (this.#over) return;
      this.#doorClosed = true;
      this.#publish(() => ({ event: "door closed" }));
      if (this.#forced) return this.#finishWhenEmpty();
      // At last call the door was still open: who has come through it since and has not asked for anything is refused, too.
      if (this.#graceOver) this.#endGrace();
      else this.#moments.at("handshake grace", this.#now + handshakeGrace, () => this.#endGrace());
      this.#startDraining();
      this.#finishWhenEmpty();
    });
  }

  #endGrace(): void {
    this.#graceOver = true;
    this.#moments.cancel("handshake grace");
    this.#owner.refuseHandshakes();
    this.#finishWhenEmpty();
  }

  #startDraining(): void {
    this.#draining = true;
    // Last call may have come while the door was still open.
    if (this.#lastCalled) return this.#lastCall();
    this.#waitingToDrain = [...this.#owner.connections].reverse();
    this.#pace();
  }

  /** From now on as many begin as the plan says of those that wait. */
  #pace(): void {
    const { lameDuckUntil, spread, lastCallAt } = this.#plan;
    const limits = { pace: this.#options.pace, spreadUntil: lameDuckUntil + spread, lastCallAt };
    this.#pacing = new Pacing(this.#waitingToDrain.length, this.#now, limits, Math.random);
    this.#startDrains();
  }

  /** Starts as many drains as are due, and comes back for the next. */
  #startDrains(): void {
    // A listener of `draining` may call `shutdown()` or `close()`: the loop goes on by what that has changed.
    if (this.#isStartingDrains) return;
    this.#isStartingDrains = true;
    while (this.#started < this.#pacing!.dueBy(this.#now)) this.#waitingToDrain.pop()!.drain();
    this.#isStartingDrains = false;
    if (this.#waitingToDrain.length > 0)
      this.#moments.at("pace", this.#pacing!.startOf(this.#started), () => this.#startDrains());
  }

  /** How many have begun of those that the pacing is of. */
  get #started(): number {
    return this.#pacing!.connections - this.#waitingToDrain.length;
  }

  #announceLastCall(): void {
    this.#lastCalled = true;
    this.#publish(() => ({ event: "last call" }));
    // A subscriber may have called close().
    if (this.#forced) return;
    // Who came in now would be told to go before anything of his could be served.
    if (!this.#graceOver) this.#endGrace();
    this.#lastCall();
    this.#endPatience();
  }

  #lastCall(): void {
    for (const connection of this.#owner.connections) connection.lastCall();
  }

  /** `close()`, or the deadline. */
  force(): void {
    if (this.#forced || this.#over) return;
    this.#forced = true;
    this.#graceOver = true;
    this.#waitingToDrain.length = 0;
    this.#moments.cancelAll();
    this.#publish(() => ({ event: "forced" }));
    this.#moments.at("forced", this.#now + FORCED_TIMEOUT, () => this.#finish());
    this.#doorClosing = true;
    this.#doorClosed = true;
    this.#owner.closeDoorNow();
    this.#owner.refuseHandshakes();
    for (const connection of this.#owner.connections) connection.force();
    if (this.#waiting.size > 0) this.#waitForPatience();
    this.#finishWhenEmpty();
  }

  /** A connection that came in while the server was going down. */
  connectionOpened(connection: Drainable): void {
    if (!this.#draining) return;
    connection.drain();
    if (this.#lastCalled) connection.lastCall();
  }

  connectionClosed(connection: Drainable): void {
    if (this.#over) return;
    this.#ledger.enter(connection.account());
    this.#finishWhenEmpty();
  }

  handshakeSettled(): void {
    this.#finishWhenEmpty();
  }

  #finishWhenEmpty(): void {
    if (this.#over || !this.#doorClosed) return;
    if (this.#owner.connections.size === 0 && this.#owner.pendingHandshakes() === 0) this.#finish();
    else this.#tellThoseWhoWait();
  }

  #finish(): void {
    this.#over = true;
    this.#moments.cancelAll();
    for (const connection of this.#owner.connections) {
      this.#ledger.enter(connection.account());
      // On a slow loop its own last moment may still be ahead.
      connection.destroy();
    }
    void this.#owner.release().then(() => {
      const report = this.#makeReport();
      this.#publish(() => ({ event: "finished", report }));
      this.#finished.resolve(report);
    });
  }
}
