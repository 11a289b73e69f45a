/** docs/performance.md shows what `npm run bench` has measured, and README.md quotes it. */
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
