/**
 * Random worlds of doors and hosts, on real sockets: servers that come and go on an HTTP server that does more than
 * upgrade, clients in a process of their own, and a loop that stands still now and then.
 *
 *   DOOR_REQUESTS=100000   how many requests, at least (default: see test/tools/effort.ts)
 *   DOOR_SEED=7            which world is the first: what a failure prints plays it again
 */
import { randomInt } from "node:crypto";
import { afterAll, expect, test, vi } from "vitest";
import { repetitions } from "../tools/effort.js";
import { ms } from "../tools/timing.js";
import { Clients } from "./clients.js";
import { describeBreaches, judge } from "./judge.js";
import { play } from "./play.js";
import { worldOf } from "./world.js";

const REQUESTS = repetitions.doorRequests;
const FIRST = Number(process.env["DOOR_SEED"] ?? randomInt(2 ** 30));
const AT_ONCE = Number(process.env["DOOR_AT_ONCE"] ?? 2);

const clients = new Clients();
afterAll(() => clients.end());

test(
  `${REQUESTS} requests to doors and hosts keep the rules`,
  { timeout: ms(60_000) + REQUESTS * ms(100) },
  async () => {
    // A server without a path beside another stack warns, once for each host.
    vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const failed: string[] = [];
    let next = FIRST;
    let requests = 0;
    const playing = new Set<number>();
    // It fails the run by itself; here is said where.
    const onUncaught = (error: Error): void => {
      failed.push(`uncaught in one of the worlds ${[...playing].join(", ")}: ${error.stack}`);
    };
    process.on("uncaughtExceptionMonitor", onUncaught);
    const one = async (): Promise<void> => {
      while (requests < REQUESTS) {
        const world = worldOf(next++);
        requests += world.clients.reduce((sum, { exchanges }) => sum + exchanges.length, 0);
        playing.add(world.seed);
        const seen = await play(world, clients);
        playing.delete(world.seed);
        const breaches = judge(seen);
        if (breaches.length === 0) continue;
        failed.push(`DOOR_REQUESTS=1 DOOR_SEED=${world.seed}\n  ${describeBreaches(seen, breaches)}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    process.off("uncaughtExceptionMonitor", onUncaught);
    console.info(
      `worlds from ${FIRST} on: ${next - FIRST} with ${requests} requests, ${failed.length} failed`,
    );
    expect(failed.join("\n")).toBe("");
  },
);
