/** The options in docs/options.md and their defaults are those that the package has. */
import { expect, it } from "vitest";
import { defaults } from "../../src/index.js";
import { readPage } from "./pages.js";

const UNITS: Record<string, number> = { bytes: 1, KiB: 1024, MiB: 1024 ** 2, ms: 1, "/s": 1, "": 1 };

/** How the table says what is no number. */
const IN_WORDS: Record<string, unknown> = {
  compression: "off",
  "compression.serverNoContextTakeover": "no",
  "compression.clientNoContextTakeover": "no",
  path: "any",
  protocols: "none",
  origins: "same host",
  authenticate: "none",
  maxConnections: "no limit",
  onError: "none",
  "drain.reason": `"${defaults.drain.reason}"`,
};

/** `{ a: { b: 1 } }` as `{ "a.b": 1 }`; a list is a value. */
function flatten(object: object, prefix = ""): Record<string, unknown> {
  const entries = Object.entries(object).map(([key, value]: [string, unknown]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? flatten(value, `${prefix}${key}.`)
      : { [prefix + key]: value },
  );
  return Object.assign({}, ...entries) as Record<string, unknown>;
}

/** The rows of docs/options.md whose first cell is an option: its name, and the default as it is written. */
function documented(): Record<string, string> {
  const [tables = ""] = readPage("docs/options.md").split("## Options of other calls");
  const rows = [...tables.matchAll(/^\| `([^`]+)` \| ([^|]+?) \|/gm)].map((match) => [match[1]!, match[2]!]);
  return Object.fromEntries(rows) as Record<string, string>;
}

/** What a written default means, in the units of the option. */
function meaning(name: string, written: string): unknown {
  if (name in IN_WORDS) return written;
  const share = /^(\d+) % of `(\w+)`$/.exec(written);
  if (share !== null)
    return (Number(share[1]) / 100) * Number(meaning("", documented()[`drain.${share[2]}`]!));
  const [, number, unit] = /^([\d ]+?) ?([A-Za-z/]*)$/.exec(written) ?? [];
  return number === undefined ? written : Number(number.replaceAll(" ", "")) * (UNITS[unit!] ?? NaN);
}

it("documents every option, and none that there is not", () => {
  // It has a row of its own, since it is off by default: its defaults are those of what it is when it is on.
  expect(Object.keys(documented()).sort()).toEqual(["compression", ...Object.keys(flatten(defaults))].sort());
});

it.each(Object.entries(flatten(defaults)))("documents the default of %s", (name, value) => {
  expect(meaning(name, documented()[name] ?? "nothing")).toEqual(IN_WORDS[name] ?? value);
});
