/** From signals of the operating system to the two abort signals that `server.run` takes. */
import { setMaxListeners } from "node:events";
import { constants } from "node:os";
import { knownOptions } from "../base/checks.js";
import { now } from "../base/clock.js";
import { setTimeout } from "../base/real-timers.js";
import { InvalidOptionError } from "../base/errors.js";
import { Deafness } from "./deafness.js";

/** How `terminationSignals` is told which signals to hear. */
export interface TerminationSignalsOptions {
  /** Default `["SIGTERM", "SIGINT"]`. */
  signals?: readonly NodeJS.Signals[];
}

/** Abort signals, each named after the method of the server that it triggers. */
export interface TerminationSignals {
  /** Aborts at the first signal. */
  shutdown: AbortSignal;
  /** Aborts at a second signal that comes more than a second after the first. */
  close: AbortSignal;
  /**
   * Says that somebody waits for them, and returns what says that he does not any more; `server.run` does both. When the
   * last one has said so, signals have their default effect again.
   */
  hear(): () => void;
}

/** A terminal's Ctrl-C goes to the whole process group and often arrives twice: what follows this fast is one. */
const REPEAT_WINDOW = 1_000;

/**
 * Hears the signals that ask a process to end. The first aborts `shutdown`; a second, more than a second later,
 * aborts `close`; then the listeners are gone, so that a third has its default effect and kills. They are gone as well
 * when every `server.run` that was given them has settled, and nothing can repeat the first signal any more.
 *
 * Never ends the process, and does not keep it alive.
 *
 * @throws `InvalidOptionError` for a signal that this system does not have, or an option that there is not.
 */
export function terminationSignals(options: TerminationSignalsOptions = {}): TerminationSignals {
  knownOptions("terminationSignals()", options, ["signals"]);
  const { signals = ["SIGTERM", "SIGINT"] } = options;
  if (!Array.isArray(signals) || signals.length === 0)
    throw new InvalidOptionError("signals", signals, "a list of names such as SIGTERM");
  for (const signal of signals) {
    if (!(signal in constants.signals) || signal === "SIGKILL" || signal === "SIGSTOP")
      throw new InvalidOptionError("signals", signal, "names such as SIGTERM");
  }
  const ears = new Ears(signals as readonly NodeJS.Signals[]);
  return { shutdown: ears.shutdown.signal, close: ears.close.signal, hear: () => ears.hear() };
}

class Ears {
  readonly shutdown = new AbortController();
  readonly close = new AbortController();
  readonly #signals: readonly NodeJS.Signals[];
  #waiting = 0;
  /** There while we listen. */
  #deafness: Deafness | undefined;
  #first: { since: number; at: number } | undefined;

  constructor(signals: readonly NodeJS.Signals[]) {
    this.#signals = signals;
    // As many servers as a process has may run with them.
    setMaxListeners(0, this.shutdown.signal, this.close.signal);
    // Also before anybody waits: a signal that comes while a server is being made must not be lost.
    this.#listen();
  }

  hear(): () => void {
    this.#waiting++;
    this.#listen();
    let waits = true;
    return () => {
      if (!waits) return;
      waits = false;
      this.#waiting--;
      if (this.#waiting === 0) this.#stopBehindRepeats();
    };
  }

  /** The second half of a Ctrl-C must not kill what cleans up behind a server that was down at once. */
  #stopBehindRepeats(): void {
    const left = this.#first === undefined ? 0 : this.#first.at + REPEAT_WINDOW - now();
    if (left <= 0) return this.#stop();
    const timer = setTimeout(() => {
      if (this.#waiting === 0) this.#stop();
    }, left);
    // A process that is done by then ends.
    timer.unref();
  }

  #listen(): void {
    if (this.#deafness !== undefined || this.close.signal.aborted) return;
    this.#deafness = new Deafness();
    for (const signal of this.#signals) process.on(signal, this.#onSignal);
  }

  #stop(): void {
    this.#deafness?.end();
    this.#deafness = undefined;
    for (const signal of this.#signals) process.removeListener(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const [since, at] = [this.#deafness!.since, now()];
    if (this.#first === undefined) {
      this.#first = { since, at };
      this.shutdown.abort();
      return;
    }
    // Where the loop stood they may lie less or more apart than they were seen. What may be a terminal's is one; who sends
    // others meant it.
    const apart = signal === "SIGINT" ? since - this.#first.at : at - this.#first.since;
    if (apart <= REPEAT_WINDOW) return;
    this.#stop();
    this.close.abort();
  };
}
