/**
 * The runtimes beside Node that the package is tried on, and how to get them.
 */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackages } from "./nodes.mjs";

const cache = fileURLToPath(new URL("../.cache/runtimes", import.meta.url));

/** @typedef {"bun" | "deno"} RuntimeName */

/**
 * The newest of each, as of November 2026; the package that holds the program for this machine, of those that the npm
 * packages `bun` and `deno` choose from; the program in it; what stands before the path of a server.
 *
 * @type {Readonly<Record<RuntimeName, { title: string, version: string, package: string, program: string, args: string[] }>>}
 */
export const runtimes = {
  bun: {
    title: "Bun",
    version: "1.4.5",
    package: `@oven/bun-${process.platform}-${process.arch === "arm64" ? "aarch64" : process.arch}`,
    program: "bin/bun",
    args: [],
  },
  deno: {
    title: "Deno",
    version: "2.9.6",
    package: `@deno/${process.platform}-${process.arch}${process.platform === "linux" ? "-glibc" : ""}`,
    program: "deno",
    // No lock file: it would be one beside package.json, of another's packages.
    args: ["run", "--quiet", "--allow-all", "--no-lock"],
  },
};

/**
 * Where its program lies, whether it is there or not.
 *
 * @param {RuntimeName} name
 */
function programOf(name) {
  const { version, package: from, program } = runtimes[name];
  return join(cache, `${name}-${version}`, "node_modules", from, program);
}

/**
 * What starts a server on it; undefined when it is not installed.
 *
 * @param {RuntimeName} name
 */
export function commandOf(name) {
  const program = programOf(name);
  return existsSync(program) ? [program, ...runtimes[name].args] : undefined;
}

/**
 * Installs it, of this version and no other, from npm; kept in .cache/ between runs. Returns what starts a server on it.
 *
 * @param {RuntimeName} name
 */
export async function installRuntime(name) {
  const { version, package: from } = runtimes[name];
  if (commandOf(name) === undefined) {
    const directory = join(cache, `${name}-${version}`);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "package.json"), JSON.stringify({ private: true }));
    await installPackages(directory, [`${from}@${version}`]);
  }
  return [programOf(name), ...runtimes[name].args];
}
