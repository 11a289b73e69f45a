/**
 * The versions of Node that the package is tested on, and how to get them.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const cache = fileURLToPath(new URL("../.cache/nodes", import.meta.url));

/** The oldest that package.json allows. */
export const OLDEST = "20.19.0";

/** The newest of each line, as of November 2026. @type {Readonly<Record<string, string>>} */
export const LINES = { 20: "20.20.2", 22: "22.23.3", 24: "24.21.0", 26: "26.10.0" };

/** The line that CI runs the suite on, beside the one that the machine brings. */
export const NEWEST_LINE = /** @type {string} */ (Object.keys(LINES).at(-1));

/**
 * The path of the `node` of that version, from npm; kept in .cache/ between runs.
 *
 * @param {string} version
 */
export async function installNode(version) {
  // What the npm package `node` fetches in an install script; asked for by name, no script is needed.
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node";
  const name = `${prefix}-${process.platform}-${process.arch}`;
  const directory = join(cache, version);
  const binary = join(directory, "node_modules", name, "bin/node");
  if (!existsSync(binary)) {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "package.json"), JSON.stringify({ private: true }));
    await installPackages(directory, [`${name}@${version}`]);
  }
  const { stdout } = await run(binary, ["--version"]);
  if (stdout.trim() !== `v${version}`) throw new Error(`${binary} is ${stdout.trim()}, not v${version}.`);
  return binary;
}

/**
 * Installs packages, of which none runs a script, into a directory that has a package.json.
 *
 * @param {string} directory
 * @param {readonly string[]} packages
 */
export async function installPackages(directory, packages) {
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
  await run("npm", ["install", ...quiet, ...packages], { cwd: directory });
}
