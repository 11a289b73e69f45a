/**
 * Generates the API reference into docs/api; fails on an export without documentation. typedoc needs TypeScript 6,
 * which lives beside it in docs/.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("../docs", import.meta.url)));

if (!existsSync("node_modules/typedoc")) {
  const { status } = spawnSync("npm", ["ci"], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
const { status } = spawnSync(process.execPath, ["node_modules/typedoc/bin/typedoc"], { stdio: "inherit" });
process.exitCode = status ?? 1;
