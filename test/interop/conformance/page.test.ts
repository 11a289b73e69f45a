/** docs/conformance.md is written by a command; here it is held to the cases that exist. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { describeExpectation } from "./case.js";
import { groups } from "./groups/index.js";

const cases = groups.flatMap((group) => group.cases);
const page = readFileSync(new URL("../../../docs/conformance.md", import.meta.url), "utf8");
const rows = page
  .split("\n")
  .filter((line) => /^\| \d+\./.test(line))
  .map((line) => line.slice(2, -2).split(" | "));

test("every case has a number of its own, in rising order", () => {
  const numbers = cases.map(({ number }) => number);
  const collator = new Intl.Collator("en", { numeric: true });
  expect(new Set(numbers).size).toBe(numbers.length);
  for (const { cases } of groups) {
    const own = cases.map(({ number }) => number);
    expect(own.toSorted(collator.compare)).toEqual(own);
  }
});

test("no sentence or expectation breaks the table", () => {
  for (const each of cases) {
    expect(each.sentence, each.number).toMatch(/^[^|\n]+\.$/);
    expect(each.section, each.number).toMatch(/^§\d/);
  }
});

test("docs/conformance.md lists exactly the cases that exist; if not, run `npm run conformance`", () => {
  expect(rows.map((row) => row.slice(0, 4))).toEqual(
    cases.map((each) => [
      `${each.number}${each.own ? " +" : ""}`,
      each.section,
      each.sentence,
      describeExpectation(each),
    ]),
  );
});

test("docs/conformance.md shows every case as passed", () => {
  expect(rows.filter((row) => row[4] !== "passed")).toEqual([]);
  expect(page).toContain(`**${cases.length} of ${cases.length} cases passed**`);
});
