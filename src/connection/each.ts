/** A handler that is a function for each message. */
import { knownOptions } from "../base/checks.js";
import { promiseOf } from "../base/deferred.js";
import { InvalidOptionError } from "../base/errors.js";
import type { Connection, Handler, Message, Reply } from "./handler.js";

/**
 * Makes a handler from a function for each message. What the function returns, or its promise resolves with, is sent
 * as the reply; undefined sends nothing.
 *
 * When it fails, no further message is served and those in hand are finished. The handler then fails with the first
 * error; what fails meanwhile reaches `onError` at once, each by itself.
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

/**
 * The messages of one connection. There are as many workers as have one in hand, and one more that waits for the next:
 * an idle connection pays for one, whatever it is allowed.
 */
class Service<Principal> {
  readonly serve: Serve<Principal>;
  readonly connection: Connection<Principal>;
  /** Who waits for the next message, and has none in hand. */
  waiting: Worker<Principal> | undefined;
  /** Settles when no worker has anything in hand any more, also when one has failed. */
  readonly done: Promise<void>;
  readonly #concurrency: number;
  #workers = 0;
  #failed = false;
  #error: unknown;
  #settle!: () => void;

  constructor(serve: Serve<Principal>, connection: Connection<Principal>, concurrency: number) {
    this.serve = serve;
    this.connection = connection;
    this.#concurrency = concurrency;
    this.done = new Promise((resolve, reject) => {
      this.#settle = () => (this.#failed ? reject(this.#error) : resolve());
    });
    this.addWorker();
  }

  /** Whether somebody has to wait for the next message. */
  get wantsWorker(): boolean {
    return this.waiting === undefined && !this.#failed;
  }

  /** One more waits for messages, if one is wanted and there may be more. */
  addWorker(): void {
    if (!this.wantsWorker || this.#workers === this.#concurrency) return;
    this.#workers++;
    new Worker(this).ask();
  }

  leave(): void {
    if (--this.#workers === 0) this.#settle();
  }

  /** The first error is what the handler fails with; each of the others is told by itself. */
  fail(failure: unknown): void {
    if (this.#failed) {
      this.connection.waitUntil(Promise.reject(failure));
    } else {
      this.#failed = true;
      this.#error = failure;
      // Who serves a message may finish it; who waits for one must not be waited for.
      this.waiting?.finish();
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

  constructor(service: Service<Principal>) {
    this.#service = service;
    this.#messages = service.connection[Symbol.asyncIterator]();
  }

  /** Is finished with its message, if it has one, and waits for the next. */
  ask(): void {
    this.#service.waiting = this;
    this.#messages.next().then(this.#take, this.#fail);
  }

  /** Is finished with its message, or its wait, and takes no more. */
  finish(): void {
    void this.#messages.return?.();
  }

  readonly #take = ({ value: message, done }: IteratorResult<Message, void>): void => {
    this.#service.waiting = undefined;
    if (done) return this.#service.leave();
    const { serve, connection } = this.#service;
    try {
      const served = serve(message, connection);
      // A wait for what is there already would cost as much as the whole of the rest.
      if (!isPromiseLike(served)) return this.#answer(served);
      void promiseOf(served).then(this.#answer, this.#fail);
    } catch (error) {
      return this.#fail(error);
    }
    this.#service.addWorker();
  };

  readonly #answer = (reply: Served): void => {
    try {
      if (reply !== undefined) this.#service.connection.send(reply);
    } catch (error) {
      return this.#fail(error instanceof InvalidOptionError ? noReply(reply) : error);
    }
    if (this.#service.wantsWorker) return this.ask();
    this.finish();
    this.#service.leave();
  };

  readonly #fail = (error: unknown): void => this.#service.fail(error);
}

/** Whoever returned it has not called `send`, and would look for that in vain. */
function noReply(returned: unknown): InvalidOptionError {
  const allowed = "a string or bytes, or undefined, which sends nothing";
  return new InvalidOptionError("What the function of each() returns", returned, allowed);
}

/** Whether `await` would wait for it: some clients for remote calls return functions that have a `then`. */
function isPromiseLike(served: Served | Promise<Served>): served is Promise<Served> {
  if (served === null || (typeof served !== "object" && typeof served !== "function")) return false;
  return typeof (served as Partial<PromiseLike<unknown>>).then === "function";
}
