/**
 * A server in virtual time: real connections and a real shutdown, peers and handlers by script. What really happened is
 * kept beside what the report says of it.
 */
import type { Endpoint } from "../../src/connection/endpoint.js";
import type { EndingOptions } from "../../src/drain/events.js";
import { layCallOptions, type DrainOptions } from "../../src/drain/options.js";
import { hastenDrain, planDrain, type DrainPlan } from "../../src/drain/plan.js";
import { NO_DOOR, type DoorAccount, type DrainReport } from "../../src/drain/report.js";
import type { DrainProgressEvent } from "../../src/server/diagnostics.js";
import { Shutdown, type ShutdownOwner } from "../../src/server/shutdown.js";
import { goodPeer, type PeerScript, type PeerStep } from "./virtual-peer.js";
import { VirtualTime } from "./virtual-time.js";
import {
  WatchedConnection,
  type ConnectionScript,
  type HandlerScript,
  type WatchedOwner,
} from "./watched-connection.js";

export interface WorldScript {
  connections: readonly WorldConnection[];
  /** When shutdown is called; Infinity: never. */
  shutdownAt: number;
  /** What that call gives. */
  call: Partial<DrainOptions>;
  /** Further calls: when, and with what. */
  laterCalls: readonly ({ at: number } & Partial<DrainOptions>)[];
  /** When close is called; Infinity: never. */
  closeAt: number;
  /** What the server was given. */
  drain: Partial<DrainOptions>;
  closeReplyTimeout: number;
  goneTimeout: number;
}

export type WorldConnection = Partial<Omit<ConnectionScript, "number" | "options" | "peer" | "handler">> & {
  peer?: Partial<PeerScript>;
  handler?: Partial<HandlerScript>;
  /** When it is accepted; its peer's times count from the start of the world. */
  opensAt?: number;
  /** When it knocks at the door, which must be open then. Without that, it was accepted before all else. */
  knocksAt?: number;
};

