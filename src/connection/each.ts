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
export function each<Principal = unknown>(
  serve: (
    message: Message,
    connection: Connection<Principal>,
  ) => Reply | undefined | void | Promise<Reply | undefined | void>,
  options: { concurrency?: number } = {},
): Handler<Principal> {
  if (typeof serve !== "function")
    throw new InvalidOptionError("The first argument of each()", serve, "a function");
  knownOptions("each()", options, ["concurrency"]);
  const { concurrency = 1 } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new InvalidOptionError("concurrency", concurrency, "a whole number from 1");
  }
  return (connection) => new Service(serve, connection, concurrency).done;
}

type Served = Reply | undefined | void;
type Serve<Principal> = (message: Message, connection: Connection<Principal>) => Served | Promise<Served>;

/** The messages of one connection, served by so many workers. */
class Service<Principal> {
  readonly serve: Serve<Principal>;
  readonly connection: Connection<Principal>;
  /** Settles when no worker has anything in hand any more, also when one has failed. */
  readonly done: Promise<void>;
  readonly #workers: Worker<Principal>[];
  #working: number;
  #failed = false;
  #error: unknown;
  #settle!: () => void;

  constructor(serve: Serve<Principal>, connection: Connection<Principal>, concurrency: number) {
    this.serve = serve;
    this.connection = connection;
    this.#working = concurrency;
    this.done = new Promise((resolve, reject) => {
      this.#settle = () => (this.#failed ? reject(this.#error) : resolve());
    });
    this.#workers = Array.from({ length: concurrency }, () => new Worker(this));
    for (const worker of this.#workers) worker.ask();
  }

  get failed(): boolean {
    return this.#failed;
  }

  leave(): void {
    if (--this.#working === 0) this.#settle();
  }

  /** Of several errors the first is told. */
  fail(error: unknown): void {
    if (!this.#failed) {
      this.#failed = true;
      this.#error = error;
      for (const worker of this.#workers) worker.dismiss();
    }
    this.leave();
  }
}

/**
 * Serves one message after the other, each in a call of its own. An async function with a loop would be shorter, and V8
 * keeps the last value of one that is suspended: an idle connection would hold its last message until the next comes.
 */
class Worker<Principal> {
  readonly #service: Service<Principal>;
  readonly #messages: AsyncIterator<Message, void, void>;
  #waiting = false;

  constructor(service: Service<Principal>) {
    this.#service = service;
    this.#messages = service.connection[Symbol.asyncIterator]();
  }

  ask(): void {
    if (this.#service.failed) return this.#service.leave();
    this.#waiting = true;
    this.#messages.next().then(this.#take, this.#fail);
  }

  /** Who serves a message may finish it; who waits for one must not be waited for. */
  dismiss(): void {
    if (this.#waiting) void this.#messages.return?.();
  }

  readonly #take = ({ value: message, done }: IteratorResult<Message, void>): void => {
    this.#waiting = false;
    if (done) return this.#service.leave();
    const { serve, connection } = this.#service;
    try {
      const served = serve(message, connection);
      // A wait for what is there already would cost as much as the whole of the rest.
      if (isPromiseLike(served)) void Promise.resolve(served).then(this.#answer, this.#fail);
      else this.#answer(served);
    } catch (error) {
      this.#fail(error);
    }
  };

  readonly #answer = (reply: Served): void => {
    try {
      if (reply !== undefined) this.#service.connection.send(reply);
    } catch (error) {
      return this.#fail(error);
    }
    this.ask();
  };

  readonly #fail = (error: unknown): void => this.#service.fail(error);
}

/** Whether `await` would wait for it: some clients for remote calls return functions that have a `then`. */
function isPromiseLike(served: Served | Promise<Served>): served is Promise<Served> {
  if (served === null || (typeof served !== "object" && typeof served !== "function")) return false;
  return typeof (served as Partial<PromiseLike<unknown>>).then === "function";
}
