/** From signals of the operating system to the two abort signals that `server.run` takes. */
import { setMaxListeners } from "node:events";
import { constants } from "node:os";
import { knownOptions } from "../base/checks.js";
import { now } from "../base/clock.js";
import { InvalidOptionError } from "../base/errors.js";

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
}

/** A terminal's Ctrl-C goes to the whole process group and often arrives twice: what follows this fast is one. */
const REPEAT_WINDOW = 1_000;

/**
 * Hears the signals that ask a process to end. The first aborts `shutdown`; a second, more than a second later,
 * aborts `close`; then the listeners are gone, so that a third has its default effect and kills.
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
  const shutdown = new AbortController();
  const close = new AbortController();
  // As many servers as a process has may run with them.
  setMaxListeners(0, shutdown.signal, close.signal);
  let firstAt: number | undefined;

  for (const signal of signals) {
    if (!(signal in constants.signals) || signal === "SIGKILL" || signal === "SIGSTOP")
      throw new InvalidOptionError("signals", signal, "names such as SIGTERM");
  }
  const onSignal = (): void => {
    if (firstAt === undefined) {
      firstAt = now();
      shutdown.abort();
    } else if (now() - firstAt > REPEAT_WINDOW) {
      for (const signal of signals) process.removeListener(signal, onSignal);
      close.abort();
    }
  };
  for (const signal of signals) process.on(signal, onSignal);
  return { shutdown: shutdown.signal, close: close.signal };
}
