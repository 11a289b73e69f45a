/** The server: who is connected, who may come in, and what state it is in. */
import type { AddressInfo, ListenOptions, Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import { defer } from "../base/deferred.js";
import { InvalidOptionError, ServerStateError } from "../base/errors.js";
import { bytesOf } from "../connection/bytes.js";
import { ServedConnection, type ConnectionHost, type ConnectionInfo } from "../connection/connection.js";
import type { Connection, Handler } from "../connection/handler.js";
import { encodeMessage } from "../connection/outbox.js";
import type { ConnectionDrainOptions } from "../drain/events.js";
import type { DrainOptions } from "../drain/options.js";
import type { DrainReport } from "../drain/report.js";
import { listenerFor, type ListenTarget } from "../listen/listen-target.js";
import type { Listener } from "../listen/listener.js";
import { Refusals } from "../listen/refusal.js";
import { Upgrades, type UpgradeHost } from "../listen/upgrade.js";
import { errorEvents } from "./diagnostics.js";
import { Heartbeat } from "./heartbeat.js";
import { checkDrainOptions, completeDrainOptions, resolveOptions } from "./option-checks.js";
import type { ResolvedOptions, ServerOptions } from "./options.js";
import { Shutdown, type ShutdownHost } from "./shutdown.js";

/** Where a server stands: it goes from left to right and never back. */
export type ServerState = "idle" | "listening" | "draining" | "closed";

/** What `run` is told. */
export interface RunOptions {
  /** Where to listen; left out when the server listens already. */
  listen?: ListenTarget | undefined;
  /** Triggers `shutdown()` when it aborts. */
  shutdown?: AbortSignal | undefined;
  /** Triggers `close()` when it aborts. */
  close?: AbortSignal | undefined;
}

/** A WebSocket server. */
export interface Server<Principal = undefined> extends AsyncDisposable {
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
    target: number | (ListenOptions & { path?: never }) | { fd: number } | NetServer,
  ): Promise<AddressInfo>;
  /** Begins to listen on a Unix socket, and resolves with its path. Throws as for a port. */
  listen(target: ListenOptions & { path: string }): Promise<string>;
  /** Begins to listen on either, and resolves with the address or the path. Throws as for a port. */
  listen(target: ListenTarget): Promise<AddressInfo | string>;
  /**
   * Listens, serves, and resolves with the report when the server is down and the last handler has settled. With a
   * signal that is already aborted it never listens and the report is empty; a server that listens already goes down
   * as that signal says.
   * @throws What `listen` throws.
   */
  run(options?: RunOptions): Promise<DrainReport>;
  /**
   * The graceful stop: closes the door, serves what was received, tells every peer. Resolves with the report within
   * `deadline` and a second. All calls share one promise; a later call may bring the deadline nearer.
   * @param options Laid over the server's `drain` options.
   * @throws {@link InvalidOptionError} for an option that is not allowed; nothing is shut down then.
   */
  shutdown(options?: Partial<DrainOptions>): Promise<DrainReport>;
  /** The immediate stop, also in the middle of a shutdown. Resolves with the report within a second. */
  close(): Promise<DrainReport>;
  /**
   * Sends a message to all connections, or those that `where` picks, encoding it once. Returns how many took it.
   * Those that are closing are passed over. As with `send`, bytes of over 8 KiB are not copied.
   * @throws {@link InvalidOptionError} when `data` is neither a string nor bytes.
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
  if (typeof handler !== "function") throw new InvalidOptionError("The handler", handler, "a function");
  return new LastcallServer(handler, resolveOptions(options));
}

class LastcallServer<Principal>
  implements Server<Principal>, ConnectionHost<Principal>, UpgradeHost<Principal>, ShutdownHost
{
  readonly options: ResolvedOptions<Principal>;
  connectionDrain: ConnectionDrainOptions;
  readonly refusals = new Refusals(() => this.#shutdown?.handshakeSettled());
  readonly connections = new Set<ServedConnection<Principal>>();
  tally: DrainReport["messages"] = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };

  readonly #handler: Handler<Principal>;
  readonly #upgrades = new Upgrades<Principal>(this);
  readonly #heartbeat: Heartbeat | undefined;
  #state: ServerState = "idle";
  #listener: Listener | undefined;
  /** Settles when the listener does listen, or cannot. */
  #listening: Promise<unknown> | undefined;
  #shutdown: Shutdown | undefined;
  readonly #down = defer<DrainReport>();

  constructor(handler: Handler<Principal>, options: ResolvedOptions<Principal>) {
    this.#handler = handler;
    this.options = options;
    this.connectionDrain = { ...options, ...options.drain };
    if (options.heartbeat !== false) this.#heartbeat = new Heartbeat(this.connections, options.heartbeat);
  }

  get state(): ServerState {
    return this.#state;
  }

  address(): AddressInfo | string | null {
    return this.#listener?.address() ?? null;
  }

  listen(target: number | (ListenOptions & { path?: never }) | NetServer): Promise<AddressInfo>;
  listen(target: ListenOptions & { path: string }): Promise<string>;
  listen(target: ListenTarget): Promise<AddressInfo | string>;
  async listen(target: ListenTarget): Promise<AddressInfo | string> {
    if (this.#state !== "idle" || this.#listener !== undefined) {
      const over = this.#state === "draining" || this.#state === "closed";
      throw new ServerStateError(
        `The server cannot listen: it is ${over ? this.#state : "listening already"}. Make a new one with createServer().`,
      );
    }
    this.#listener = listenerFor(
      target,
      {
        refusals: this.refusals,
        onUpgrade: (request, socket, head, acceptedAt) =>
          this.#upgrades.handle(request, socket, head, acceptedAt),
        onListenerError: (error) => this.reportError(error),
        onGuestGone: () => this.#shutdown?.handshakeSettled(),
      },
      this.options,
    );
    const listening = this.#listener.open();
    this.#listening = listening;
    try {
      const address = await listening;
      // When the server was shut down meanwhile, that closes the door as soon as it is open.
      if (this.#shutdown === undefined) this.#state = "listening";
      // And when it is down by now, nothing may begin any more.
      if (this.state !== "closed") this.#heartbeat?.start();
      return address;
    } catch (error) {
      this.#listener = undefined;
      if (this.#shutdown === undefined) throw error;
      throw new ServerStateError("The server was shut down before it listened.", { cause: error });
    }
  }

  async run({ listen, shutdown, close }: RunOptions = {}): Promise<DrainReport> {
    // Who has never listened has nobody to serve. A server that listens already may have.
    if (close?.aborted || (shutdown?.aborted && this.#listener === undefined)) return this.close();
    const onShutdown = (): void => void this.shutdown();
    const onClose = (): void => void this.close();
    shutdown?.addEventListener("abort", onShutdown, { once: true });
    close?.addEventListener("abort", onClose, { once: true });
    try {
      if (shutdown?.aborted) onShutdown();
      else if (listen !== undefined) await this.#listenUnlessDown(listen);
      else if (this.#state === "idle") {
        throw new ServerStateError(
          "There is nothing to run: give `listen`, or call server.listen() before run().",
        );
      }
      return await this.#down.promise;
    } finally {
      shutdown?.removeEventListener("abort", onShutdown);
      close?.removeEventListener("abort", onClose);
    }
  }

  async #listenUnlessDown(target: ListenTarget): Promise<void> {
    const wasDown = this.#shutdown !== undefined;
    try {
      await this.listen(target);
    } catch (error) {
      // Told to stop before it listened: that ends in a report, not in an error.
      if (wasDown || this.#shutdown === undefined) throw error;
    }
  }

  shutdown(given: Partial<DrainOptions> = {}): Promise<DrainReport> {
    try {
      const known = checkDrainOptions(given);
      if (this.#shutdown !== undefined) {
        this.#shutdown.hasten(known);
        return this.#shutdown.report;
      }
      const shutdown = this.#beginShutdown(completeDrainOptions({ ...this.options.givenDrain, ...known }));
      shutdown.begin();
      return shutdown.report;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  close(): Promise<DrainReport> {
    const shutdown = this.#shutdown ?? this.#beginShutdown(this.options.drain);
    shutdown.force();
    return shutdown.report;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown().then(() => {});
  }

  broadcast(
    data: string | ArrayBufferView | ArrayBuffer,
    { where }: { where?: (connection: Connection<Principal>) => boolean } = {},
  ): number {
    const message = encodeMessage(typeof data === "string" ? data : bytesOf(data));
    let taken = 0;
    for (const connection of this.connections) {
      // Who is on its way out is none of "all": not reaching it is no drop.
      if (!connection.isOpen || (where !== undefined && !where(connection))) continue;
      if (connection.sendEncoded(message)) taken++;
    }
    return taken;
  }

  #beginShutdown(options: DrainOptions): Shutdown {
    this.#state = "draining";
    this.connectionDrain = { ...this.options, ...options };
    this.#shutdown = new Shutdown(this, options);
    this.tally = this.#shutdown.tally;
    void this.#shutdown.report.then((report) => this.#down.resolve(report));
    return this.#shutdown;
  }

  // For the upgrades

  closedBecause(): string | undefined {
    if (this.#state === "closed" || this.#shutdown?.acceptsHandshakes === false)
      return "The server is closing.";
    if (this.connections.size >= this.options.maxConnections) return "The server is full.";
    return undefined;
  }

  open(socket: Duplex, head: Buffer, info: ConnectionInfo<Principal>): void {
    const connection = new ServedConnection(this, socket, info);
    this.connections.add(connection);
    connection.start(this.#handler, head);
    this.#shutdown?.connectionOpened(connection);
  }

  onUpgradeSettled(): void {
    this.#shutdown?.handshakeSettled();
  }

  // For the connections

  get draining(): boolean {
    return this.#shutdown !== undefined;
  }

  connectionClosed(connection: ServedConnection<Principal>): void {
    if (!this.connections.delete(connection)) return;
    this.#shutdown?.connectionClosed(connection);
  }

  reportError(error: unknown, connection?: Connection<Principal>): void {
    errorEvents.publish(() => ({
      event: "error",
      error,
      connection,
    }));
    void this.#tellOnError(error, connection);
  }

  async #tellOnError(error: unknown, connection?: Connection<Principal>): Promise<void> {
    try {
      await this.options.onError?.(error, connection);
    } catch {
      // An error of the error handler has nowhere left to go; it must not end the process.
    }
  }

  // For the shutdown

  async closeDoor(): Promise<void> {
    this.#listener?.abandonOpening();
    await this.#listening?.catch(() => {});
    await this.#listener?.stopAccepting().catch((error: unknown) => this.reportError(error));
  }

  closeDoorNow(): void {
    this.#listener?.abandonOpening();
    this.#listener?.stopAcceptingNow();
    void this.#listening?.then(
      () => this.#listener?.stopAcceptingNow(),
      () => {},
    );
  }

  pendingHandshakes(): number {
    return (this.#listener?.guests ?? 0) + this.#upgrades.waiting + this.refusals.open;
  }

  refuseHandshakes(): void {
    this.#listener?.refuseSilent();
    this.#upgrades.refuseWaiting();
  }

  async release(): Promise<void> {
    this.#state = "closed";
    this.#heartbeat?.stop();
    this.refusals.destroyAll();
    await this.#listener?.destroy();
  }
}
