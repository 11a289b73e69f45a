/**
 * A server in virtual time: connections and their peers, a shutdown by the plan, and the report. What really happened
 * is kept beside what the report says of it.
 */
import type { ConnectionDrainOptions } from "../../src/drain/events.js";
import { drainDefaults, layDrainOptions, type DrainOptions } from "../../src/drain/options.js";
import { hastenDrain, Pacing, planDrain, type DrainPlan } from "../../src/drain/plan.js";
import { ReportLedger, type DrainReport } from "../../src/drain/report.js";
import {
  VirtualConnection,
  type ConnectionScript,
  type HandlerScript,
  type VirtualHost,
} from "./virtual-connection.js";
import { goodPeer, type PeerScript, type PeerStep } from "./virtual-peer.js";
import { VirtualTime } from "./virtual-time.js";

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

export type WorldConnection = Partial<Omit<ConnectionScript, "id" | "options" | "peer" | "handler">> & {
  peer?: Partial<PeerScript>;
  handler?: Partial<HandlerScript>;
  /** When it is accepted; its peer's times count from the start of the world. */
  opensAt?: number;
};

export class World implements VirtualHost {
  readonly time = new VirtualTime();
  readonly connections: VirtualConnection[] = [];
  readonly options: DrainOptions;
  readonly plan: DrainPlan;
  /** After later calls. */
  hastened: DrainPlan;
  readonly #ledger = new ReportLedger();
  #draining = false;
  #lastCalled = false;
  #forced = false;

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
    this.options = layDrainOptions({ pace: Infinity, ...script.drain }, drainDefaults);
    this.plan = planDrain(this.options, script.shutdownAt);
    this.hastened = this.plan;
    const { closeReplyTimeout, goneTimeout } = script;
    const options = { ...this.options, closeReplyTimeout, goneTimeout };
    script.connections.forEach((connection, index) => {
      this.time.at(connection.opensAt ?? 0, () => this.#open(connection, String(index + 1), options));
    });
    if (script.shutdownAt === Infinity) return;
    this.time.at(this.plan.lameDuckUntil, () => this.#startDraining());
    this.#scheduleMoments();
    for (const { at, deadline } of script.laterCalls) {
      this.time.at(Math.max(at, script.shutdownAt), () => {
        this.hastened = hastenDrain(this.hastened, { deadline }, this.time.now);
        this.time.at(this.hastened.lameDuckUntil, () => this.#startDraining());
        this.#scheduleMoments();
      });
    }
  }

  /** The report, as the shutdown writes it: who has not ended by now never does. */
  writeReport(): DrainReport {
    for (const connection of this.connections) {
      if (connection.closedAt === Infinity) this.connectionClosed(connection);
    }
    const messages: DrainReport["messages"] = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };
    for (const { counts } of this.connections) {
      for (const name of Object.keys(messages) as (keyof typeof messages)[]) messages[name] += counts[name];
    }
    Object.assign(this.#ledger.messages, messages);
    return this.#ledger.close(new Date(0), this.time.now - this.plan.startedAt);
  }

  get draining(): boolean {
    return this.time.now >= this.plan.startedAt;
  }

  connectionClosed(connection: VirtualConnection): void {
    this.#ledger.enter(connection.account());
  }

  #open(given: WorldConnection, id: string, options: ConnectionDrainOptions): void {
    const connection = new VirtualConnection(
      this.time,
      {
        inboxLimit: Infinity,
        highWaterMark: Infinity,
        kernelBuffer: Infinity,
        ...given,
        id,
        options,
        peer: { ...goodPeer, ...given.peer },
        handler: { work: [0], ...given.handler },
      },
      this,
    );
    this.connections.push(connection);
    if (this.#draining) connection.drain();
    if (this.#lastCalled) connection.lastCall();
    if (this.#forced) connection.force();
  }

  #startDraining(): void {
    if (this.#draining) return;
    this.#draining = true;
    const waiting = [...this.connections];
    const pacing = new Pacing(waiting.length, this.options.pace, this.time.now, this.hastened.deadlineAt);
    waiting.forEach((connection, index) => this.time.at(pacing.startOf(index), () => connection.drain()));
  }

  #scheduleMoments(): void {
    const { lastCallAt, deadlineAt } = this.hastened;
    // At the deadline itself it would be too late to tell anybody.
    this.time.at(lastCallAt < deadlineAt ? lastCallAt : Infinity, () => {
      if (this.#lastCalled || this.#forced) return;
      this.#lastCalled = true;
      for (const connection of this.connections) connection.lastCall();
    });
    this.time.at(deadlineAt, () => {
      this.#forced = true;
      for (const connection of this.connections) connection.force();
    });
  }
}

/** Lets a world run to its end. */
export function runWorld(script: Partial<WorldScript>): World {
  const world = new World(script);
  world.time.run();
  return world;
}

/** A world of one connection, which must not be shut down unless `shutdownAt` or `drain` is given. */
export function runOne(
  connection: WorldConnection,
  script: Partial<WorldScript> = {},
): { connection: VirtualConnection; world: World } {
  const world = runWorld({ ...script, connections: [connection] });
  return { connection: world.connections[0]!, world };
}

/** A peer's messages, sent at these times. */
export function sends(...times: readonly number[]): PeerStep[] {
  return times.map((at) => ({ at, what: "send" }));
}
