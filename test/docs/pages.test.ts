/** Where a reader finds what: README.md is short, each page says for whom it is, and nothing is far away. */
import { expect, it } from "vitest";
import { linksOf, pages, readPage } from "./pages.js";

const guides = pages.filter((page) => page.startsWith("docs/"));

/** How many clicks each page is from README.md. */
function clicksFromReadme(): Map<string, number> {
  const clicks = new Map([["README.md", 0]]);
  for (const [page, distance] of clicks) {
    if (!pages.includes(page)) continue;
    for (const { target } of linksOf(page)) if (!clicks.has(target)) clicks.set(target, distance + 1);
  }
  return clicks;
}

it("is a README that one reads: 200 lines at most", () => {
  expect(readPage("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(200);
});

it("says how to install what no registry has before the first `npx`", () => {
  for (const page of ["README.md", "docs/drill.md"]) {
    const text = readPage(page);
    const [before] = text.split(/^npx /m);
    const told = page === "README.md" ? before! : text.slice(0, text.indexOf("npx lastcall` works there"));
    expect(told, page).toContain("not in the npm");
  }
});

it.each(guides)("says for whom it is, right under its title: %s", (page) => {
  expect(readPage(page).replace(/^<!--.*-->\n\n/, "")).toMatch(/^# .+\n\n\*For whoever [^*]+\*\n\n/);
});

it.each(guides)("is two clicks from README.md at most: %s", (page) => {
  expect(clicksFromReadme().get(page)).toBeLessThanOrEqual(2);
});

it("answers each question of a newcomer on a page one click further", () => {
  const rows = [...readPage("docs/questions.md").matchAll(/^\| (?!question|---)(.+?) \| (.+?) \|$/gm)];
  expect(rows.length).toBeGreaterThanOrEqual(35);
  for (const [, question, answer] of rows) expect(answer, question).toMatch(/^\[[^\]]+\]\([^)]+\)$/);
  expect(clicksFromReadme().get("docs/questions.md")).toBe(1);
});

it("leads from README.md to every page", () => {
  const linked = new Set(linksOf("README.md").map(({ target }) => target));
  const others = ["docs/conformance.md"]; // evidence of evidence.md
  expect(guides.filter((page) => !linked.has(page) && !others.includes(page))).toEqual([]);
});
