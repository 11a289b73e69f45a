import { expect, onTestFinished, test } from "vitest";
import { createServer } from "../../src/index.js";
import { terminationSignals } from "../../src/process/index.js";
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
  const runs = servers.map((server) => server.run({ listen: { port: 0, host: "127.0.0.1" }, ...signals }));
  await raise();
  for (const report of await Promise.all(runs)) expect(report.outcome).toBe("clean");
  expect(warnings).toEqual([]);
});
