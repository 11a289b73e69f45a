/** The drill with thousands of connections: what it takes, and that it is not what is measured. */
import { expect, it } from "vitest";
import { repetitions, spoken } from "../tools/effort.js";
import { runNode } from "../tools/run-process.js";
import { ms } from "../tools/timing.js";

const MANY = repetitions.drilledConnections;

interface Taken {
  passed: boolean;
  failures: unknown[];
  sent: number;
  answered: number;
  /** Milliseconds from the first request to the server's exit. */
  afterLoadBegan: number;
  load: { cpu: number; longestStall: number };
  /** Bytes, at most. */
  memory: number;
}

async function drillOf(connections: number): Promise<Taken> {
  const { stdout, stderr } = await runNode(["test/fixtures/drill-crowd.mjs", String(connections)]);
  expect(stderr).toBe("");
  return JSON.parse(stdout) as Taken;
}

it(
  `has ${spoken(MANY)} connections with 10 requests each under 500 MB, and is not the bottleneck`,
  async () => {
    const few = await drillOf(100);
    const many = await drillOf(MANY);
    console.log(
      `${spoken(MANY)} × 10: ${(many.memory / 1e6).toFixed(0)} MB, ${(many.load.cpu * 100).toFixed(0)} % of a core, ` +
        `stalled for ${many.load.longestStall.toFixed(0)} ms at most, over after ${many.afterLoadBegan} ms ` +
        `(100 × 10: ${few.afterLoadBegan} ms; the work alone takes 1 000 ms)`,
    );
    expect(many).toMatchObject({ passed: true, failures: [], sent: 10 * MANY, answered: 10 * MANY });
    expect(many.memory).toBeLessThan(500e6);
    // It has time to spare: work that piles up in it would show as a core that is never idle.
    expect(many.load.cpu).toBeLessThan(0.95);
  },
  ms(180_000),
);
