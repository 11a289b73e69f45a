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
  await installPackages(directory, [
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
