/** The server: the public interface, and the face of the premises that runs a handler for each connection. */
import { Server as NetServer, type AddressInfo } from "node:net";
import { isPromise } from "node:util/types";
import { isAbortOf } from "../base/abort.js";
import { checkFunction, knownOptions, record, refuseUnknown } from "../base/checks.js";
import { mayBeIgnored } from "../base/deferred.js";
import { InvalidOptionError, ServerStateError } from "../base/errors.js";
import { bytesOf } from "../connection/bytes.js";
import type { Guest } from "../connection/connection.js";
import type { Endpoint } from "../connection/endpoint.js";
import { HandlerRun, type HandlerOwner } from "../connection/handler-run.js";
import type { Connection, Handler } from "../connection/handler.js";
import { encodeMessage } from "../connection/encoded-message.js";
import type { ConnectionDrainOptions, DrainOptions } from "../drain/options.js";
import type { DrainReport } from "../drain/report.js";
import type { ListenPlace, ListenTarget } from "../listen/listen-target.js";
import { errorEvents } from "./diagnostics.js";
import { resolveOptions } from "./option-checks.js";
import type { ResolvedOptions, ServerOptions } from "./options.js";
import { Premises, type Face, type ServerState } from "./premises.js";
import { UnheardErrors } from "./unheard-errors.js";

/** What tells a server to stop: `terminationSignals()` of `lastcall/process`, or signals of your own. */
export interface StopSignals {
  /** Triggers `shutdown()` when it aborts. */
  shutdown: AbortSignal;
  /** Triggers `close()` when it aborts. */
  close?: AbortSignal | undefined;
  /** Called by `run` when it begins to wait for them; what it returns, when `run` has settled. */
  hear?: (() => () => void) | undefined;
}

/** What `run` is told. */
export interface RunOptions {
  /** Where to listen; left out when the server listens already. */
  listen?: ListenTarget | undefined;
  /**
   * What tells the server to stop. It cannot be left out: by default a process dies of SIGTERM at once, and with it
   * whatever is being served.
   */
  signals: StopSignals;
}

/** A WebSocket server. */
export interface Server<Principal = unknown> extends AsyncDisposable {
  readonly state: ServerState;
  /** Where it listens: as Node's `server.address()`, the path for a Unix socket, null when it does not listen. */
  address(): AddressInfo | string | null;
  /** The connections there are, those included whose peer has left and that are still served. */
  readonly connections: ReadonlySet<Connection<Principal>>;
  /**
   * Begins to listen on a port, and resolves with its address.
   * @throws {@link InvalidOptionError} for a target that is none.
   * @throws {@link ServerStateError} when the server has listened before.
   * @throws Node's error (for example `EADDRINUSE`) when the system refuses.
   */
  listen(
    target: number | (ListenPlace & { path?: never }) | { fd: number } | NetServer,
  ): Promise<AddressInfo>;
  /** Begins to listen on a Unix socket, and resolves with its path. Throws as for a port. */
  listen(target: ListenPlace & { path: string }): Promise<string>;
  /** Begins to listen on either, and resolves with the address or the path. Throws as for a port. */
  listen(target: ListenTarget): Promise<AddressInfo | string>;
  /**
   * Listens, serves, and resolves with the report when the server is down and the last handler has settled. With a
   * signal that is already aborted it never listens and the report is empty; a server that listens already goes down
   * as that signal says.
   * @throws {@link InvalidOptionError} (as a rejection) for an option that there is not, and what `listen` throws.
   */
  run(options: RunOptions): Promise<DrainReport>;
  /**
   * The graceful stop: closes the door, serves what was received, tells every peer. Resolves with the report within
   * `deadline` and a second. All calls share one promise, but those of handlers and of plain requests, for which it waits:
   * they hear of it when only such are left, a handler when its `patience` is over, too. (Before Node 24: if they call
   * before their first `await`.) A later call may bring the deadline nearer.
   * @param options Laid over the server's `drain` options.
   * @throws {@link InvalidOptionError} for an option that is not allowed; nothing is shut down then.
   */
  shutdown(options?: Partial<DrainOptions>): Promise<DrainReport>;
  /** The immediate stop, also in the middle of a shutdown. Resolves with the report within a second. */
  close(): Promise<DrainReport>;
  /**
   * Sends a message to all connections, or those that `where` picks, encoding it once. Returns how many took it.
   * Those that are closing are passed over. As with `send`, bytes of over 8 KiB are not copied.
   * @throws {@link InvalidOptionError} when `data` is neither a string nor bytes, or for an option that there is not.
   */
  broadcast(
    data: string | ArrayBufferView | ArrayBuffer,
    options?: { where?: (connection: Connection<Principal>) => boolean },
  ): number;
}

