/**
 * `npm test`: fetches what npm does not bring, builds (tests fork processes that import the package), runs vitest.
 * Arguments go to vitest: `npm test -- test/wire`. Coverage and its thresholds belong to the whole run only.
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
  // The numbers that scripts/check.mjs adds up.
  const reporters = ["--reporter=default", "--reporter=json", "--outputFile.json=.cache/vitest.json"];
  vitest.push("--coverage", ...reporters);
}
node(...vitest);
