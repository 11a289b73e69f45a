/** Many connections in one process: how they go down, what their peers see, and what memory is left of them. */
import { expect, it } from "vitest";
import type { DrainReport } from "../../src/index.js";
import { repetitions, spoken } from "../tools/effort.js";
import { Forked } from "../tools/fork.js";
import { reportWith, countsOf } from "../tools/scenario.js";
import { bound, ms } from "../tools/timing.js";

type ServerEvent =
  | { event: "listening"; port: number; memory: number }
  | { event: "memory"; bytes: number; connections: number }
  | { event: "stopping"; served: number }
  | { event: "down"; served: number; report: DrainReport; memory: number; left: number };

/** By client: replies, the close code, when in the order of all it got its first Ping, what ended the socket, a violation. */
type Seen = [replies: number, code: number, rank: number, ended: string, violation: string];
type CrowdEvent = { event: "connected" } | { event: "over"; seen: Seen[] };

const KIB = 1024;
const MIB = 1024 * KIB;

const { idleConnections: IDLE, activeConnections: ACTIVE } = repetitions;

/** What a clean end looks like to a client, its rank aside. */
function endOf([replies, code, , ended, violation]: Seen): string {
  return JSON.stringify([replies, code, ended, violation]);
}

function countEnds(seen: readonly Seen[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const end of seen.map(endOf)) counts[end] = (counts[end] ?? 0) + 1;
  return counts;
}

it(
  `drains ${spoken(IDLE)} idle connections in paced order, without a reset, and keeps nothing of them`,
  { timeout: ms(120_000) },
  async () => {
    const CLIENTS = IDLE;
    // Two seconds, whatever their number.
    const PACE = CLIENTS / 2;
    const server = new Forked<ServerEvent>("memory-server.mjs", { work: 0, drain: { pace: PACE } });
    const { port, memory: before } = await server.tells("listening");
    const crowd = new Forked<CrowdEvent>("crowd.mjs", { port, clients: CLIENTS, requests: 0 });
    await crowd.tells("connected");
    server.write("memory?\n");
    const { bytes: open, connections } = await server.tells("memory");
    expect(connections).toBe(CLIENTS);
    server.kill("SIGTERM");
    const down = await server.tells("down");
    const { seen } = await crowd.tells("over");

    expect(countEnds(seen)).toEqual({ [endOf([0, 1012, 0, "FIN", ""])]: CLIENTS });
    expect(countsOf(down.report)).toEqual(reportWith("clean", { total: CLIENTS, closed: CLIENTS }, {}));
    expect(down.left).toBe(0);
    // The last one starts when all before it have had their turn.
    expect(down.report.duration).toBeGreaterThanOrEqual(((CLIENTS - 1) / PACE) * 1_000);
    // Their drains, each of which begins with a Ping, began in the order in which they came, up to what the two event
    // loops take at a time. (The Closes are in another order: each peer's quiet is as long as its round trip asks for.)
    const parts = Array.from({ length: 10 }, (_, part) => {
      const ranks = seen.slice((part * CLIENTS) / 10, ((part + 1) * CLIENTS) / 10).map(([, , rank]) => rank);
      return ranks.reduce((sum, rank) => sum + rank, 0) / ranks.length;
    });
    expect(parts).toEqual(parts.toSorted((one, other) => one - other));
    for (const [part, rank] of parts.entries()) {
      expect(Math.abs(rank - (part + 0.5) * (CLIENTS / 10)), `tenth ${part + 1}`).toBeLessThan(CLIENTS / 20);
    }
    // What is left is less than a tenth of what they took: the heap's own slack.
    console.info(
      `${spoken(CLIENTS)} idle connections: ${((open - before) / CLIENTS / KIB).toFixed(1)} KiB each while open, ` +
        `${((down.memory - before) / MIB).toFixed(1)} MiB in all after it; drained in ${down.report.duration} ms`,
    );
    expect((open - before) / CLIENTS).toBeGreaterThan(2 * KIB);
    expect(down.memory - before).toBeLessThan(5 * MIB);
    expect(await server.exited()).toMatchObject({ code: 0, stderr: "" });
    expect(await crowd.exited()).toMatchObject({ code: 0, stderr: "" });
  },
);

it(
  `serves all that ${spoken(ACTIVE)} active connections had sent, in the middle of their work`,
  { timeout: ms(120_000) },
  async () => {
    const CLIENTS = ACTIVE;
    const REQUESTS = 5;
    const server = new Forked<ServerEvent>("memory-server.mjs", { work: 100 });
    const { port } = await server.tells("listening");
    const crowd = new Forked<CrowdEvent>("crowd.mjs", { port, clients: CLIENTS, requests: REQUESTS });
    await crowd.tells("connected");
    crowd.write("ask\n");
    // Their first requests are being worked on when the answer comes.
    server.write("memory?\n");
    await server.tells("memory");
    server.kill("SIGTERM");
    const [stopping, down] = [await server.tells("stopping"), await server.tells("down")];
    const { seen } = await crowd.tells("over");

    expect(stopping.served).toBeLessThan(CLIENTS * REQUESTS);
    expect(countEnds(seen)).toEqual({ [endOf([REQUESTS, 1012, 0, "FIN", ""])]: CLIENTS });
    expect(down.served).toBe(CLIENTS * REQUESTS);
    expect(countsOf(down.report)).toEqual(
      reportWith("clean", { total: CLIENTS, closed: CLIENTS }, { served: down.served - stopping.served }),
    );
    expect(down.report.duration).toBeLessThan(bound(25_000));
    expect(await server.exited()).toMatchObject({ code: 0, stderr: "" });
    expect(await crowd.exited()).toMatchObject({ code: 0, stderr: "" });
  },
);
