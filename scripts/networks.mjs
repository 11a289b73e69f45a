/**
 * `npm run networks`: what a shutdown does over bad networks. A server in one network namespace, its clients in another,
 * and between them a link that delays, loses, reorders, is slow, or is not there for a while (scripts/networks/link.py).
 * Prints the table of docs/evidence.md; exits with 1 when a living client was cut, a request was executed twice, or
 * executed though its client was told that it was not, or a shutdown took longer than its deadline.
 *
 *   npm run networks -- --only outage   the rows whose name contains that
 *   npm run networks -- --seed 7        other packets are lost; printed at each run
 *   npm run networks -- --at-once 1     one row after the other, on a machine that is busy
 *
 * It needs Linux with namespaces (as root, or as anybody where the system allows that), TUN, `unshare`, `nsenter`, `ip`
 * and python3; where that is missing it says so and does not run. Everything lives in namespaces of its own and goes with
 * them, however it ends.
 */
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildIfNeeded } from "./build-if-needed.mjs";
import { judge, play, playArrivals } from "./networks/play.mjs";
import { ARRIVALS, CLIENTS, DEADLINE, needed, NEWCOMERS, ROWS } from "./networks/rows.mjs";

/**
 * @typedef {import("./networks/rows.mjs").Row} Row
 * @typedef {import("./networks/play.mjs").Played} Played
 * @typedef {import("./networks/play.mjs").Seen} Seen
 */

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(1 + Math.floor(Math.random() * 1e6)) },
    only: { type: "string", default: "" },
    "at-once": { type: "string", default: "4" },
    inside: { type: "boolean", default: false },
  },
});

/** @param {number} milliseconds */
function seconds(milliseconds) {
  return `${(milliseconds / 1_000).toFixed(1)} s`;
}

/** @param {Played} played */
function cellsOf({ row, report, living, seen, packets }) {
  const alive = /** @type {Seen[]} */ (seen).filter(({ address }) => living.includes(address));
  const sum = (/** @type {(each: Seen) => number} */ of) =>
    alive.reduce((total, each) => total + of(each), 0);
  return [
    row.name,
    `${packets.lost} of ${packets.packets}`,
    `${living.length} of ${CLIENTS}`,
    `${sum(({ answered }) => answered.length)} of ${sum(({ asked }) => asked.length)}`,
    sum(({ code }) => (code === 1012 ? 1 : 0)),
    `${report.messages.handedBack} / ${report.connections.unproven}`,
    `${report.outcome} after ${seconds(report.duration)}`,
    seconds(needed(row)),
  ];
}

/** @param {readonly string[]} columns */
function printHead(...columns) {
  console.log(`\n| ${columns.join(" | ")} |\n|${"---|".repeat(columns.length)}`);
}

/**
 * Plays all of them, so many at once, and prints what came of it in their order. Resolves with how many did not keep what
 * is promised.
 *
 * @template T
 * @param {readonly T[]} all
 * @param {(each: T) => Promise<{ cells: readonly (string | number)[], kept: boolean }>} playOne
 */
async function playAll(all, playOne) {
  /** @type {Map<T, { cells: readonly (string | number)[], kept: boolean }>} */
  const played = new Map();
  const waiting = [...all];
  let printed = 0;
  const goOn = async () => {
    for (let next; (next = waiting.shift()) !== undefined;) {
      played.set(next, await playOne(next));
      for (let row; (row = played.get(/** @type {T} */ (all[printed]))) !== undefined; printed++) {
        console.log(`| ${row.cells.join(" | ")} |`);
      }
    }
  };
  await Promise.all(Array.from({ length: Number(values["at-once"]) }, goOn));
  return [...played.values()].filter(({ kept }) => !kept).length;
}

/** @param {number} seed */
function playRows(seed) {
  const counted = ["living", "answered", "1012 seen", "handed back / unproven"];
  printHead("network", "packets lost", ...counted, "shutdown", "the network needs", "kept");
  return playAll(
    ROWS.filter(({ name }) => name.includes(values.only)),
    async (row) => {
      const played = await play(row, seed);
      const wrong = judge(played);
      const verdict = wrong.length === 0 ? "yes" : `NO: ${wrong.join("; ")}`;
      return { cells: [...cellsOf(played), verdict], kept: wrong.length === 0 };
    },
  );
}

/** @param {number} seed */
function playDoor(seed) {
  printHead("those who come", "served", "told (503)", "refused", "connected, then reset");
  return playAll(ARRIVALS, async (arrivals) => {
    const { roundTrip, lameDuck } = arrivals;
    const count = await playArrivals(arrivals, seed);
    const duck = lameDuck === 0 ? "" : `, lame duck of ${seconds(lameDuck)}`;
    const saw = ["served", "told", "refused", "reset"].map(count);
    return {
      cells: [`${NEWCOMERS.count}, ${roundTrip} ms${duck}`, ...saw],
      kept: lameDuck === 0 || count("served") === NEWCOMERS.count,
    };
  });
}

async function run() {
  const seed = Number(values.seed);
  console.log(`Seed ${seed}, ${CLIENTS} clients, deadline ${seconds(DEADLINE)}.`);
  let broken = await playRows(seed);
  if (values.only === "") broken += await playDoor(seed);
  console.log(broken === 0 ? "\nAll of it kept." : `\nNot kept: ${broken}.`);
  process.exit(broken > 0 ? 1 : 0);
}

/** What runs a program with everything that is needed, and in namespaces that go with it; or why nothing can. */
function wayIn() {
  const namespaces = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const able = [
    "sh",
    "-ec",
    "exec <>/dev/net/tun; ip link; command -v nsenter; python3 --version; unshare --net true",
  ];
  const tried = [namespaces, ["--user", "--map-root-user", ...namespaces]].map((way) => ({
    way,
    ...spawnSync("unshare", [...way, ...able], { encoding: "utf8" }),
  }));
  const works = tried.find(({ status }) => status === 0);
  const failures = tried.map(({ stderr, error }) => error?.message ?? stderr.trim());
  return { way: works?.way, why: failures.join("; ") };
}

if (values.inside) {
  await run();
} else if (buildIfNeeded()) {
  const { way, why } = wayIn();
  if (way === undefined) {
    console.log(`Not run: this machine does not let us make networks. ${why}`);
  } else {
    const again = [process.execPath, fileURLToPath(import.meta.url), "--inside", ...process.argv.slice(2)];
    const child = spawn("unshare", [...way, ...again], { stdio: "inherit" });
    // With it ends the first process of the namespaces, and so whatever is in them.
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill("SIGKILL"));
    child.on("exit", (code) => (process.exitCode = code ?? 130));
  }
} else {
  process.exitCode = 1;
}
