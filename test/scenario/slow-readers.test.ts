/** Clients that read what was sent to them before the stop, slowly, and one that looks the same and is dead. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import type { DrainReport } from "../../src/index.js";
import { effort } from "../tools/effort.js";
import { serve } from "../tools/serve.js";
import { bound } from "../tools/timing.js";

const CLIENT = fileURLToPath(new URL("../fixtures/slow_reader.py", import.meta.url));

interface Seen {
  received: number;
  code: number | null;
  error: string | null;
}

/** A client that reads at this pace what it is sent, and a shutdown as soon as all of it is sent. */
async function stopBefore(
  bytesPerSecond: number,
  replies: readonly number[],
): Promise<{ report: DrainReport; seen: Seen | undefined }> {
  let sent: () => void = () => {};
  const allSent = new Promise<void>((resolve) => (sent = resolve));
  const { server, port } = await serve(async (connection) => {
    for await (const _ of connection) for (const size of replies) connection.send(Buffer.alloc(size));
    sent();
  });
  // A receive buffer as small as it gets: what it does not read waits with us.
  const client = spawn("python3", [CLIENT, String(port), "go", String(bytesPerSecond), "4096"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void client.kill("SIGKILL"));
  // It may be over before our shutdown is.
  const closed = once(client, "close");
  const lines = createInterface(client.stdout)[Symbol.asyncIterator]();
  await lines.next();
  const [report] = await Promise.all([server.shutdown(), allSent]);
  if (bytesPerSecond === 0) client.kill("SIGKILL");
  const { value, done } = await lines.next();
  await closed;
  return { report, seen: done === true ? undefined : (JSON.parse(value) as Seen) };
}

const KB = 1_000;
const EACH_ONE = [
  { pace: 46 * KB, replies: [300 * KB] },
  { pace: 90 * KB, replies: [126 * KB, 260 * KB, 126 * KB] },
  { pace: 256 * KB, replies: Array.from({ length: 1_200 }, () => KB) },
];
const MORE = [
  { pace: 32 * KB, replies: [450 * KB] },
  { pace: 46 * KB, replies: Array.from({ length: 8 }, () => 100 * KB) },
  { pace: 1_000 * KB, replies: [16_000 * KB] },
];

describe("A slow reader", () => {
  const readers = effort === "full" ? [...EACH_ONE, ...MORE] : EACH_ONE;

  it("that lives gets all that was sent before the stop, and the Close, and confirms it", async () => {
    await Promise.all(
      readers.map(async ({ pace, replies }) => {
        const { report, seen } = await stopBefore(pace, replies);
        const total = replies.reduce((sum, size) => sum + size, 0);
        expect(seen).toMatchObject({ received: total, code: 1012, error: null });
        expect(report).toMatchObject({ outcome: "clean", messages: { undelivered: 0 }, troubled: [] });
        expect(report.duration).toBeLessThan(25_000);
      }),
    );
  });

  it("that is dead holds the shutdown no longer than its limits, and what it never took is told", async () => {
    const dead = [[4 * 1024 * 1024], [300 * KB], Array.from({ length: 300 }, () => KB)];
    await Promise.all(
      dead.map(async (replies) => {
        const { report, seen } = await stopBefore(0, replies);
        expect(seen).toBeUndefined();
        expect(report).toMatchObject({ outcome: "forced", troubled: [{ reason: "unsent" }] });
        const { undelivered } = report.messages;
        // Some of many small ones lie in its own receive buffer.
        expect(undelivered).toBeGreaterThan(replies.length === 1 ? 0 : 250);
        expect(undelivered).toBeLessThanOrEqual(replies.length);
        // The barrier, the quiet behind it, `closeTimeout`, `lingerTimeout`.
        expect(report.duration).toBeLessThan(bound(2_000 + 100 + 3_000 + 1_000));
      }),
    );
  });
});
