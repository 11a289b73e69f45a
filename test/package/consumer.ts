/**
 * An empty project that has installed the packed tarball, and the Node versions that it runs on.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** The oldest Node that package.json allows, and the newest of each later line when this was written. */
export const NODE_VERSIONS = ["20.19.0", "22.23.3", "24.21.0"] as const;

/** The compiler that we use, and one that many of those who install the package still use. */
export const COMPILERS = ["typescript", "typescript-5"] as const;

/** A project with nothing but the tarball and what compiles TypeScript. */
export interface Consumer {
  directory: string;
  /** The paths within the tarball. */
  packed: string[];
  remove(): Promise<void>;
}

/** Packs the package as it would be published and installs it into a new project. */
export async function installTarball(): Promise<Consumer> {
  const directory = await mkdtemp(join(tmpdir(), "lastcall-package-"));
  const { stdout } = await run(
    "npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", directory],
    { cwd: root },
  );
  const [tarball] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  const { devDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    devDependencies: Record<string, string>;
  };
  await writeFile(
    join(directory, "package.json"),
    JSON.stringify({ name: "consumer", private: true, type: "module" }),
  );
  await install(directory, [
    `./${tarball.filename}`,
    `typescript@${devDependencies["typescript"]}`,
    "typescript-5@npm:typescript@5.9.3",
    `@types/node@${devDependencies["@types/node"]}`,
  ]);
  return {
    directory,
    packed: tarball.files.map(({ path }) => path),
    remove: () => rm(directory, { recursive: true }),
  };
}

/** The `node` of that version, from npm; kept in .cache/ between runs. */
export async function installNode(version: string): Promise<string> {
  // What the npm package `node` fetches in an install script; asked for by name, no script is needed.
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node";
  const name = `${prefix}-${process.platform}-${process.arch}`;
  const directory = join(root, ".cache", `node-${version}`);
  const binary = join(directory, "node_modules", name, "bin/node");
  if (!existsSync(binary)) {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "package.json"), JSON.stringify({ private: true }));
    await install(directory, [`${name}@${version}`]);
  }
  return binary;
}

async function install(directory: string, packages: string[]): Promise<void> {
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
  await run("npm", ["install", ...quiet, ...packages], { cwd: directory });
}
