/** Values that are allowed and that hardly anybody means. Each option is warned of once in a process: here is that process. */
import { expect, onTestFinished, test } from "vitest";
import { createServer, defaults, type ServerOptions } from "../../src/index.js";

/** What this process is warned of while servers are made with these options. */
async function warnedOf(...all: ServerOptions[]): Promise<string[]> {
  const seen: string[] = [];
  const listener = (warning: Error & { code?: string }): void => {
    if (warning.code === "LASTCALL_DOUBTFUL_OPTION") seen.push(warning.message);
  };
  process.on("warning", listener);
  onTestFinished(() => void process.off("warning", listener));
  for (const options of all) createServer(options, () => {});
  await new Promise((resolve) => setImmediate(resolve));
  return seen;
}

test("seconds where milliseconds are meant are warned of, once for each option, with the right form", async () => {
  const drain = { deadline: 25 };
  expect(await warnedOf({ drain }, { drain })).toEqual([
    "The option drain.deadline is 25 milliseconds; times are in milliseconds, and 25 s are 25000.",
  ]);
  expect(await warnedOf({ heartbeat: { interval: 30, timeout: 10 } })).toEqual([
    "The option heartbeat.interval is 30 milliseconds; times are in milliseconds, and 30 s are 30000.",
    "The option heartbeat.timeout is 10 milliseconds; times are in milliseconds, and 10 s are 10000.",
  ]);
});

test("mebibytes where bytes are meant are warned of too", async () => {
  expect(await warnedOf({ maxPayload: 16 })).toEqual([
    "The option maxPayload is 16 bytes; sizes are in bytes, and 16 MiB are 16 * 1024 * 1024.",
  ]);
});

test("a shutdown's own deadline is warned of like the server's", async () => {
  const server = createServer(() => {});
  const warned = warnedOf();
  await server.shutdown({ deadline: 25 });
  expect(await warned).toEqual([
    "The option deadline is 25 milliseconds; times are in milliseconds, and 25 s are 25000.",
  ]);
});

test("zero where it means none, what may well be short, and all defaults are not", async () => {
  const { drain, inboxLimit, highWaterMark, handshakeTimeout, heartbeat } = defaults;
  expect(
    await warnedOf(
      { drain, inboxLimit, highWaterMark, handshakeTimeout, heartbeat },
      { closeReplyTimeout: 0, goneTimeout: 0, drain: { lameDuck: 0, patience: 0, lastCall: 0 } },
      { drain: { quiet: 20, pace: 50, handshakeGrace: 50, closeTimeout: 50, lingerTimeout: 50 } },
      { maxConnections: 10, maxFragments: 4, inboxLimit: { messages: 10 }, compression: { threshold: 64 } },
    ),
  ).toEqual([]);
});
