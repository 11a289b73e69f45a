/**
 * The package on Bun and Deno, as it was built: a smoke test of its API there, and every profile of the drill against a
 * server of ours that runs there. About a minute and a half; names in the arguments choose among them:
 *
 *   node scripts/test-runtimes.mjs deno
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { buildIfNeeded } from "./build-if-needed.mjs";
import { installRuntime, runtimes } from "./runtimes.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const SMOKE_PATIENCE = 60_000;

const names = /** @type {import("./runtimes.mjs").RuntimeName[]} */ (Object.keys(runtimes));
const args = process.argv.slice(2);
const unknown = args.filter((arg) => !(arg in runtimes));
if (unknown.length > 0) {
  console.error(`No such runtime here: ${unknown.join(", ")}. There are ${names.join(", ")}.`);
  process.exit(2);
}
if (!buildIfNeeded()) process.exit(1);
const { drill } = await import(new URL("../dist/drill/index.js", import.meta.url).href);

/** Whether the API's smoke test passes. @param {string[]} command */
function smokes([program = "", ...before]) {
  const { status } = spawnSync(program, [...before, "scripts/smoke-runtime.mjs"], {
    stdio: "inherit",
    timeout: SMOKE_PATIENCE,
  });
  return status === 0;
}

/** How many profiles passed and failed. @param {string[]} command */
async function drilled(command) {
  /** @type {import("../src/drill/index.js").DrillResult} */
  const { runs } = await drill({
    command: [...command, "bench/peers/lastcall/server.mjs"],
    profiles: "all",
    promise: [1012],
    onRun: (/** @type {{ run: import("../src/drill/index.js").RunResult }} */ { run }) => {
      console.log(`${run.passed ? "ok" : "FAILED"}: ${run.profile}`);
      for (const { kind, text } of run.failures) console.log(`  ${kind}: ${text}`);
      if (!run.passed) console.log(run.process.output.map((line) => `  > ${line}`).join("\n"));
    },
  });
  const failed = runs.filter(({ passed }) => !passed).length;
  return { passed: runs.length - failed, failed };
}

let isGood = true;
for (const name of names.filter((each) => args.length === 0 || args.includes(each))) {
  const { title, version } = runtimes[name];
  console.log(`\n### ${title} ${version}`);
  const command = await installRuntime(name);
  const smoke = smokes(command);
  const { passed, failed } = await drilled(command);
  console.log(
    `${title} ${version}: the API ${smoke ? "works" : "FAILED"}; ${passed} profiles passed, ${failed} failed`,
  );
  isGood &&= smoke && failed === 0;
}
process.exitCode = isGood ? 0 : 1;
