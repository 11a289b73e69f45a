/** Who is running: so that a shutdown, which waits for every handler, knows when one of them waits for it. */
import { AsyncLocalStorage } from "node:async_hooks";

/**
 * From Node 24 on a promise keeps its context at no cost. Before, each promise of the process would take longer for it, by
 * more than a message costs here: there only what is called without an `await` before it is known.
 */
const follows = Number(process.versions.node.split(".", 1)[0]) >= 24;

const storage = follows ? new AsyncLocalStorage<object>() : undefined;
let running: object | undefined;

/** Calls something on behalf of somebody. */
export function runAs<Result>(who: object, act: () => Result): Result {
  if (storage !== undefined) return storage.run(who, act);
  const before = running;
  running = who;
  try {
    return act();
  } finally {
    running = before;
  }
}

/** On whose behalf we are called, as far as that is known. */
export function caller(): object | undefined {
  return storage === undefined ? running : storage.getStore();
}
