/**
 * What every server has, whatever it looks like from outside: who is inside, the door, and going down. A face is put
 * before it: ours runs a handler for each connection (server.ts), another one may call listeners.
 */
import type { AddressInfo } from "node:net";
import { caller } from "../base/callers.js";
import { knownOptions } from "../base/checks.js";
import { systemClock, type Clock } from "../base/clock.js";
import { defer, mayBeIgnored } from "../base/deferred.js";
import { systemKernel, type Kernel } from "../connection/kernel.js";
import { ServerStateError } from "../base/errors.js";
import type { Guest } from "../connection/connection.js";
import type { Consumer } from "../connection/consumer.js";
import { Endpoint, type Accepted, type EndpointOwner } from "../connection/endpoint.js";
import type { EndingOptions } from "../drain/events.js";
import { drainDefaults, type ConnectionDrainOptions, type DrainOptions } from "../drain/options.js";
import type { DoorAccount, DrainReport } from "../drain/report.js";
import { listenerFor, type ListenTarget } from "../listen/listen-target.js";
import { NO_REQUESTS, type Listener } from "../listen/listener.js";
import type { OpeningHandshake } from "../listen/opening-handshake.js";
import { CLOSING, Refusals } from "../listen/refusal.js";
import { Upgrades, type UpgradeOwner } from "../listen/upgrade.js";
import { Departure } from "./departure.js";
import { Heartbeat } from "./heartbeat.js";
import { checkDrainOptions, completeDrainOptions } from "./option-checks.js";
import type { ResolvedOptions } from "./options.js";
import { Shutdown, type ShutdownOwner } from "./shutdown.js";

/** Where a server stands: it goes from left to right and never back. */
export type ServerState = "idle" | "listening" | "draining" | "closed";

/** What there is to say about the shutdown of one connection: not how the door closes, or others have their turn. */
const CONNECTION_OPTIONS = Object.keys(drainDefaults).filter(
  (name) => !["handshakeGrace", "lameDuck", "pace", "spread"].includes(name),
);

/** What stands before the premises. */
export interface Face<Taker extends Consumer, Principal> {
  /** Makes who takes the messages of somebody who was let in. Nothing may be asked of the endpoint yet. */
  consumerFor(endpoint: Endpoint, guest: Guest<Principal>): Taker;
  /** A connection is over: its socket is gone, and its consumer has settled. */
  connectionClosed(consumer: Taker): void;
  /** An error of no connection: of a listener, of the application's part in a handshake. */
  reportError(error: unknown): void;
}

