/** docs/peers.md shows what bench/drill-peers.mjs has run. */
import { expect, it } from "vitest";
import { profileNames } from "../../src/drill/index.js";
import { readPage, root } from "./pages.js";

interface Variant {
  peer: string;
  name: string;
}

// bench/ has no types of its own: it is no part of what is compiled.
const { cutStop, variants } = (await import(new URL("bench/peers/index.mjs", root).href)) as {
  cutStop: (variant: Variant) => string;
  variants: Variant[];
};

const page = readPage("docs/peers.md");

it.each(variants)("shows the code that stops $peer: $name", (variant) => {
  const notRun = page.includes(`## ${variant.peer}\n\nNot run`);
  if (!notRun) expect(page).toContain(`\n${cutStop(variant)}\n\`\`\`\n`);
});

it("has a row for each profile", () => {
  for (const name of profileNames) expect(page).toMatch(new RegExp(`^\\| \`${name}\` \\| `, "m"));
});
