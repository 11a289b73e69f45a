/** Drills of the servers in test/fixtures/drill, small enough to be many, and what is compared of a result. */
import { fileURLToPath } from "node:url";
import {
  drill,
  type DrillOptions,
  type DrillResult,
  type Finding,
  type RunResult,
} from "../../src/drill/index.js";
import { ms } from "./timing.js";

/** The command that starts a server of test/fixtures/drill. */
export function fixture(name: string): string[] {
  return [process.execPath, fileURLToPath(new URL(`../fixtures/drill/${name}.mjs`, import.meta.url))];
}

/** Small, and with time for a busy machine: what is sent before the signal has come before it. */
const small: DrillOptions = { connections: 3, requests: 3, signalAfter: ms(150), timeout: ms(20_000) };

/** Drills a server of test/fixtures/drill, or one that the options name. */
export function drillSmall(name: string | undefined, options: DrillOptions = {}): Promise<DrillResult> {
  return drill({ ...small, ...(name === undefined ? {} : { command: fixture(name) }), ...options });
}

function nonZero(counts: RunResult["counts"]): Partial<RunResult["counts"]> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

/** Remarks of which it hangs on the machine's speed whether they are made, or that go without saying. */
const LEFT_OUT = new Set<Finding["kind"]>(["load", "no close", "nothing at stake"]);

/** What a run comes down to. */
export function outcomeOf(run: RunResult) {
  const { exitCode, exitSignal, killed } = run.process;
  const told = run.remarks.filter(({ kind }) => !LEFT_OUT.has(kind));
  return {
    passed: run.passed,
    counts: nonZero(run.counts),
    exit: killed ? "killed" : (exitCode ?? exitSignal),
    failures: Object.fromEntries(run.failures.map(({ kind, count }) => [kind, count])),
    told: Object.fromEntries(told.map(({ kind, count }) => [kind, count])),
  };
}

/** What is not as it should be in any of the runs, with all that was seen of it, for a test to print. */
export function failedRuns({ runs }: DrillResult): unknown[] {
  return runs
    .filter(({ passed }) => !passed)
    .map(({ profile, repeat, failures, remarks, connections, process: { output } }) => ({
      profile,
      repeat,
      failures,
      remarks,
      output,
      connections: connections.map((connection) => ({
        ...connection,
        requests: connection.requests.filter(({ failed }) => failed),
      })),
    }));
}
