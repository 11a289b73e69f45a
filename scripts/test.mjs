/**
 * `npm test`: fetches what npm does not bring, builds (tests fork processes that import the package), runs vitest.
 * Arguments go to vitest: `npm test -- test/wire`.
 *
 * `TEST_EFFORT=full npm test` repeats more; test/tools/effort.ts says what. Coverage and its thresholds belong to the
 * whole suite at full effort: they make everything slower by a quarter.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { provide } from "./debian.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const inCI = process.env["CI"] === "true";
const missing = provide();
if (missing.length > 0 && inCI) {
  console.error("With CI=true nothing may be skipped.");
  process.exit(1);
}

/**
 * Ends this process when a step fails.
 *
 * @param {...string} args
 */
function node(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

node("scripts/build.mjs");

const args = process.argv.slice(2);
const vitest = ["node_modules/vitest/vitest.mjs", "run", ...args];
if (args.length === 0) {
  // The numbers that scripts/check.mjs adds up, and behind the results what was repeated how often.
  const reporters = ["default", "json", "./test/tools/effort-reporter.ts"];
  vitest.push(...reporters.map((name) => `--reporter=${name}`), "--outputFile.json=.cache/vitest.json");
  if (process.env["TEST_EFFORT"] === "full") vitest.push("--coverage");
}
node(...vitest);
