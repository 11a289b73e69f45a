import { expect, test } from "vitest";
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
