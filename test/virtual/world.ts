/**
 * A server in virtual time: real connections and a real shutdown, peers and handlers by script. What really happened is
 * kept beside what the report says of it.
 */
import type { Endpoint } from "../../src/connection/endpoint.js";
import type { EndingOptions } from "../../src/drain/events.js";
import { drainDefaults, layDrainOptions, type DrainOptions } from "../../src/drain/options.js";
import { hastenDrain, planDrain, type DrainPlan } from "../../src/drain/plan.js";
import { NO_DOOR, type DoorAccount, type DrainReport } from "../../src/drain/report.js";
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
  /** Further calls: when, and with what deadline. */
  laterCalls: readonly { at: number; deadline: number }[];
  drain: Partial<DrainOptions>;
  closeReplyTimeout: number;
  goneTimeout: number;
}

export type WorldConnection = Partial<Omit<ConnectionScript, "number" | "options" | "peer" | "handler">> & {
  peer?: Partial<PeerScript>;
  handler?: Partial<HandlerScript>;
  /** When it is accepted; its peer's times count from the start of the world. */
  opensAt?: number;
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
  /** What the shutdown has reported, and when. */
  report: DrainReport | undefined;
  reportedAt = Infinity;
  tally: DrainReport["messages"] = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };
  /** What all connections have counted from the beginning of the shutdown to its report. */
  countedMeanwhile: DrainReport["messages"] | undefined;
  readonly #gone = new Set<WatchedConnection>();
  #shutdown: Shutdown | undefined;
  /** Guests that have knocked and are not let in yet. */
  #pending: number;

  constructor(given: Partial<WorldScript>) {
    const script: WorldScript = {
      connections: [{}],
      shutdownAt: 0,
      laterCalls: [],
      drain: {},
      closeReplyTimeout: 5_000,
      goneTimeout: 30_000,
      ...given,
    };
    // Guests come as late as the script says.
    const drain = { pace: Infinity, handshakeGrace: Infinity, ...script.drain };
    this.options = layDrainOptions(drain, drainDefaults);
    this.plan = planDrain(this.options, script.shutdownAt);
    this.hastened = this.plan;
    const { closeReplyTimeout, goneTimeout } = script;
    const options = { ...this.options, closeReplyTimeout, goneTimeout };
    this.#pending = script.connections.length;
    script.connections.forEach((connection, index) => {
      this.time.at(connection.opensAt ?? 0, () => this.#open(connection, index + 1, options));
    });
    if (script.shutdownAt === Infinity) return;
    this.time.at(script.shutdownAt, () => this.#shutDown());
    for (const { at, deadline } of script.laterCalls) {
      this.time.at(Math.max(at, script.shutdownAt), () => {
        this.hastened = hastenDrain(this.hastened, { deadline }, this.time.now);
        this.#shutdown!.hasten({ deadline });
      });
    }
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
    this.#shutdown = new Shutdown(this, this.options);
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

  #open(given: WorldConnection, number: number, options: EndingOptions): void {
    this.#pending--;
    if (this.#shutdown?.acceptsHandshakes === false) return;
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

  // For the shutdown: the door is not what this is about

  doorAccount(): DoorAccount {
    return NO_DOOR;
  }

  closeDoor(): Promise<void> {
    return Promise.resolve();
  }

  closeDoorNow(): void {}

  pendingHandshakes(): number {
    return this.#pending;
  }

  refuseHandshakes(): void {}

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
