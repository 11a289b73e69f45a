/**
 * Compiles src/ into dist/. Compiles beside it first and then changes places, so that a failed build leaves the last
 * good one alone, and no file of a former build stays behind to be packed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const fresh = `.cache/build-${process.pid}`;
const former = `.cache/former-${process.pid}`;
mkdirSync(".cache", { recursive: true });

const tsc = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", fresh];
const { status } = spawnSync(process.execPath, tsc, { stdio: "inherit" });
if (status === 0) {
  if (existsSync("dist")) renameSync("dist", former);
  renameSync(fresh, "dist");
}
rmSync(fresh, { recursive: true, force: true });
rmSync(former, { recursive: true, force: true });
process.exitCode = status ?? 1;
