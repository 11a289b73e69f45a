/**
 * An empty project that has installed the packed tarball.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { installPackages } from "../../scripts/nodes.mjs";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** The compiler that we use, and those that many who install the package still use. */
export const COMPILERS = ["typescript", "typescript-6", "typescript-5"] as const;

/** A project with nothing but the tarball, what that brings, and what compiles TypeScript. */
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
  await installPackages(directory, [
    `./${tarball.filename}`,
    `typescript@${devDependencies["typescript"]}`,
    "typescript-6@npm:typescript@6.0.3",
    "typescript-5@npm:typescript@5.9.3",
  ]);
  return {
    directory,
    packed: tarball.files.map(({ path }) => path),
    remove: () => rm(directory, { recursive: true }),
  };
}
