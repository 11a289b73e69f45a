import { execFileSync } from "node:child_process";
import { describe, expect, onTestFinished, test } from "vitest";
import { createServer, type DrainReport, type Server } from "../../src/index.js";
import { terminationSignals, type TerminationSignals } from "../../src/process/index.js";
import { eventually } from "../tools/serve.js";
import { work } from "../tools/timing.js";

// A signal that nothing else in the test run listens to, sent for real.
const signal = "SIGUSR2";

async function raise(): Promise<void> {
  const heard = new Promise((resolve) => process.once(signal, resolve));
  process.kill(process.pid, signal);
  await heard;
}

test("the first signal aborts shutdown, one more than a second later aborts close, and then nobody listens", async () => {
  const before = process.listenerCount(signal);
  const { shutdown, close } = terminationSignals({ signals: [signal] });
  expect([shutdown.aborted, close.aborted]).toEqual([false, false]);

  await raise();
  expect([shutdown.aborted, close.aborted]).toEqual([true, false]);

  // A terminal's Ctrl-C often arrives twice.
  await raise();
  expect([shutdown.aborted, close.aborted]).toEqual([true, false]);
  expect(process.listenerCount(signal)).toBe(before + 1);

  await work(1001);
  await raise();
  expect([shutdown.aborted, close.aborted]).toEqual([true, true]);
  expect(process.listenerCount(signal)).toBe(before);
});

/** A server that runs with these signals, and listens. */
async function running(signals: TerminationSignals): Promise<{ server: Server; down: Promise<DrainReport> }> {
  const server = createServer(() => {});
  const down = server.run({ listen: { port: 0, host: "127.0.0.1" }, signals });
  await eventually(() => server.state === "listening");
  return { server, down };
}

test("nobody listens any more when every run that was given them has settled, however it was stopped", async () => {
  const before = process.listenerCount(signal);
  const signals = terminationSignals({ signals: [signal] });
  const [one, other] = [await running(signals), await running(signals)];
  await one.server.shutdown();
  await one.down;
  expect(process.listenerCount(signal)).toBe(before + 1);
  await other.server.close();
  await other.down;
  expect(process.listenerCount(signal)).toBe(before);

  // And somebody does again when there is something to stop.
  const later = await running(signals);
  expect(process.listenerCount(signal)).toBe(before + 1);
  await raise();
  expect((await later.down).outcome).toBe("clean");
});

test("the second half of a Ctrl-C does not kill what cleans up when the server was down at once", async () => {
  const before = process.listenerCount(signal);
  const { down } = await running(terminationSignals({ signals: [signal] }));
  const raisedAt = performance.now();
  await raise();
  await down;
  expect(process.listenerCount(signal)).toBe(before + 1);
  await eventually(() => process.listenerCount(signal) === before);
  expect(performance.now() - raisedAt).toBeGreaterThan(900);
});

test("a run that cannot listen lets go of them as well", async () => {
  const before = process.listenerCount(signal);
  const signals = terminationSignals({ signals: [signal] });
  await expect(createServer(() => {}).run({ signals })).rejects.toThrow("There is nothing to run");
  expect(process.listenerCount(signal)).toBe(before);
});

describe("two signals of which a loop that stood has heard at once", () => {
  test.for([
    { sent: ["USR2", "USR2"], apart: 1.3, are: "two" },
    { sent: ["INT", "USR2"], apart: 1.3, are: "two" },
    // A terminal's, for all that is known.
    { sent: ["INT", "INT"], apart: 0.1, are: "one" },
  ])("$sent, $apart s apart, are $are", async ({ sent, apart, are }) => {
    const { shutdown, close } = terminationSignals({ signals: ["SIGUSR2", "SIGINT"] });
    const [first, second] = sent.map((name) => `kill -${name} ${process.pid}`);
    // The loop turns for a while, and then stands for as long as this takes.
    await work(300);
    execFileSync("sh", ["-c", `sleep 0.3; ${first}; sleep ${apart}; ${second}; sleep 0.3`]);
    await eventually(() => shutdown.aborted);
    await new Promise((resolve) => setImmediate(resolve));
    expect(close.aborted).toBe(are === "two");
    await work(1_100);
    if (!close.aborted) await raise();
    expect(close.aborted).toBe(true);
  });

  test("less than a second apart in a loop that turns, they are one", async () => {
    const { shutdown, close } = terminationSignals({ signals: [signal] });
    await work(300);
    await raise();
    await work(700);
    await raise();
    expect([shutdown.aborted, close.aborted]).toEqual([true, false]);
    await work(400);
    await raise();
    expect(close.aborted).toBe(true);
  });
});

test("a signal that this system does not have is refused at once, and nothing is installed", () => {
  const before = process.listenerCount("SIGUSR2");
  expect(() => terminationSignals({ signals: ["SIGUSR2", "SIGTREM" as NodeJS.Signals] })).toThrowError(
    'signals must be names such as SIGTERM; it was "SIGTREM".',
  );
  expect(process.listenerCount("SIGUSR2")).toBe(before);
});

test("many servers of one process run with the same signals, and no warning comes of it", async () => {
  const warnings: Error[] = [];
  const hear = (warning: Error): void => void warnings.push(warning);
  process.on("warning", hear);
  onTestFinished(() => void process.off("warning", hear));
  const signals = terminationSignals({ signals: [signal] });
  const servers = Array.from({ length: 12 }, () => createServer(() => {}));
  const runs = servers.map((server) => server.run({ listen: { port: 0, host: "127.0.0.1" }, signals }));
  await raise();
  for (const report of await Promise.all(runs)) expect(report.outcome).toBe("clean");
  expect(warnings).toEqual([]);
});
