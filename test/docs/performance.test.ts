/** docs/performance.md shows what `npm run bench` has measured, and README.md quotes it. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { readPage, root } from "./pages.js";

// bench/ has no types of its own: it is no part of what is compiled.
const { renderPage } = (await import(new URL("bench/speed/page.mjs", root).href)) as {
  renderPage: () => string;
};

const page = readPage("docs/performance.md");

it("is the page that was made of the figures", () => {
  expect(page).toBe(renderPage());
});

it("is quoted in README.md as it is, losses included", () => {
  const [, table] = /^### Node 20\..*\n\n((?:\|.*\n)+)/m.exec(page)!;
  expect(readPage("README.md")).toContain(table);
});

it("says of each aim that was not reached what a user would notice", () => {
  const [, noticed = ""] = /^\| \| noticed \|\n.*\n((?:\|.*\n)+)/m.exec(page) ?? [];
  const missed = [...page.matchAll(/^\| (.*?) \|.*✗/gm)].map(([, name]) => name!);
  const explained = [...noticed.matchAll(/^\| (.*?)(?: \(Node \d+\))? \|/gm)].map(([, name]) => name!);
  expect([...new Set(missed)].sort()).toEqual(explained.sort());
});

it.each([
  { args: ["--help"], status: 0, says: /^usage: npm run bench/ },
  { args: ["--nonsense"], status: 2, says: /--nonsense'[^]*usage: npm run bench/ },
  { args: ["--node", "19"], status: 2, says: /no line of Node '19'[^]*usage: npm run bench/ },
  { args: ["--rounds", "many"], status: 2, says: /not 'many'[^]*usage: npm run bench/ },
  { args: ["--subject", "nobody"], status: 2, says: /no subject 'nobody'[^]*usage: npm run bench/ },
  { args: ["--only", "nothing"], status: 2, says: /contains 'nothing'[^]*usage: npm run bench/ },
])("tells its usage, and no stack, when it is run with $args", ({ args, status, says }) => {
  const script = fileURLToPath(new URL("bench/speed/run.mjs", root));
  const run = spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
  expect(run.stdout + run.stderr).toMatch(says);
  expect(run.stdout + run.stderr).not.toContain("    at ");
  expect(run.status).toBe(status);
});
