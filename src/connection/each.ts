/** A handler that is a function for each message. */
import { knownOptions } from "../base/checks.js";
import { InvalidOptionError } from "../base/errors.js";
import type { Connection, Handler, Message, Reply } from "./handler.js";

/**
 * Makes a handler from a function for each message. What the function returns, or its promise resolves with, is sent
 * as the reply; undefined sends nothing.
 *
 * @param serve Serves one message.
 * @param options `concurrency`: how many messages of one connection are in hand at once. Default 1, which keeps
 *   replies in the order of the messages.
 * @throws {@link InvalidOptionError} when `serve` is no function, `concurrency` is not a whole number from 1, or another
 *   option is given.
 */
export function each<Principal = undefined>(
  serve: (
    message: Message,
    connection: Connection<Principal>,
  ) => Reply | undefined | void | Promise<Reply | undefined | void>,
  options: { concurrency?: number } = {},
): Handler<Principal> {
  if (typeof serve !== "function") throw new InvalidOptionError("What each() is given", serve, "a function");
  knownOptions(options, ["concurrency"]);
  const { concurrency = 1 } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new InvalidOptionError("concurrency", concurrency, "a whole number from 1");
  }
  return async (connection) => {
    const waiting = new Set<AsyncIterator<Message, void, void>>();
    let failed = false;
    const work = async (): Promise<void> => {
      const messages = connection[Symbol.asyncIterator]();
      while (!failed) {
        waiting.add(messages);
        const { value: message, done } = await messages.next();
        waiting.delete(messages);
        if (done) return;
        const served = serve(message, connection);
        // A wait for what is there already would cost as much as the whole of the rest.
        const reply = isPromiseLike(served) ? await served : served;
        if (reply !== undefined) connection.send(reply);
      }
    };
    const workOrFail = async (): Promise<void> => {
      try {
        await work();
      } catch (error) {
        failed = true;
        // Who serves a message may finish it; who waits for one must not be waited for.
        for (const messages of waiting) void messages.return?.();
        throw error;
      }
    };
    // All of them are awaited even when one fails: a handler that has settled must have nothing in hand.
    const workers = await Promise.allSettled(Array.from({ length: concurrency }, workOrFail));
    for (const worker of workers) if (worker.status === "rejected") throw worker.reason;
  };
}

/** Whether `await` would wait for it: some clients for remote calls return functions that have a `then`. */
function isPromiseLike(
  served: Reply | undefined | void | Promise<Reply | undefined | void>,
): served is Promise<Reply | undefined | void> {
  if (served === null || (typeof served !== "object" && typeof served !== "function")) return false;
  return typeof (served as Partial<PromiseLike<unknown>>).then === "function";
}
