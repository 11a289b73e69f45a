/**
 * `npm start`: a server is told to stop in the middle of its work, and every request is counted.
 *
 * The server is a process of its own (examples/server.mjs), the clients are connections of the `ws` package, the
 * signal is a real SIGTERM. Exits 0 only when every request was answered, every connection was closed with the
 * drain's code and the server's exit code was 0.
 */
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { aboutDeadline, FlagError, help, readFlags, seconds } from "./start/options.mjs";
import { buildIfNeeded } from "./start/build.mjs";
import { Screen } from "./start/screen.mjs";
import { ServerProcess } from "./start/server-process.mjs";

/** The close code of a drain: service restart. */
const RESTART = 1012;

/** How long a server may take past its deadline, and a process to end behind that. */
const OVERTIME = 5_000;

/** What was not as it should be, one line each. @type {string[]} */
const faults = [];

// Whoever reads our output may stop reading it: `npm start | head`.
process.stdout.on("error", () => process.exit(1));

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof FlagError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

async function main() {
  const options = readFlags(process.argv.slice(2));
  if (options === "help") {
    console.log(help);
    return 0;
  }
  if (process.platform === "win32") {
    console.error("This needs Linux or macOS: Windows has no SIGTERM.");
    return 2;
  }
  if (!existsSync(new URL("../node_modules/ws", import.meta.url))) {
    console.error("Its packages are missing. Run npm ci first.");
    return 2;
  }
  if (!buildIfNeeded()) return 1;
  return run(options);
}

/** @param {import("./start/options.mjs").Options} options */
async function run(options) {
  // Only now: it is one of the packages that may have been missing.
  const { connect } = await import("./start/peers.mjs");
  const { connections, requests, work, at, deadline } = options;
  const total = connections * requests;
  const screen = new Screen();
  takeSignals(screen);
  screen.line(
    `${count(connections, "connection")} with ${count(requests, "request")} of ${work} ms each, ` +
      `SIGTERM after ${at} ms`,
    "bold",
  );
  const warning = aboutDeadline(options);
  if (warning !== undefined) screen.line(warning.text, warning.tooShort ? "yellow" : "dim");
  screen.line("");

  const server = new ServerProcess(["--port", "0", "--work", String(work), "--deadline", String(deadline)]);
  // However this process ends, the server ends with it.
  process.once("exit", () => server.kill("SIGKILL"));
  const url = await server.listening();
  screen.step("listening", `process ${server.pid} on ${url}`);

  let stoppedAt = Infinity;
  /** @type {import("./start/peers.mjs").Peer[]} */
  let peers = [];
  const show = () => {
    if (stoppedAt === Infinity) return;
    const answered = sum(peers, (peer) => peer.answered);
    const over = sum(peers, (peer) => (peer.closeCode === undefined ? 0 : 1));
    screen.progress(
      "draining",
      (answered + over) / (total + connections),
      `${answered} of ${total} answered, ${over} of ${connections} closed, ${seconds(performance.now() - stoppedAt)}`,
    );
  };
  peers = await connect(url, connections, show);
  screen.step("connected", `${connections} of ${connections}`);

  for (const peer of peers) peer.send(requests);
  screen.step("sent", count(total, "request"));
  await sleep(at);

  const before = sum(peers, (peer) => peer.answered);
  screen.step("SIGTERM", `with ${before} of ${total} answered`);
  if (before === total) screen.line("All was served before the signal: a smaller --at shows more.", "yellow");
  stoppedAt = performance.now();
  server.kill("SIGTERM");

  const exit = await endOf(server, peers, deadline + OVERTIME, show);
  screen.step("exited", `with ${exit} after ${seconds(performance.now() - stoppedAt)}`);

  screen.line("\nThe server's report, counted from the signal:");
  for (const line of server.output) screen.line(`  ${line}`);
  screen.line("");
  return verdict(screen, peers, total, requests, exit);
}

/**
 * Waits until the server and all connections are over; kills the server when that takes too long.
 *
 * @param {ServerProcess} server
 * @param {import("./start/peers.mjs").Peer[]} peers
 * @param {number} limit
 * @param {() => void} show
 */
async function endOf(server, peers, limit, show) {
  const clock = setInterval(show, 100);
  const giveUp = setTimeout(() => {
    faults.push(`The server had not ended ${seconds(limit)} after SIGTERM and was killed.`);
    server.kill("SIGKILL");
  }, limit);
  const exit = await server.exit;
  clearTimeout(giveUp);
  await Promise.all(peers.map((peer) => peer.over));
  clearInterval(clock);
  show();
  return exit;
}

/**
 * @param {Screen} screen
 * @param {import("./start/peers.mjs").Peer[]} peers
 * @param {number} total
 * @param {number} requests
 * @param {number | string} exit
 */
function verdict(screen, peers, total, requests, exit) {
  const served = sum(peers, (peer) => peer.answered);
  const unanswered = peers.filter((peer) => peer.answered < requests).length;
  if (unanswered > 0)
    faults.push(`${count(total - served, "request")} unanswered, on ${count(unanswered, "connection")}.`);
  const wrong = peers.find((peer) => peer.wrongReply !== undefined)?.wrongReply;
  if (wrong !== undefined) faults.push(`A reply was not the next one due: '${wrong}'.`);
  const otherwise = peers.filter((peer) => peer.closeCode !== RESTART);
  if (otherwise.length > 0) {
    const codes = [...new Set(otherwise.map((peer) => peer.closeCode))].join(", ");
    faults.push(`${count(otherwise.length, "connection")} closed with ${codes} instead of ${RESTART}.`);
  }
  if (exit !== 0) faults.push(`The server ended with ${exit} instead of 0.`);

  for (const fault of faults) screen.line(fault, "red");
  screen.line(`${served} of ${total} served`, faults.length === 0 ? "green" : "red");
  return faults.length === 0 ? 0 : 1;
}

/** @param {Screen} screen */
function takeSignals(screen) {
  for (const [signal, code] of /** @type {const} */ ([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ])) {
    process.once(signal, () => {
      screen.line(`Stopped by ${signal}.`);
      process.exit(code);
    });
  }
}

/**
 * @template T
 * @param {readonly T[]} items
 * @param {(item: T) => number} value
 */
function sum(items, value) {
  return items.reduce((total, item) => total + value(item), 0);
}

/**
 * @param {number} number
 * @param {string} noun
 */
function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