export class Premises<Taker extends Consumer, Principal>
  implements EndpointOwner, UpgradeOwner<Principal>, ShutdownOwner
{
  readonly options: ResolvedOptions<Principal>;
  readonly clock: Clock = systemClock;
  readonly kernel: Kernel = systemKernel;
  endingOptions: EndingOptions;
  /** Who is inside, those included whose peer has left and that are still served. */
  readonly connections = new Set<Endpoint<Taker>>();
  tally: DrainReport["messages"] = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };

  readonly #face: Face<Taker, Principal>;
  readonly #upgrades = new Upgrades<Principal>(this);
  readonly #refusals = new Refusals(() => this.#shutdown?.handshakeSettled());
  readonly #heartbeat: Heartbeat | undefined;
  #state: ServerState = "idle";
  #listener: Listener | undefined;
  /** Settles when the listener does listen, or cannot. */
  #listening: Promise<unknown> | undefined;
  /** What `listen` has promised. */
  #listened: Promise<AddressInfo | string> | undefined;
  #shutdown: Shutdown | undefined;
  /** Connections that are being shut down each by itself. */
  readonly #departures = new Map<Endpoint, Departure>();
  readonly #down = defer<DrainReport>();

  constructor(options: ResolvedOptions<Principal>, face: Face<Taker, Principal>) {
    this.options = options;
    this.#face = face;
    this.endingOptions = { ...options, ...options.drain };
    if (options.heartbeat !== false) this.#heartbeat = new Heartbeat(this.connections, options.heartbeat);
  }

  /** A server that is on a caller's goes down with it: when that was closed nobody comes any more. */
  get state(): ServerState {
    return this.#state === "listening" && this.address() === null ? "draining" : this.#state;
  }

  address(): AddressInfo | string | null {
    return this.#listener?.address() ?? null;
  }

  /** Whether there is something that it listens with, or is about to. */
  get hasDoor(): boolean {
    return this.#listener !== undefined;
  }

  /** Resolves with the report when the server is down, whoever has brought it down. */
  get down(): Promise<DrainReport> {
    return this.#down.promise;
  }

  listen(target: ListenTarget): Promise<AddressInfo | string> {
    this.#listened = this.#listen(target);
    if (this.#shutdown !== undefined) void mayBeIgnored(this.#listened);
    return this.#listened;
  }

  async #listen(target: ListenTarget): Promise<AddressInfo | string> {
    if (this.#state !== "idle" || this.#listener !== undefined) {
      const over = this.#state === "draining" || this.#state === "closed";
      throw new ServerStateError(
        `The server cannot listen: it is ${over ? this.#state : "listening already"}. Make a new one with createServer().`,
      );
    }
    const owner = {
      refusals: this.#refusals,
      handshakeTimeout: this.options.handshakeTimeout,
      onUpgrade: (handshake: OpeningHandshake) => this.#upgrades.handle(handshake),
      onListenerError: (error: unknown) => this.reportError(error),
      onListenerClosed: () => void this.shutdown(),
      onGuestGone: () => this.#shutdown?.handshakeSettled(),
    };
    this.#listener = listenerFor(target, owner, this.options.path);
    const listening = this.#listener.open();
    this.#listening = listening;
    try {
      const address = await listening;
      if (this.#shutdown === undefined) {
        this.#state = "listening";
        this.#heartbeat?.start();
        return address;
      }
    } catch (error) {
      this.#listener = undefined;
      if (this.#shutdown === undefined) throw error;
    }
    // What listens all the same, since it did so before it was given, goes down in the shutdown.
    throw new ServerStateError("The server was shut down before it listened.");
  }

  shutdown(given: Partial<DrainOptions> = {}): Promise<DrainReport> {
    try {
      const known = checkDrainOptions(given);
      if (this.#shutdown !== undefined) {
        this.#shutdown.hasten(known);
        return this.#shutdown.reportFor(caller());
      }
      const shutdown = this.#beginShutdown(completeDrainOptions(known, "", this.options.givenDrain));
      shutdown.begin();
      return shutdown.reportFor(caller());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Shuts one connection down, as all are in a shutdown. One that is over already has an empty account. */
  shutdownOf(endpoint: Endpoint, given: Partial<ConnectionDrainOptions> = {}): Promise<DrainReport> {
    try {
      knownOptions("shutdown()", given, CONNECTION_OPTIONS);
      const known = checkDrainOptions(given);
      const before = this.#departures.get(endpoint);
      before?.hasten(known);
      return (before ?? this.#depart(endpoint, known)).reportFor(caller());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #depart(endpoint: Endpoint, known: Partial<DrainOptions>): Departure {
    const ofServer = { ...this.options.givenDrain, lameDuck: 0, spread: 0 };
    const options = completeDrainOptions(known, "", ofServer);
    const departure = new Departure(this.clock, endpoint, { ...this.options, ...options });
    if (this.connections.has(endpoint as Endpoint<Taker>)) this.#departures.set(endpoint, departure);
    else departure.forgo();
    return departure;
  }

  close(): Promise<DrainReport> {
    const shutdown = this.#shutdown ?? this.#beginShutdown(this.options.drain);
    shutdown.force();
    return shutdown.reportFor(caller());
  }

  #beginShutdown(options: DrainOptions): Shutdown {
    this.#state = "draining";
    // Who stops a server before it listens has no use for an error that says so.
    if (this.#listened !== undefined) void mayBeIgnored(this.#listened);
    this.endingOptions = { ...this.options, ...options };
    this.#shutdown = new Shutdown(this, options);
    this.#listener?.beginShutdown();
    this.tally = this.#shutdown.tally;
    void this.#shutdown.report.then((report) => this.#down.resolve(report));
    return this.#shutdown;
  }

  // For the upgrades

  closedBecause(): string | undefined {
    if (this.#state === "closed" || this.#shutdown?.acceptsHandshakes === false) return CLOSING;
    if (this.connections.size >= this.options.maxConnections) return "The server is full.";
    return undefined;
  }

  open(accepted: Accepted, guest: Guest<Principal>, early: Buffer): void {
    const makeConsumer = (endpoint: Endpoint): Taker => this.#face.consumerFor(endpoint, guest);
    const endpoint = new Endpoint(this, accepted, makeConsumer);
    this.connections.add(endpoint);
    endpoint.start(early);
    this.#shutdown?.connectionOpened(endpoint);
  }

  onUpgradeSettled(): void {
    this.#shutdown?.handshakeSettled();
  }

  reportError(error: unknown): void {
    this.#face.reportError(error);
  }

  // For the connections

  /** A shutdown has begun, even if it has not reached all of them yet. */
  get draining(): boolean {
    return this.#shutdown !== undefined;
  }

  connectionClosed(endpoint: Endpoint<Taker>): void {
    if (!this.connections.delete(endpoint)) return;
    this.#face.connectionClosed(endpoint.consumer);
    this.#departures.get(endpoint)?.end();
    this.#departures.delete(endpoint);
    this.#shutdown?.connectionClosed(endpoint);
  }

  // For the shutdown

  async closeDoor(limit: number): Promise<void> {
    await this.#listening?.catch(() => {});
    await this.#listener?.stopAccepting(limit).catch((error: unknown) => this.reportError(error));
  }

  closeDoorNow(): void {
    this.#listener?.stopAcceptingNow();
  }

  pendingHandshakes(): number {
    return (this.#listener?.guests ?? 0) + this.#upgrades.waiting + this.#refusals.open;
  }

  isPending(request: object): boolean {
    return this.#listener?.isUnanswered(request) ?? false;
  }

  refuseHandshakes(): void {
    this.#listener?.refuseSilent();
    this.#upgrades.refuseWaiting();
  }

  doorAccount(): DoorAccount {
    const { requests, neverAccepted } = this.#listener ?? { requests: NO_REQUESTS, neverAccepted: 0 };
    return { ...requests, neverAccepted };
  }

  async release(): Promise<void> {
    this.#state = "closed";
    this.#heartbeat?.stop();
    this.#refusals.destroyAll();
    await this.#listener?.destroy();
  }
}