/**
 * Makes a server. It does nothing before `listen` or `run`.
 *
 * @param handler Serves one connection; see {@link Handler}.
 * @throws {@link InvalidOptionError} when the handler is no function.
 */
export function createServer<Principal = undefined>(handler: Handler<Principal>): Server<Principal>;
/**
 * Makes a server. It does nothing before `listen` or `run`.
 *
 * @param options See {@link ServerOptions}. They come first, as in `node:http`: so TypeScript knows the principal from
 *   `authenticate` by the time that it looks at the handler.
 * @param handler Serves one connection; see {@link Handler}.
 * @throws {@link InvalidOptionError} for an option that is not allowed.
 */
export function createServer<Principal = undefined>(
  options: ServerOptions<Principal> | undefined,
  handler: Handler<Principal>,
): Server<Principal>;
export function createServer<Principal>(
  ...given: [Handler<Principal>] | [ServerOptions<Principal> | undefined, Handler<Principal>]
): Server<Principal> {
  const [options, handler] = given.length > 1 ? given : [undefined, given[0]];
  if (typeof options === "function") {
    throw new InvalidOptionError(
      "The order of arguments",
      `createServer(handler${handler === undefined ? "" : ", options"})`,
      "createServer(options, handler), or createServer(handler) without options",
    );
  }
  if (typeof handler !== "function") {
    // Options without a handler: what is wrong in them says more than that it is missing.
    if (given.length === 1 && typeof handler === "object" && handler !== null) resolveOptions(handler);
    throw new InvalidOptionError("The handler", handler, "a function");
  }
  return new LastcallServer(handler, resolveOptions(options));
}

