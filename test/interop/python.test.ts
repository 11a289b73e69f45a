/** The scenario with the clients of Python's `websockets`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { hasPythonWebsockets, python } from "../tools/debian.js";
import { AT_ONCE, CONNECTIONS, REQUESTS, RUNS, Scenario } from "../tools/scenario.js";
import { drainFor, expectAllServed, MODES, type Mode, type Run, type Seen } from "./outcomes.js";

const script = fileURLToPath(new URL("python_client.py", import.meta.url));

type Told = { sent: number } | { port: number; seen: Seen[] };

/** Several scenarios, whose clients all live in one Python process. */
async function run(mode: Mode, scenarios: number): Promise<Run[]> {
  const drain = drainFor(mode);
  const all = await Promise.all(Array.from({ length: scenarios }, () => Scenario.listen({ drain })));
  const args = [script, mode, String(CONNECTIONS), String(REQUESTS), ...all.map(({ port }) => String(port))];
  const child = spawn(python!, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "close");
  const stderr = text(child.stderr);

  const stopping = new Map<number, ReturnType<Scenario["stop"]>>();
  const seen = new Map<number, Seen[]>();
  for await (const line of createInterface({ input: child.stdout })) {
    const told = JSON.parse(line) as Told;
    if ("seen" in told) seen.set(told.port, told.seen);
    else stopping.set(told.sent, stop(all.find(({ port }) => port === told.sent)!));
  }
  expect(await exited, await stderr).toEqual([0, null]);
  return Promise.all(
    all.map(async ({ port }) => ({ stopped: await stopping.get(port)!, seen: seen.get(port)! })),
  );
}

async function stop(scenario: Scenario): ReturnType<Scenario["stop"]> {
  await scenario.until(() => scenario.started.length >= CONNECTIONS);
  return scenario.stop();
}

describe.skipIf(!hasPythonWebsockets)("Python's websockets", () => {
  it.each(MODES)("gets 25 of 25 %s requests served, and is closed cleanly", async (mode) => {
    const runs: Run[] = [];
    while (runs.length < RUNS) runs.push(...(await run(mode, Math.min(AT_ONCE, RUNS - runs.length))));
    expectAllServed(`Python's websockets, ${mode}`, runs);
  });
});
