/**
 * `npm run trace`: how many functions an echo, an upgrade and a shutdown call, and how often they go from one file to
 * another, for lastcall and for `ws`. What counts as what: scripts/trace/tracer.mjs.
 *
 *   npm run trace -- --edges           from where to where they go, in the order of the run
 *   npm run trace -- --json            for programs, in the last line
 *   npm run trace -- --only lastcall   one of the two
 *
 * Exits with 1 when the counts are in doubt.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildIfNeeded } from "./build-if-needed.mjs";
import { Client, subjects } from "./trace/subjects.mjs";
import { trace } from "./trace/tracer.mjs";

/** @typedef {import("./trace/tracer.mjs").Trace} Trace */

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const { values } = parseArgs({
  options: {
    edges: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const chosen = Object.entries(subjects).filter(([name]) => (values.only ?? name) === name);
if (chosen.length === 0) {
  console.error(`--only takes one of: ${Object.keys(subjects).join(", ")}.`);
  process.exit(2);
}
if (!buildIfNeeded()) process.exit(1);

/** @type {Record<string, Record<string, Trace>>} By server and action. */
const traces = {};
const client = new Client();
for (const [name, start] of chosen) {
  const { directory, written, actions } = await start(client);
  /** @type {Record<string, Trace>} */
  const found = {};
  for (const [action, what] of Object.entries(actions)) {
    found[action] = await trace(directory, what, (file) => file.replace(/\.js$/, written));
  }
  traces[name] = found;
}
await client.end();

if (values.json) console.log(JSON.stringify(traces));
else printTable();

for (const [name, { edges, doubts }] of each()) {
  if (values.edges && !values.json) printEdges(name, edges);
  for (const doubt of doubts) console.error(`In doubt, ${name}: ${doubt}`);
  if (doubts.length > 0) process.exitCode = 1;
}

/** @returns {[name: string, found: Trace][]} */
function each() {
  return Object.entries(traces).flatMap(([name, actions]) =>
    Object.entries(actions).map(
      ([action, found]) => /** @type {[string, Trace]} */ ([`${name} ${action}`, found]),
    ),
  );
}

function printTable() {
  printRow("", ["calls", "crossings", "files", "across"]);
  for (const [name, { calls, crossings, files, across }] of each()) {
    printRow(name, [calls, crossings, files, across]);
  }
  console.log("across: calls whose caller is in another file, which leaves out the ways back");
}

/** @param {string} name @param {readonly (string | number)[]} cells */
function printRow(name, cells) {
  console.log(name.padEnd(20) + cells.map((cell) => String(cell).padStart(11)).join(""));
}

/** @param {string} name @param {Trace["edges"]} edges */
function printEdges(name, edges) {
  console.log(`\n${name}`);
  for (const { from, to, caller, times } of edges) {
    const called =
      caller === from ? "" : `  (called ${caller === undefined ? "from outside" : `by ${caller}`})`;
    console.log(`${String(times).padStart(4)} × ${from} → ${to}${called}`);
  }
}
