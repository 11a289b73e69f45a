/**
 * `npm run check`: everything that has to hold before a change is handed in, as .ci/run does it. Every step runs,
 * also after a failed one; the last line counts the steps and vitest's tests together.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NEWEST_LINE } from "./nodes.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

/** What `npm test` and `npm run test:nodes` leave. */
const TEST_RESULTS = {
  tests: ".cache/vitest.json",
  [`tests on Node ${NEWEST_LINE}`]: `.cache/vitest-${NEWEST_LINE}.json`,
};
const MINUTE = 60_000;

/** Characters that are told of one failure at the end. */
const MOST_TOLD = 2_000;

/** @type {readonly { name: string, command: string, minutes: number }[]} */
const steps = [
  { name: "tests", command: "TEST_EFFORT=full npm test", minutes: 40 },
  { name: "types", command: "npm run types", minutes: 4 },
  { name: "lint and import table", command: "npm run lint", minutes: 4 },
  { name: "format", command: "npm run format:check", minutes: 2 },
  { name: "build", command: "npm run build", minutes: 2 },
  { name: "the main job", command: "npm start", minutes: 2 },
  { name: "bad networks", command: "npm run networks -- --seed 1", minutes: 3 },
  { name: "package.json and types fit the package", command: "npm run lint:package", minutes: 2 },
  { name: "nothing unused", command: "npm run lint:unused", minutes: 2 },
  { name: "the site, every export documented", command: "npm run docs", minutes: 6 },
  { name: "the packed tarball works", command: "npm run test:package", minutes: 10 },
  {
    name: "the suite on the newest Node",
    command: `TEST_EFFORT=quick npm run test:nodes -- ${NEWEST_LINE}`,
    minutes: 25,
  },
  { name: "the package on Bun and Deno", command: "node scripts/test-runtimes.mjs", minutes: 5 },
];

/**
 * How many of vitest's tests passed and failed, and what failed in which file; a file may also fail by itself, when it
 * leaves something open. Nothing when it did not come that far.
 *
 * @param {string} results
 */
function readResults(results) {
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(results, "utf8"));
    return {
      passed: Number(numPassedTests),
      failed: Number(numFailedTests),
      failures: failuresIn(testResults),
    };
  } catch {
    return { passed: 0, failed: 0, failures: [] };
  }
}

/**
 * @param {readonly { name: string, status: string, message: string, assertionResults: readonly { status: string,
 *   fullName: string, failureMessages: readonly string[] }[] }[]} files
 */
function failuresIn(files) {
  return files
    .filter(({ status }) => status === "failed")
    .flatMap(({ name, message, assertionResults }) => [
      `${name}: ${message.slice(0, MOST_TOLD)}`,
      ...assertionResults
        .filter(({ status }) => status === "failed")
        .map(
          ({ fullName, failureMessages }) =>
            `  ${fullName}: ${failureMessages.join(" ").slice(0, MOST_TOLD)}`,
        ),
    ]);
}

for (const results of Object.values(TEST_RESULTS)) rmSync(results, { force: true });

/** @type {string[]} */
const failedSteps = [];
for (const { name, command, minutes } of steps) {
  console.log(`\n### ${name}: ${command}`);
  const began = performance.now();
  const { status } = spawnSync(command, {
    shell: true,
    stdio: ["ignore", "inherit", "inherit"],
    timeout: minutes * MINUTE,
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`### ${name}: ${status === 0 ? "passed" : "FAILED"} after ${seconds} s`);
  if (status !== 0) failedSteps.push(name);
}

let passed = steps.length - failedSteps.length;
let failed = failedSteps.length;
console.log(`\n${steps.length} steps: ${passed} passed, ${failed} failed`);
for (const [what, results] of Object.entries(TEST_RESULTS)) {
  const tests = readResults(results);
  console.log(`${what}: ${tests.passed} passed, ${tests.failed} failed`);
  for (const failure of tests.failures) console.log(`FAILED: ${failure}`);
  passed += tests.passed;
  failed += tests.failed;
}
for (const name of failedSteps) console.log(`failed: ${name}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
