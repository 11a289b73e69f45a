/**
 * Counts the asynchronous things that a piece of work makes: promises, ticks, timers.
 *
 * The count ends when no tick and no microtask is left, and before the event loop turns: nothing that did not begin
 * with the work can come in between, and so the counts are exact. It is for work that waits for no I/O and no time.
 */
import { createHook } from "node:async_hooks";

/** How many were made of each kind. */
export interface AsyncWork {
  promises: number;
  /** Calls of `process.nextTick`. */
  ticks: number;
  /** `setTimeout` and `setInterval`. */
  timeouts: number;
  /** How many of these are still set. */
  timeoutsLeft: number;
  immediates: number;
}

/** Does `work`, and what follows from it without a turn of the event loop. */
export async function asyncWorkOf(work: () => void): Promise<AsyncWork> {
  // What earlier code has left goes first.
  await new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    // In a tick: what whoever waits for the count makes to wait is made by then.
    process.nextTick(count, work, resolve);
  });
}

function count(work: () => void, done: (made: AsyncWork) => void): void {
  const made = { promises: 0, ticks: 0, immediates: 0 };
  const timeouts: NodeJS.Timeout[] = [];
  let isOurs = false;
  const hook = createHook({
    init(_id, type, _trigger, resource) {
      if (isOurs) return;
      if (type === "PROMISE") made.promises++;
      if (type === "TickObject") made.ticks++;
      if (type === "Immediate") made.immediates++;
      if (type === "Timeout") timeouts.push(resource as NodeJS.Timeout);
    },
  });
  const uncounted = (schedule: () => void): void => {
    isOurs = true;
    schedule();
    isOurs = false;
  };
  let ticksBefore = -1;
  // All ticks run before the microtasks do: this looks after each round of both.
  const look = (): void => {
    if (made.ticks > ticksBefore) {
      ticksBefore = made.ticks;
      uncounted(() => queueMicrotask(() => uncounted(() => process.nextTick(look))));
    } else {
      hook.disable();
      done({ ...made, timeouts: timeouts.length, timeoutsLeft: timeouts.filter(isSet).length });
    }
  };
  hook.enable();
  work();
  uncounted(() => process.nextTick(look));
}

function isSet(timeout: NodeJS.Timeout): boolean {
  // oxlint-disable-next-line no-underscore-dangle -- Node's own word for it: there is no public one
  return !(timeout as unknown as { _destroyed: boolean })._destroyed;
}
