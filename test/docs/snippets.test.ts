/** Whatever the documentation shows is run: no snippet may rot, and none may be left out. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runNode } from "../tools/run-process.js";
import { blocksIn, linksOf, pages, readPage, root, rootPath, type Block } from "./pages.js";
import { scenarios } from "./scenarios/index.js";

// Within the repository: there `lastcall` is the built package.
mkdirSync(join(rootPath, ".cache"), { recursive: true });
const scratch = mkdtempSync(join(rootPath, ".cache/snippets-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const drive = JSON.stringify(new URL("drive.mjs", import.meta.url).href);
const snippets = blocksIn("js", "ts", "javascript", "typescript", "mjs", "cjs", "jsx", "tsx")
  // Cut out of servers that ran: test/docs/peers.test.ts.
  .filter(({ page }) => page !== "docs/peers.md");

function scenariosFor(block: Block) {
  return scenarios.filter(({ marker }) => block.code.includes(marker));
}

/** The snippet as a module, with what its scenario puts around it. */
function moduleOf(block: Block): string {
  const [scenario] = scenariosFor(block);
  const { replace, before = "", after = "" } = scenario!;
  const code = replace === undefined ? block.code : block.code.replace(replace[0], replace[1]);
  const assert = code.includes("import assert from") ? "" : `import assert from "node:assert/strict";\n`;
  const tools = block.language === "ts" ? "" : `import * as drive from ${drive};\n${assert}`;
  return `${tools}${before}\n${code}\n${after}\n`;
}

/** Type-checks the snippet against the package's declarations; returns what the compiler made of it. */
function compile(name: string): string {
  const tsc = join(rootPath, "node_modules/typescript/bin/tsc");
  const options =
    "--ignoreConfig --module nodenext --target es2023 --lib es2023,esnext.disposable --types node --strict";
  const outDir = join(scratch, "compiled");
  const args = [tsc, ...options.split(" "), "--rootDir", rootPath, "--outDir", outDir, join(scratch, name)];
  const { stdout, status } = spawnSync(process.execPath, args, { cwd: scratch, encoding: "utf8" });
  expect({ stdout, status }).toEqual({ stdout: "", status: 0 });
  return join(outDir, relative(rootPath, scratch), name.replace(".mts", ".mjs"));
}

it("finds the snippets", () => {
  expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/diagnostics.md"]));
  expect(snippets.length).toBeGreaterThanOrEqual(scenarios.length);
});

describe.each(snippets)("$page, line $line", (block) => {
  it("runs and does what it says", async () => {
    expect(scenariosFor(block), "scenarios in test/docs/scenarios/ that run it").toHaveLength(1);
    const name = `${block.page.replaceAll("/", "-")}-${block.line}.${block.language === "ts" ? "mts" : "mjs"}`;
    writeFileSync(join(scratch, name), moduleOf(block));
    if (block.code.includes('from "vitest"')) return await expectVitest(moduleOf(block));
    const path = block.language === "ts" ? compile(name) : join(scratch, name);
    // 13 is Node's for an `await` that nothing will ever settle.
    expect(await runNode([path])).toMatchObject({ exit: 0, stderr: "" });
  });
});

it.each(scenarios)("has a snippet for the scenario of $marker", ({ marker }) => {
  expect(snippets.filter(({ code }) => code.includes(marker))).toHaveLength(1);
});

it("shows a test that runs under vitest as well", async () => {
  const block = snippets.find(({ code }) => code.includes('import { test } from "node:test"'))!;
  await expectVitest(moduleOf(block).replace('"node:test"', '"vitest"'));
});

/** Expects that a test passes under vitest. */
async function expectVitest(module: string): Promise<void> {
  const folder = mkdtempSync(join(scratch, "vitest-"));
  writeFileSync(join(folder, "its.test.mjs"), module);
  // Otherwise it takes the repository's.
  writeFileSync(join(folder, "vitest.config.mjs"), "export default {};");
  const vitest = ["node_modules/vitest/vitest.mjs", "run", "--root", folder, "--no-color"];
  const { exit, stdout } = await runNode(vitest);
  expect(stdout).toMatch(/Tests\s+1 passed/);
  expect(exit).toBe(0);
}

/** A command that a reader is told to type, and who runs it for us. */
function isRun(command: string): boolean {
  const { scripts, version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
    scripts: Record<string, string>;
    version: string;
  };
  // test/docs/drill.test.ts runs those that can be run here, and reads the others.
  if (command.startsWith("npx lastcall drill ")) return true;
  const words = command.split(/\s+/);
  // .ci/run begins with `npm ci`; test/package packs. The clone is the reader's.
  if (["npm ci", "npm pack", "npm ci --prefix bench"].includes(command) || command.startsWith("git clone"))
    return true;
  if (words[0] === "npm" && words[1] === "install") return words[2]!.endsWith(`/lastcall-${version}.tgz`);
  if (words[0] === "npm" && ["start", "test"].includes(words[1]!)) return scripts[words[1]!] !== undefined;
  if (words[0] === "npm" && words[1] === "run") return scripts[words[2]!] !== undefined;
  const file = words.find((word) => /\.(m?js|ts)$/.test(word)) ?? words.find((word) => word.includes("/"));
  return file !== undefined && existsSync(new URL(file, root));
}

it("tells readers to type only commands that there are", () => {
  const commands = blocksIn("sh", "bash", "shell", "console").flatMap(({ code }) =>
    code
      .trim()
      .split(/\n|&&/)
      .map((command) => command.replace(/#.*/, "").trim()),
  );
  expect(commands).toEqual(expect.arrayContaining(["npm ci", "npm start", "npm test"]));
  expect(commands.filter((command) => command !== "" && !isRun(command))).toEqual([]);
});

/** As GitHub makes the anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s-]/gu, "")
    .replaceAll(/\s/g, "-");
}

it.each(pages)("has no dead link within the repository: %s", (page) => {
  const isDead = ({ target, anchor }: ReturnType<typeof linksOf>[number]): boolean => {
    if (!existsSync(new URL(target, root))) return true;
    if (anchor === undefined) return false;
    return ![...readPage(target).matchAll(/^#+ (.*)$/gm)].some(
      ([, heading]) => anchorOf(heading!) === anchor,
    );
  };
  expect(linksOf(page).filter(isDead)).toEqual([]);
});
