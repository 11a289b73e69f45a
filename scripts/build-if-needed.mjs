/** Builds the package when there is no build, or one that is older than its sources. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);

/** @param {string} path */
function changedAt(path) {
  return statSync(new URL(path, root)).mtimeMs;
}

function isCurrent() {
  if (!existsSync(new URL("dist/index.js", root))) return false;
  const sources = readdirSync(new URL("src", root), { recursive: true }).map((file) => `src/${String(file)}`);
  const newest = Math.max(...[...sources, "tsconfig.json", "tsconfig.build.json"].map(changedAt));
  return changedAt("dist/index.js") >= newest;
}

/** Returns whether there is a build to run. */
export function buildIfNeeded() {
  if (isCurrent()) return true;
  console.log("Building …");
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL("scripts/build.mjs", root))], {
    stdio: "inherit",
  });
  return status === 0;
}
