/** Whether an error says no more than that a signal has aborted. */

import { lookAt } from "./errors.js";

/** Causes that are looked at: `fetch` throws the signal's reason itself, Node's timers and events throw an AbortError of it. */
const CAUSES = 5;

/** Whether an error is, or was caused by, what a signal has aborted with. The error may be any value that was thrown. */
export function isAbortOf(signal: AbortSignal, error: unknown): boolean {
  return lookAt(() => isCausedBy(signal, error), false);
}

function isCausedBy({ aborted, reason }: AbortSignal, error: unknown): boolean {
  let cause = error;
  for (let depth = 0; aborted && depth < CAUSES; depth++) {
    if (cause === reason) return true;
    if (!(cause instanceof Error)) return false;
    ({ cause } = cause);
  }
  return false;
}