export class World implements WatchedOwner, ShutdownOwner {
  readonly time = new VirtualTime();
  readonly clock = this.time.clock;
  /** All there ever were, in the order in which they came. */
  readonly watched: WatchedConnection[] = [];
  /** Those that are there. */
  readonly connections = new Set<Endpoint>();
  readonly options: DrainOptions;
  readonly plan: DrainPlan;
  /** After later calls. */
  hastened: DrainPlan;
  /** The plan, and what each later call has made of it. */
  readonly plans: DrainPlan[] = [];
  /** What was published, and when. */
  readonly told: { at: number; event: DrainProgressEvent["event"] }[] = [];
  /** What the shutdown has reported, and when. */
  report: DrainReport | undefined;
  reportedAt = Infinity;
  tally: DrainReport["messages"] = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };
  /** What all connections have counted from the beginning of the shutdown to its report. */
  countedMeanwhile: DrainReport["messages"] | undefined;
  readonly #gone = new Set<WatchedConnection>();
  #shutdown: Shutdown | undefined;
  /** Guests that have knocked and are not let in yet. */
  readonly #pending = new Set<WorldConnection>();
  #isDoorClosed = false;

  constructor(given: Partial<WorldScript>) {
    const script: WorldScript = {
      connections: [{}],
      shutdownAt: 0,
      call: {},
      laterCalls: [],
      closeAt: Infinity,
      drain: {},
      closeReplyTimeout: 5_000,
      goneTimeout: 30_000,
      ...given,
    };
    // Guests come as late as the script says.
    const drain = { pace: Infinity, handshakeGrace: Infinity, ...script.drain };
    this.options = layCallOptions(script.call, drain);
    this.plan = planDrain(this.options, script.shutdownAt);
    this.hastened = this.plan;
    this.plans.push(this.plan);
    const { closeReplyTimeout, goneTimeout } = script;
    const options = { ...this.options, closeReplyTimeout, goneTimeout };
    script.connections.forEach((connection, index) => {
      if (connection.knocksAt === undefined) this.#pending.add(connection);
      else this.time.at(connection.knocksAt, () => this.#knock(connection));
      this.time.at(connection.opensAt ?? 0, () => this.#open(connection, index + 1, options));
    });
    if (script.shutdownAt === Infinity) return;
    this.time.at(script.shutdownAt, () => this.#shutDown());
    for (const { at, ...given } of script.laterCalls) {
      this.time.at(Math.max(at, script.shutdownAt), () => {
        this.hastened = hastenDrain(this.hastened, given, this.time.now);
        this.plans.push(this.hastened);
        this.#shutdown!.hasten(given);
      });
    }
    this.time.at(Math.max(script.closeAt, script.shutdownAt), () => this.#shutdown!.force());
  }

  /** When this was published; Infinity: never. */
  toldAt(event: DrainProgressEvent["event"]): number {
    return this.told.find((one) => one.event === event)?.at ?? Infinity;
  }

  get draining(): boolean {
    return this.#shutdown !== undefined;
  }

  /** Whether the report tells of this connection: it was there when the shutdown began, or came later. */
  tellsOf(connection: WatchedConnection): boolean {
    return !this.#gone.has(connection);
  }

  connectionClosed(connection: WatchedConnection): void {
    const { endpoint } = connection;
    if (!this.draining) this.#gone.add(connection);
    this.connections.delete(endpoint);
    this.#shutdown?.connectionClosed(endpoint);
  }

  #shutDown(): void {
    this.#shutdown = new Shutdown(this, this.options, (make) => {
      this.told.push({ at: this.time.now, event: make().event });
    });
    this.tally = this.#shutdown.tally;
    const before = this.#counted();
    void this.#shutdown.report.then((report) => {
      this.report = report;
      this.reportedAt = this.time.now;
      this.countedMeanwhile = difference(this.#counted(), before);
    });
    this.#shutdown.begin();
  }

  #counted(): DrainReport["messages"] {
    const sum = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };
    for (const { counts } of this.watched) for (const name of names(sum)) sum[name] += counts[name];
    return sum;
  }

  #knock(connection: WorldConnection): void {
    if (!this.#isDoorClosed) this.#pending.add(connection);
  }

  #open(given: WorldConnection, number: number, options: EndingOptions): void {
    if (!this.#pending.delete(given)) return;
    if (this.#shutdown?.acceptsHandshakes === false) return this.#shutdown.handshakeSettled();
    const connection = new WatchedConnection(
      this.time,
      {
        inboxLimit: Infinity,
        highWaterMark: Infinity,
        kernelBuffer: Infinity,
        ...given,
        number,
        options,
        peer: { ...goodPeer, ...given.peer },
        handler: { work: [0], ...given.handler },
      },
      this,
    );
    this.watched.push(connection);
    this.connections.add(connection.endpoint);
    connection.start();
    this.#shutdown?.connectionOpened(connection.endpoint);
  }

  // For the shutdown

  doorAccount(): DoorAccount {
    return NO_DOOR;
  }

  closeDoor(): Promise<void> {
    this.#isDoorClosed = true;
    return Promise.resolve();
  }

  closeDoorNow(): void {
    this.#isDoorClosed = true;
  }

  pendingHandshakes(): number {
    return this.#pending.size;
  }

  isPending(): boolean {
    return false;
  }

  refuseHandshakes(): void {
    for (const one of this.#pending) if (one.knocksAt !== undefined) this.#pending.delete(one);
  }

  release(): Promise<void> {
    return Promise.resolve();
  }
}

/** Lets a world run to its end. */
export async function runWorld(script: Partial<WorldScript>): Promise<World> {
  const world = new World(script);
  await world.time.run();
  return world;
}

/** A world of one connection, which must not be shut down unless `shutdownAt` or `drain` is given. */
export async function runOne(
  connection: WorldConnection,
  script: Partial<WorldScript> = {},
): Promise<{ connection: WatchedConnection; world: World }> {
  const world = await runWorld({ ...script, connections: [connection] });
  return { connection: world.watched[0]!, world };
}

/** A peer's messages, sent at these times. */
export function sends(...times: readonly number[]): PeerStep[] {
  return times.map((at) => ({ at, what: "send" }));
}

function names<Key extends string>(object: Record<Key, unknown>): Key[] {
  return Object.keys(object) as Key[];
}

function difference(
  later: DrainReport["messages"],
  before: DrainReport["messages"],
): DrainReport["messages"] {
  const result = { ...later };
  for (const name of names(result)) result[name] -= before[name];
  return result;
}
