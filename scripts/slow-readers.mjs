/**
 * What a shutdown does with clients that read slowly, and with dead ones that look the same: for each pace, shape of
 * replies and receive buffer a server of its own, all at the same time. Prints the table of docs/evidence.md. About half
 * a minute; the build must be there.
 *
 *   node scripts/slow-readers.mjs
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createServer } from "../dist/index.js";

const CLIENT = fileURLToPath(new URL("../test/fixtures/slow_reader.py", import.meta.url));
const KB = 1_000;
const KIB = 1_024;
const MIB = KIB * KIB;

/** @type {(count: number, length: number) => number[]} */
const times = (count, length) => Array.from({ length: count }, () => length);

/** What is sent to whom: bytes a second (0: it reads nothing), the lengths of the replies. */
const ROWS = [
  { rate: 32 * KIB, replies: [600 * KB] },
  { rate: 32 * KIB, replies: times(600, KB) },
  { rate: 46 * KB, replies: [800 * KB] },
  { rate: 46 * KB, replies: times(8, 100 * KB) },
  { rate: 100 * KB, replies: [1_500 * KB] },
  { rate: 100 * KB, replies: times(4, 126 * KB).flatMap((length) => [length, 260 * KB]) },
  { rate: 150 * KB, replies: [2 * MIB] },
  { rate: 256 * KIB, replies: [MIB] },
  { rate: 256 * KIB, replies: [4 * MIB] },
  { rate: 256 * KIB, replies: times(4 * KIB, KIB) },
  { rate: 1_000 * KB, replies: [4 * MIB] },
  { rate: 1_000 * KB, replies: [16 * MIB] },
  { rate: 1_000 * KB, replies: times(4 * KIB, 4 * KIB) },
  { rate: 0, replies: [MIB] },
  { rate: 0, replies: [4 * MIB] },
  { rate: 0, replies: [16 * MIB] },
  { rate: 0, replies: times(KIB, KIB) },
];
/** Bytes of the client's receive buffer; undefined: as its kernel sees fit. */
const BUFFERS = [4 * KIB, undefined, 4 * MIB];

/**
 * @param {number} rate
 * @param {number[]} replies
 * @param {number | undefined} receiveBuffer
 */
async function play(rate, replies, receiveBuffer) {
  const server = createServer({ outboxLimit: 64 * MIB }, async (connection) => {
    for await (const _ of connection) for (const length of replies) connection.send(Buffer.alloc(length));
  });
  const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
  const buffer = receiveBuffer === undefined ? [] : [String(receiveBuffer)];
  const client = spawn("python3", [CLIENT, String(port), "go", String(rate), ...buffer], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface(client.stdout);
  await once(lines, "line");
  /** @type {string[]} */
  const printed = [];
  lines.on("line", (line) => printed.push(line));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const report = await server.shutdown();
  if (rate === 0) client.kill("SIGKILL");
  await once(client, "close");
  return { report, seen: printed.length > 0 ? JSON.parse(printed.join("")) : undefined };
}

/** @param {number} bytes */
function size(bytes) {
  return bytes % MIB === 0
    ? `${bytes / MIB} MiB`
    : bytes % KIB === 0
      ? `${bytes / KIB} KiB`
      : `${bytes / KB} kB`;
}

/** @param {number[]} replies */
function shape(replies) {
  const sizes = [...new Set(replies)].map(size);
  return replies.length === 1 ? sizes[0] : `${replies.length} × ${sizes.join(" or ")}`;
}

/**
 * @param {number[]} replies
 * @param {Awaited<ReturnType<typeof play>>} played
 */
function told(replies, { report, seen }) {
  const total = replies.reduce((sum, each) => sum + each, 0);
  const { undelivered } = report.messages;
  const reported = `${report.outcome} after ${(report.duration / 1_000).toFixed(1)} s`;
  if (seen === undefined) return `${reported}, ${undelivered} undelivered`;
  return `${seen.received === total ? "all" : `${seen.received} of ${total}`}, ${seen.code}; ${reported}`;
}

const rows = ROWS.map(async ({ rate, replies }) => {
  const played = await Promise.all(BUFFERS.map((receiveBuffer) => play(rate, replies, receiveBuffer)));
  const cells = played.map((each) => told(replies, each));
  return `| ${[rate === 0 ? "nothing" : `${size(rate)}/s`, shape(replies), ...cells].join(" | ")} |`;
});
const buffers = BUFFERS.map((bytes) => (bytes === undefined ? "as its kernel sees fit" : size(bytes)));
console.log(`| It reads | sent before the stop | its receive buffer: ${buffers.join(" | ")} |`);
console.log(`|${"---|".repeat(2 + BUFFERS.length)}`);
console.log((await Promise.all(rows)).join("\n"));
