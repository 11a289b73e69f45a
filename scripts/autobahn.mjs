/**
 * `npm run autobahn -- --suite CHECKOUT`: plays the cases of the Autobahn test suite (github.com/crossbario/
 * autobahn-testsuite, of which CHECKOUT is a work tree) against our server and against `ws`, and writes what they show
 * into docs/conformance.md. Needs Debian's python3-autobahn and python3-twisted. Exits with 1 when a case of ours failed.
 *
 *   --groups 1,2,12    only these, and nothing is written
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const PAGE = fileURLToPath(new URL("../docs/conformance.md", import.meta.url));
const SECTION = /<!-- autobahn -->\n[^]*?<!-- \/autobahn -->\n/;
const PYTHON = "/usr/bin/python3";
const COMPRESSED = ["12", "13"];
const GROUPS = ["1", "2", "3", "4", "5", "6", "7", "9", "10", ...COMPRESSED];
/** @type {Record<string, string>} */
const TITLES = {
  1: "framing",
  2: "Pings and Pongs",
  3: "reserved bits",
  4: "opcodes",
  5: "fragmentation",
  6: "UTF-8",
  7: "closing",
  9: "limits and performance",
  10: "auto-fragmentation",
  12: "compression, of five kinds of data",
  13: "compression, by offers",
};

/** @typedef {{ number: string, behavior: string, close: string, result: string }} Played */

function usage() {
  console.error("usage: npm run autobahn -- --suite CHECKOUT [--groups 1,2,12]");
  process.exit(2);
}

function read() {
  try {
    const { values } = parseArgs({ options: { suite: { type: "string" }, groups: { type: "string" } } });
    return values;
  } catch {
    return {};
  }
}

/**
 * Starts a server, plays the groups against it, and ends it.
 *
 * @param {string} server
 * @param {string} suite
 * @param {readonly string[]} groups
 * @returns {Promise<Played[]>}
 */
async function play(server, suite, groups) {
  /** @type {Played[]} */
  const played = [];
  for (const compressed of [false, true]) {
    const own = groups.filter((group) => COMPRESSED.includes(group) === compressed);
    if (own.length === 0) continue;
    const args = [server, compressed ? "compressed" : "plain"];
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL("autobahn/servers.mjs", import.meta.url)), ...args],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const [port] = /** @type {[Buffer]} */ (await once(child.stdout, "data"));
    const script = fileURLToPath(new URL("autobahn/suite.py", import.meta.url));
    const url = `ws://127.0.0.1:${String(port).trim()}`;
    const client = spawn(PYTHON, ["-W", "ignore", script, suite, url, own.join(",")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface({ input: client.stdout })) played.push(JSON.parse(line));
    child.kill("SIGKILL");
  }
  return played;
}

/** @param {Played} played */
function hasFailed({ behavior, close }) {
  return (
    !["OK", "NON-STRICT", "INFORMATIONAL"].includes(behavior) || !["OK", "INFORMATIONAL"].includes(close)
  );
}

/**
 * What came of a group, in a cell: cases that passed, of all, and what is not simply OK.
 *
 * @param {readonly Played[]} all
 * @param {string} group
 */
function cell(all, group) {
  const own = all.filter(({ number }) => number.split(".")[0] === group);
  const failed = own.filter(hasFailed);
  const rest = own.filter((each) => !failed.includes(each));
  const kinds = ["NON-STRICT", "INFORMATIONAL"].map((kind) => [
    rest.filter(({ behavior }) => behavior === kind).length,
    kind.toLowerCase(),
  ]);
  const notes = kinds.filter(([count]) => count !== 0).map((words) => words.join(" "));
  if (failed.length > 0) notes.push(`failed: ${shortened(failed.map(({ number }) => number))}`);
  return `${rest.length} of ${own.length}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`;
}

/** @param {readonly string[]} numbers */
function shortened(numbers) {
  return numbers.length <= 12
    ? numbers.join(", ")
    : `${numbers.slice(0, 3).join(", ")} … ${numbers.at(-1)}, ${numbers.length} in all`;
}

/** @param {string} command @param {string[]} args */
function told(command, args) {
  return spawnSync(command, args, { encoding: "utf8" }).stdout?.trim() ?? "";
}

/** @param {string} path */
function versionOf(path) {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")).version;
}

/** @param {readonly Played[]} ours @param {readonly Played[]} theirs @param {number} seconds */
function section(ours, theirs, seconds) {
  const python = told(PYTHON, [
    "-W",
    "ignore",
    "-c",
    "import sys, autobahn, twisted; print('Python', sys.version.split()[0] + ', Autobahn', autobahn.__version__ + ' and Twisted', twisted.__version__)",
  ]);
  const commit = told("git", ["-C", String(suite), "rev-parse", "--short", "HEAD"]);
  return `<!-- autobahn -->
## The Autobahn test suite itself

The cases of its fuzzing client, played by \`npm run autobahn -- --suite CHECKOUT\`${commit === "" ? "" : ` (commit ${commit} of the suite)`}
on ${new Date().toISOString().slice(0, 10)}, in ${Math.ceil(seconds / 60)} minutes: lastcall ${versionOf("../package.json")} and ws ${versionOf("../node_modules/ws/package.json")} on Node ${process.versions.node}; the suite on ${python}. Groups 12 and 13 are
played with compression, the others without. Both servers echo, with limits that the suite's 16 MiB pass.
Shown is how many cases passed; "non-strict" and "informational" are the suite's words.

| group | lastcall | ws |
|---|---|---|
${GROUPS.map((group) => `| ${group}: ${TITLES[group]} | ${cell(ours, group)} | ${cell(theirs, group)} |`).join("\n")}
<!-- /autobahn -->
`;
}

const { suite, groups } = read();
if (suite === undefined || !existsSync(join(suite, "autobahntestsuite/autobahntestsuite/case"))) usage();
if (
  spawnSync(PYTHON, ["-W", "ignore", "-c", "import autobahn.twisted, lib2to3"], { stdio: "ignore" })
    .status !== 0
) {
  console.error(
    `${PYTHON} has no Autobahn for Twisted: sudo apt-get install python3-autobahn python3-twisted`,
  );
  process.exit(2);
}
const chosen = groups?.split(",") ?? GROUPS;
const began = performance.now();
// Side by side: neither is measured.
const [ours, theirs] = await Promise.all(
  ["lastcall", "ws"].map((server) => play(server, resolve(String(suite)), chosen)),
);
const seconds = (performance.now() - began) / 1000;
for (const group of chosen)
  console.log(`${group}: lastcall ${cell(ours ?? [], group)}; ws ${cell(theirs ?? [], group)}`);
const failed = (ours ?? []).filter(hasFailed);
for (const each of failed) console.log(`${each.number} ${each.behavior} ${each.close}: ${each.result}`);
console.log(`${ours?.length} cases in ${Math.round(seconds)} s`);
if (groups === undefined) {
  const page = readFileSync(PAGE, "utf8");
  const fresh = section(ours ?? [], theirs ?? [], seconds);
  writeFileSync(
    PAGE,
    SECTION.test(page)
      ? page.replace(SECTION, () => fresh)
      : page.replace(/(?=## Group )/, () => `${fresh}\n`),
  );
}
process.exitCode = failed.length === 0 && (ours?.length ?? 0) > 0 ? 0 : 1;
