/** Runs the state machine of a connection's end against the real thing: a clock, and an owner that acts. */
import { MAX_TIMEOUT, type Clock, type Timer } from "../base/clock.js";
import { EndingMachine } from "../drain/ending-machine.js";
import type { EndingOptions, EndingAction, EndingEvent } from "../drain/events.js";
import type { OnSent } from "./outbox.js";

/** What the machine acts on. */
export interface EndingOwner {
  /** Sends a Ping and returns its number. */
  sendPing(): number;
  /** Calls back, at once or later, when the kernel has what was accepted until now; with an error when it never will. */
  whenSent(onSent: OnSent): void;
  cutInput(): void;
  dropQueue(as: "handed back" | "abandoned"): void;
  sendClose(code: number, reason: string): void;
  /** Tells, at once or later, how many bytes the peer's side has acknowledged, and how many not yet. */
  look(tell: (acknowledged: number, unacknowledged: number) => void): void;
  endSocket(): void;
  flushSocket(): void;
  destroySocket(): void;
  abortSignal(): void;
  finishEnding(): void;
  /** Whether something that is to be sent waits for us, and not for the peer. */
  readonly isCompressing: boolean;
}

export class Ending {
  /** The machine, for what it knows. */
  readonly machine: EndingMachine;
  readonly #owner: EndingOwner;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #idle: boolean;
  #unsent = false;

  constructor(
    options: EndingOptions,
    owner: EndingOwner,
    clock: Clock,
    initially: { idle: boolean; reading: boolean },
  ) {
    this.machine = new EndingMachine(options, initially);
    this.#owner = owner;
    this.#clock = clock;
    this.#idle = initially.idle;
  }

  /** Takes an event, performs what follows from it, and sees to it that the machine is woken when it wants to be. */
  dispatch(event: EndingEvent): void {
    for (const action of this.machine.handle(event, this.#clock.now())) this.#perform(action);
    this.#arm();
  }

  /** Whether anything is partial, queued or in hand. */
  setIdle(idle: boolean): void {
    if (idle === this.#idle) return;
    this.#idle = idle;
    this.dispatch({ type: idle ? "idle" : "busy" });
  }

  /** Something was accepted for sending, and so many bytes wait now. */
  noteAccepted(bytes: number): void {
    if (bytes === 0 || this.#unsent) return;
    this.#unsent = true;
    this.dispatch({ type: "unsent" });
  }

  /** The kernel has taken something, and so many bytes wait now. */
  noteWritten(bytes: number): void {
    if (!this.#unsent) return;
    this.#unsent = bytes > 0;
    this.dispatch({ type: bytes > 0 ? "progress" : "sent" });
  }

  #perform(action: EndingAction): void {
    const owner = this.#owner;
    switch (action.type) {
      case "ping":
        return this.#ping();
      case "probe":
        return void owner.sendPing();
      case "cut":
        return owner.cutInput();
      case "drop-queue":
        return owner.dropQueue(action.as);
      case "close":
        return owner.sendClose(action.code, action.reason);
      case "look":
        return owner.look((acknowledged, unacknowledged) => {
          // What has arrived by then must be seen first, as before a tick.
          this.#clock.afterPoll(() => this.dispatch({ type: "looked", acknowledged, unacknowledged }));
        });
      case "fin":
        return owner.endSocket();
      case "flush":
        return owner.flushSocket();
      case "destroy":
        return owner.destroySocket();
      case "abort":
        return owner.abortSignal();
      case "closed":
        return owner.finishEnding();
    }
  }

  #ping(): void {
    const nonce = this.#owner.sendPing();
    this.dispatch({ type: "pinged", nonce });
    this.#owner.whenSent((error) => {
      if (error === undefined) this.dispatch({ type: "ping-sent", nonce });
    });
  }

  /** One timer, moved only when it would be late: a message must not cost a timer. */
  #arm(): void {
    const { wakeAt } = this.machine;
    if (wakeAt === Infinity) {
      this.#disarm();
    } else if (this.#timer === undefined || wakeAt < this.#timerAt) {
      this.#disarm();
      this.#timerAt = wakeAt;
      const wait = Math.max(0, Math.ceil(wakeAt - this.#clock.now()));
      this.#timer = this.#clock.after(Math.min(wait, MAX_TIMEOUT), this.#onTimer);
    }
  }

  #disarm(): void {
    this.#clock.cancel(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    if (this.#owner.isCompressing) this.dispatch({ type: "compressing" });
    this.dispatch({ type: "tick" });
  };
}
