/** docs/drill.md against the command that it is about. */
import { describe, expect, it } from "vitest";
import { drillHelp, readDrillFlags } from "../../src/cli/drill-flags.js";
import { drillDefaults, requestClasses } from "../../src/drill/index.js";
import { profiles } from "../../src/drill/profiles.js";
import { runNode } from "../tools/run-process.js";
import { blocksIn, readPage } from "./pages.js";

const page = readPage("docs/drill.md");
const PREFIX = "npx lastcall drill ";

/** The command lines in all pages that begin like that, in shell blocks and in pipelines. */
const lines = blocksIn("sh", "yaml")
  .flatMap(({ code }) => code.split("\n"))
  .map((line) => line.replace(/^(- run: | *- )/, "").trim())
  .filter((line) => line.startsWith(PREFIX));

/** As a shell takes it apart. */
function words(line: string): string[] {
  const found = line.slice(PREFIX.length).matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g);
  return [...found].map(([, single, double, plain]) => single ?? double ?? plain!);
}

it("has a row for each profile, in its own words", () => {
  for (const [name, { does, correct, commonly }] of Object.entries(profiles)) {
    expect(page).toContain(`| \`${name}\` | ${does} | ${correct} | ${commonly} |`);
  }
  expect([...page.matchAll(/^\| `[a-z][a-z-]*` \|/gm)]).toHaveLength(Object.keys(profiles).length);
});

it("has a row for each class", () => {
  const rows = [...page.matchAll(/^\| ([a-z ]+) \| .* \| .* \|$/gm)].map((match) => match[1]!);
  const classes = rows.filter((row) => row !== "class" && row !== "profile");
  expect(new Set(classes)).toEqual(new Set(requestClasses));
  expect(classes).toHaveLength(requestClasses.length);
});

it("has a row for each option of the command, and for no other", () => {
  const flagsIn = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1]!);
  expect(flagsIn(page, /^\| `(--[^`]+)` \| [^|]* \| [^|]* \|$/gm)).toEqual(
    flagsIn(drillHelp, /^ {2}(--.*?) {2,}/gm).map((flag) => flag.trim()),
  );
});

it.each([
  ["connections", "--connections n"],
  ["requests", "--requests n"],
  ["interval", "--interval ms"],
  ["size", "--size bytes"],
  ["signalAfter", "--signal-after ms"],
  ["killSignal", "--signal name"],
  ["timeout", "--timeout ms"],
  ["startTimeout", "--start-timeout ms"],
  ["lameDuck", "--lame-duck ms"],
  ["repeat", "--repeat n"],
  ["reply", "--reply how"],
  ["exitCodes", "--exit-code codes"],
] as const)("says the default of %s", (option, flag) => {
  const [, written] = page.split(`| \`${flag}\` | `)[1]!.match(/^(.*?) \|/)!;
  expect(written!.replaceAll(/(\d) (?=\d)/g, "$1")).toBe(String(drillDefaults[option]));
});

it("says the default of every option that has one", () => {
  expect(Object.keys(drillDefaults)).toHaveLength(12);
});

it("names only options that there are", () => {
  const named = [...page.matchAll(/--[a-z][a-z-]*/g)].map((match) => match[0]);
  const strangers = new Set(["--port", "--help", "--import"]);
  expect([...new Set(named)].filter((name) => !drillHelp.includes(name) && !strangers.has(name))).toEqual([]);
});

describe("every command line", () => {
  it("is there", () => expect(lines.length).toBeGreaterThanOrEqual(6));

  it.each(lines)("can be read: %s", (line) => {
    const args = words(line).map((word) => (word.startsWith("$(") ? "1" : word));
    expect(readDrillFlags(args)).toBeDefined();
  });

  it.each(lines.filter((line) => line.includes("examples/")))("passes: %s", async (line) => {
    const { exit, stdout, stderr } = await runNode(["dist/cli/main.js", "drill", ...words(line)]);
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
    expect(stdout, "a remark that a reader would have to look up").not.toContain("effects file");
  });
});
