/**
 * `npm start`: the drill of our example server. It is stopped by a real SIGTERM in the middle of its work, and every
 * request is accounted for. Arguments go to the drill: `npm start -- --profile all`, `npm start -- --help`.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { buildIfNeeded } from "./build-if-needed.mjs";

const root = new URL("../", import.meta.url);

if (!existsSync(new URL("node_modules/typescript", root))) {
  console.error("Its packages are missing. Run npm ci first.");
  process.exitCode = 2;
} else if (buildIfNeeded()) {
  const example = fileURLToPath(new URL("examples/server.mjs", root));
  // The server's promise: what it closes with 1012 and has not answered was never started.
  const server = ["--promise", "1012", "--", process.execPath, example, "--port", "{port}"];
  const main = fileURLToPath(new URL("dist/cli/main.js", root));
  // In this process: a signal that is meant for the drill reaches it.
  process.argv = [process.execPath, main, "drill", ...process.argv.slice(2), ...server];
  await import(new URL("dist/cli/main.js", root).href);
} else {
  process.exitCode = 1;
}