class LastcallServer<Principal>
  implements Server<Principal>, Face<HandlerRun<Principal>, Principal>, HandlerOwner<Principal>
{
  readonly handler: Handler<Principal>;
  readonly #premises: Premises<HandlerRun<Principal>, Principal>;
  readonly #onError: ServerOptions<Principal>["onError"];
  readonly #unheard = new UnheardErrors();
  /** Made when somebody first asks, and kept up from there on. */
  #connections: Set<Connection<Principal>> | undefined;

  constructor(handler: Handler<Principal>, options: ResolvedOptions<Principal>) {
    this.handler = handler;
    this.#onError = options.onError;
    this.#premises = new Premises(options, this);
  }

  get state(): ServerState {
    return this.#premises.state;
  }

  address(): AddressInfo | string | null {
    return this.#premises.address();
  }

  get connections(): ReadonlySet<Connection<Principal>> {
    this.#connections ??= new Set([...this.#premises.connections].map(({ consumer }) => consumer.connection));
    return this.#connections;
  }

  listen(target: number | (ListenPlace & { path?: never }) | NetServer): Promise<AddressInfo>;
  listen(target: ListenPlace & { path: string }): Promise<string>;
  listen(target: ListenTarget): Promise<AddressInfo | string>;
  listen(target: ListenTarget, ...rest: unknown[]): Promise<AddressInfo | string> {
    // As in `node:net`: a callback would never be called, and a host would be every address.
    if (rest.length > 0) return Promise.reject(tooManyArguments(rest[0]));
    return this.#premises.listen(target);
  }

  async run(options: RunOptions): Promise<DrainReport> {
    knownOptions("run()", options, ["listen", "signals"]);
    const { listen, signals } = options;
    const letGo = checkSignals(signals).hear?.();
    try {
      return await this.#runUntil(signals, listen);
    } finally {
      letGo?.();
    }
  }

  async #runUntil({ shutdown, close }: StopSignals, listen: ListenTarget | undefined): Promise<DrainReport> {
    // Who has never listened has nobody to serve. A server that listens already may have, and one of the caller's, which
    // goes down with ours.
    const isTold = close?.aborted === true || shutdown.aborted;
    const { hasDoor } = this.#premises;
    if (isTold && !hasDoor && !(listen instanceof NetServer)) return this.close();
    const onShutdown = (): void => void this.shutdown();
    const onClose = (): void => void this.close();
    shutdown.addEventListener("abort", onShutdown, { once: true });
    close?.addEventListener("abort", onClose, { once: true });
    try {
      const listening =
        listen === undefined || (isTold && hasDoor) ? undefined : this.#listenUnlessDown(listen);
      if (close?.aborted) onClose();
      else if (shutdown.aborted) onShutdown();
      if (listening !== undefined) await listening;
      else if (this.state === "idle") {
        throw new ServerStateError(
          "There is nothing to run: give `listen`, or call server.listen() before run().",
        );
      }
      return await this.#premises.down;
    } finally {
      shutdown.removeEventListener("abort", onShutdown);
      close?.removeEventListener("abort", onClose);
    }
  }

  async #listenUnlessDown(target: ListenTarget): Promise<void> {
    const wasDown = this.#premises.draining;
    try {
      await this.listen(target);
    } catch (error) {
      // Told to stop before it listened: that ends in a report, not in an error.
      if (wasDown || !this.#premises.draining) throw error;
    }
  }

  shutdown(options?: Partial<DrainOptions>): Promise<DrainReport> {
    return this.#premises.shutdown(options);
  }

  close(): Promise<DrainReport> {
    return this.#premises.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown().then(() => {});
  }

  broadcast(
    data: string | ArrayBufferView | ArrayBuffer,
    options: { where?: (connection: Connection<Principal>) => boolean } = {},
  ): number {
    // A misspelt filter would send to everybody.
    knownOptions("broadcast()", options, ["where"]);
    checkFunction("where", options.where);
    const { where } = options;
    const message = encodeMessage(typeof data === "string" ? data : bytesOf(data));
    let taken = 0;
    for (const endpoint of this.#premises.connections) {
      // Who is on its way out is none of "all": not reaching it is no drop.
      if (!endpoint.isOpen || !isMeant(where, endpoint.consumer.connection)) continue;
      if (endpoint.sendEncoded(message)) taken++;
    }
    return taken;
  }

  // For the premises

  consumerFor(endpoint: Endpoint, guest: Guest<Principal>): HandlerRun<Principal> {
    const run = new HandlerRun(this, endpoint, guest);
    this.#connections?.add(run.connection);
    return run;
  }

  shutdownOf(endpoint: Endpoint, options: Partial<ConnectionDrainOptions> | undefined): Promise<DrainReport> {
    return this.#premises.shutdownOf(endpoint, options);
  }

  connectionClosed({ connection }: HandlerRun<Principal>): void {
    this.#connections?.delete(connection);
  }

  reportError(error: unknown, connection?: Connection<Principal>): void {
    // Work that was told to stop since nobody hears it any more, and did: that is no error.
    if (connection !== undefined && isAbortOf(connection.signal, error)) return;
    errorEvents.publish(() => ({ event: "error", error, connection }));
    void this.#tellOnError(error, connection);
  }

  async #tellOnError(error: unknown, connection?: Connection<Principal>): Promise<void> {
    if (this.#onError === undefined) {
      this.#unheard.tell(error, "There is no onError to hear of this");
      return;
    }
    try {
      await this.#onError(error, connection);
    } catch (own) {
      // It must not end the process.
      this.#unheard.tell(own, "An error in onError itself");
    }
  }
}

function tooManyArguments(second: unknown): InvalidOptionError {
  const allowed =
    "left out: a host goes into { port, host }, and listen() returns a promise instead of calling back";
  return new InvalidOptionError("The second argument of listen()", second, allowed);
}

/** Whether a filter lets a connection through. A promise would let through whom it has not decided about. */
function isMeant<Chosen>(where: ((connection: Chosen) => boolean) | undefined, connection: Chosen): boolean {
  const isChosen: unknown = where === undefined || where(connection);
  if (!isPromise(isChosen)) return Boolean(isChosen);
  void mayBeIgnored(isChosen);
  throw new InvalidOptionError("where", where, "a function that decides at once; it returned a promise");
}

function checkSignals(given: StopSignals): StopSignals {
  const known = record(
    "signals",
    given,
    "what terminationSignals() returns, or { shutdown, close } of your own",
  );
  refuseUnknown("signals.", known, ["shutdown", "close", "hear"]);
  checkFunction("signals.hear", known["hear"]);
  checkSignal("signals.shutdown", known["shutdown"]);
  if (known["close"] !== undefined) checkSignal("signals.close", known["close"]);
  return given;
}

/** By what it can do, and not by its class: there are other implementations. */
function checkSignal(name: string, value: unknown): void {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  if (typeof aborted === "boolean" && typeof addEventListener === "function") return;
  throw new InvalidOptionError(name, value, "an AbortSignal (of an AbortController, its `signal`)");
}
