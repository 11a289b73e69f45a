/**
 * `npm run test:nodes`: the suite on each Node that the package supports, one after the other. Numbers in the
 * arguments choose among them, the others go to vitest: `npm run test:nodes -- 24 26 test/server`.
 *
 * That Node runs vitest, and with it all processes that tests start. Repeated is as often as `npm test` does.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { provide } from "./debian.mjs";
import { installNode, LINES } from "./nodes.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

/** What is about our tools and not about Node; `npm test` runs it. */
const EXCLUDED = [
  // Gives oxlint, a program of its own, files that break the rules.
  "test/house.test.ts",
  // Compares the documentation with what it describes, and runs its snippets.
  "test/docs/**",
  // Show what a browser's page and a reader's terminal see, and take their time; what Node changes is seen without them.
  "test/interop/chromium.test.ts",
  "test/examples/chat.test.ts",
  "test/examples/start.test.ts",
  // Bytes in, answers out: what differs between Nodes is the sockets below.
  "test/interop/conformance/**",
  // The drill's pages and verdicts do not hang on Node; its client, its servers and a run are tried without these.
  "test/cli/**",
  "test/drill/bad-input.test.ts",
  "test/drill/fair.test.ts",
  "test/drill/finds.test.ts",
  "test/drill/listening.test.ts",
  "test/drill/report/**",
  "test/scale/drill.test.ts",
];

const args = process.argv.slice(2);
const chosen = args.filter((arg) => /^\d+$/.test(arg));
const forVitest = args.filter((arg) => !chosen.includes(arg));
const lines = chosen.length > 0 ? chosen : Object.keys(LINES);
const unknown = lines.filter((line) => !(line in LINES));
if (unknown.length > 0) {
  console.error(`No such Node here: ${unknown.join(", ")}. There are ${Object.keys(LINES).join(", ")}.`);
  process.exit(2);
}

if (provide().length > 0 && process.env["CI"] === "true") {
  console.error("With CI=true nothing may be skipped.");
  process.exit(1);
}
const built = spawnSync(process.execPath, ["scripts/build.mjs"], { stdio: "inherit" });
if (built.status !== 0) process.exit(1);

/**
 * Runs the suite; returns whether all went well, and the line that says so.
 *
 * @param {string} line
 */
async function test(line) {
  const version = /** @type {string} */ (LINES[line]);
  const node = await installNode(version);
  const results = `.cache/vitest-${line}.json`;
  mkdirSync(".cache", { recursive: true });
  rmSync(results, { force: true });
  console.log(`\n### Node ${version}`);
  const began = performance.now();
  const { status } = spawnSync(
    node,
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      ...EXCLUDED.map((path) => `--exclude=${path}`),
      "--reporter=default",
      "--reporter=json",
      "--reporter=./test/tools/effort-reporter.ts",
      `--outputFile.json=${results}`,
      ...forVitest,
    ],
    {
      stdio: "inherit",
      env: {
        ...process.env,
        PATH: `${dirname(node)}${delimiter}${process.env["PATH"]}`,
      },
    },
  );
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  return { ok: status === 0, line: `Node ${version}: ${count(results)} in ${seconds} s` };
}

/** @param {string} results */
function count(results) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(results, "utf8"));
    const skipped = numPendingTests > 0 ? `, ${numPendingTests} skipped` : "";
    return `${numPassedTests} passed, ${numFailedTests} failed${skipped}`;
  } catch {
    return "no results";
  }
}

const outcomes = [];
for (const line of lines) outcomes.push(await test(line));
console.log("");
// What fails outside a test, a hook for example, is in no count.
for (const { ok, line } of outcomes) console.log(ok ? line : `${line}, FAILED`);
process.exitCode = outcomes.every(({ ok }) => ok) ? 0 : 1;
