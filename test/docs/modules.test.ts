/** Which `module` settings of TypeScript find the package: the table in docs/getting-started.md. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readPage, root, rootPath } from "./pages.js";

// Within the repository: there `lastcall` is the built package.
mkdirSync(join(rootPath, ".cache"), { recursive: true });
const scratch = mkdtempSync(join(rootPath, ".cache/modules-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const source = `import { createServer, type Connection } from "lastcall";
import { terminationSignals } from "lastcall/process";
const server = createServer(async (connection: Connection) => {
  for await (const message of connection) connection.send(message);
});
export const report = server.run({ listen: 0, signals: terminationSignals() });
`;
for (const extension of ["mts", "cts"]) writeFileSync(join(scratch, `app.${extension}`), source);

const page = readPage("docs/getting-started.md");
const [, table = ""] = /^\| `module` .*\n\|---.*\n((?:\|.*\n)+)/m.exec(page) ?? [];
const rows = table
  .trimEnd()
  .split("\n")
  .flatMap((row) => {
    const [modules, resolution, mts, cts] = row.split("|").slice(1, 5) as [string, string, string, string];
    return modules.split(",").flatMap((module) => [
      { module: plain(module), resolution: plain(resolution), extension: "mts", told: plain(mts) },
      { module: plain(module), resolution: plain(resolution), extension: "cts", told: plain(cts) },
    ]);
  });

function plain(cell: string): string {
  return cell.replaceAll("`", "").trim();
}

it("names the compiler that it was checked with", () => {
  const { version } = JSON.parse(
    readFileSync(new URL("node_modules/typescript/package.json", root), "utf8"),
  ) as { version: string };
  expect(page).toContain(`TypeScript ${version}`);
  expect(rows.length).toBeGreaterThanOrEqual(14);
});

it.each(rows)(
  "$module $resolution in an .$extension file: $told",
  ({ module, resolution, extension, told }) => {
    const args = ["--ignoreConfig", "--noEmit", "--strict", "--target", "es2023", "--types", "node"];
    args.push("--module", module, ...(resolution === "" ? [] : ["--moduleResolution", resolution]));
    const tsc = join(rootPath, "node_modules/typescript/bin/tsc");
    const { stdout } = spawnSync(process.execPath, [tsc, ...args, join(scratch, `app.${extension}`)], {
      encoding: "utf8",
    });
    const [, error] = /error (TS\d+)/.exec(stdout) ?? [];
    expect(error).toBe(/TS\d+/.exec(told)?.[0]);
    if (error === undefined) expect(told).toBe("works");
  },
);
