/**
 * The scenario that started the project: 5 connections, 5 requests each, 100 ms of work for each request, and 50 ms in
 * the server is told to stop. All 25 must be served.
 */
import { EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished } from "vitest";
import { createServer, type DrainReport, type Server, type ServerOptions } from "../../src/index.js";
import { repetitions } from "./effort.js";
import { work } from "./timing.js";

export const CONNECTIONS = 5;
export const REQUESTS = 5;
export const TOTAL = CONNECTIONS * REQUESTS;
/** What a request takes, in milliseconds. */
export const WORK = 100;
/** When the server is told to stop, in milliseconds from the first request on. */
export const STOP_AFTER = 50;

/** A lifecycle is trusted once it has held fifty times in a row: at full effort it is played so often. */
export const RUNS = repetitions.runs;
/** How many of them overlap: they mostly wait, and the suite must stay short. */
export const AT_ONCE = 25;

export function request(connection: number | string, index: number): string {
  return `${connection}:${index}`;
}

/** All requests of a connection, in order. */
export function requestsOf(connection: number | string, count = REQUESTS): string[] {
  return Array.from({ length: count }, (_, index) => request(connection, index));
}

export function reply(to: string): string {
  return `done ${to}`;
}

/** The replies to all requests of a connection, in order. */
export function repliesTo(connection: number | string, count = REQUESTS): string[] {
  return requestsOf(connection, count).map(reply);
}

/** A server that works on each request, and the account that its own handlers keep. */
export class Scenario {
  readonly server: Server;
  /** Requests in the order in which a handler got them, and in which it was finished with them. */
  readonly started: string[] = [];
  readonly served: string[] = [];
  readonly #events = new EventEmitter().setMaxListeners(0);
  #firstAt = 0;

  constructor(options: ServerOptions = {}) {
    this.server = createServer(options, async (connection) => {
      for await (const message of connection) {
        this.#start(String(message));
        await work(WORK);
        connection.send(reply(String(message)));
        this.served.push(String(message));
        this.#events.emit("change");
      }
    });
    // A test that fails half-way must not leave it open.
    onTestFinished(() => void this.server.close());
  }

  /** A scenario that listens. */
  static async listen(options: ServerOptions = {}): Promise<Scenario & { port: number }> {
    const scenario = new Scenario(options);
    const { port } = await scenario.server.listen({ port: 0, host: "127.0.0.1" });
    return Object.assign(scenario, { port });
  }

  /** Resolves with the port once something else, such as `run`, has made it listen. */
  async listening(): Promise<number> {
    while (this.server.address() === null) await new Promise((resolve) => setImmediate(resolve));
    return (this.server.address() as AddressInfo).port;
  }

  #start(message: string): void {
    if (this.started.length === 0) this.#firstAt = performance.now();
    this.started.push(message);
    this.#events.emit("change");
  }

  /** Resolves when a condition on what was started and served holds. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.#events, "change");
  }

  /** Waits for the moment, stops the server by what is given, and counts right when that has settled. */
  async stop(shutdown: () => Promise<DrainReport> = () => this.server.shutdown()): Promise<Stopped> {
    await this.until(() => this.started.length > 0);
    await work(Math.max(0, this.#firstAt + STOP_AFTER - performance.now()));
    const before = this.served.length;
    const report = await shutdown();
    const served = this.served.length;
    return { before, served, report, left: this.server.connections.size, state: this.server.state };
  }
}

/** How a scenario ended. */
export interface Stopped {
  /** Requests served when the server was told to stop, and when it said that it was done. */
  before: number;
  served: number;
  report: DrainReport;
  left: number;
  state: string;
}

/** What of a report does not depend on time or chance. */
export function countsOf({ outcome, connections, messages, troubled, troubledOmitted }: DrainReport) {
  return { outcome, connections, messages, troubled: troubled.map(({ reason }) => reason), troubledOmitted };
}

/** What of a scenario's end does not depend on time or chance: the report's messages include those before the stop. */
export function outcomeOf({ before, served, report, left, state }: Stopped) {
  const counts = countsOf(report);
  const messages = { ...counts.messages, served: before + counts.messages.served };
  return { served, left, state, report: { ...counts, messages } };
}

const NO_CONNECTIONS = { total: 0, closed: 0, left: 0, unconfirmed: 0, forced: 0, unproven: 0 };
const NO_MESSAGES = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };

/** A report in full, from what is not zero in it. */
export function reportWith(
  outcome: DrainReport["outcome"],
  connections: Partial<DrainReport["connections"]>,
  messages: Partial<DrainReport["messages"]>,
  troubled: string[] = [],
) {
  return {
    outcome,
    connections: { ...NO_CONNECTIONS, ...connections },
    messages: { ...NO_MESSAGES, ...messages },
    troubled,
    troubledOmitted: 0,
  };
}

/** The end of a scenario in which nothing was left open, in full. */
export function ended(served: number, report: ReturnType<typeof reportWith>) {
  return { served, left: 0, state: "closed", report };
}

/** How the scenario ends when all goes well: 25 of 25, and every peer has confirmed it. */
export const allServed = ended(
  TOTAL,
  reportWith("clean", { total: CONNECTIONS, closed: CONNECTIONS }, { served: TOTAL }),
);

/** Runs something again and again, some of the runs at the same time, and returns what each returned. */
export async function repeatedly<Outcome>(
  run: (index: number) => Promise<Outcome>,
  { times = RUNS, atOnce = AT_ONCE } = {},
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  while (outcomes.length < times) {
    const batch = Math.min(atOnce, times - outcomes.length);
    outcomes.push(
      ...(await Promise.all(Array.from({ length: batch }, (_, index) => run(outcomes.length + index)))),
    );
  }
  return outcomes;
}

/** Proves that the runs were what they are meant to be: told to stop in the middle of the work. */
export function expectStoppedInTheMiddle(runs: readonly Pick<Stopped, "before">[], total = TOTAL): void {
  // A machine that stood still for half a second may spoil one of them, not half.
  const inTheMiddle = runs.filter(({ before }) => before < total).length;
  expect(inTheMiddle, "runs that were stopped in the middle of the work").toBeGreaterThan(runs.length / 2);
}

/** Prints a time that was seen: it is told, not asserted. */
export function tellTimes(what: string, times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b).map(Math.round);
  const median = sorted[Math.floor(sorted.length / 2)];
  console.info(`${what}: ${sorted.length} runs, ${sorted[0]} to ${sorted.at(-1)} ms, median ${median} ms`);
}
