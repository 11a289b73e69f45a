/** The flags of `lastcall drill`, and how its messages name them. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { drillHelp, inFlags, readDrillFlags } from "../../src/cli/drill-flags.js";
import { runNode } from "../tools/run-process.js";

describe("a message of the drill", () => {
  it("has flags in the place of options, and nothing else is changed in it", () => {
    expect(inFlags("`lameDuck` is part of `timeout`: `what` of 'timeout'")).toBe(
      "--lame-duck is part of --timeout: `what` of 'timeout'",
    );
    expect(inFlags("`profiles`, `headers`, `exitCodes`, `killSignal`, `stop`, `readRate`")).toBe(
      "--profile, --header, --exit-code, --signal, --stop-command, --read-rate",
    );
    expect(inFlags("give `command`, or `url`")).toBe("give a command behind '--', or --url");
  });

  it.each(["check", "crowd", "findings", "listening"])("names no flag where it is made (%s)", (name) => {
    const source = readFileSync(new URL(`../../src/drill/${name}.ts`, import.meta.url), "utf8");
    const flags = [...drillHelp.matchAll(/^ {2}(--[a-z-]+)/gm)].map((match) => match[1]!);
    expect(flags.length).toBeGreaterThan(20);
    for (const flag of flags) expect(source).not.toMatch(new RegExp(`${flag}\\b`));
  });

  it.each([
    [["--lame-duck", "5000", "--timeout", "1000", "--", "x"], "--lame-duck is part of --timeout and must be"],
    [["--connections", "0", "--", "x"], "--connections must be a whole number from 1 to 20000; it was 0."],
    [["--url", "ws://h/"], "A server that runs already needs exactly one of --pid and --stop-command: how"],
    [[], "Nothing to drill: give a command behind '--', or --url with --pid or --stop-command."],
    [["--profile", "fast", "--", "x"], "There is no profile 'fast'."],
    [["--promise", "3", "--", "x"], "--promise must hold close codes from 1000 to 4999; it held 3."],
  ])("names the flags that were given: %j", async (args, text) => {
    const { exit, stderr } = await runNode(["dist/cli/main.js", "drill", ...args]);
    expect(stderr).toContain(`lastcall drill: ${text}`);
    expect(stderr).not.toContain("`");
    expect(exit).toBe(2);
  });

  it("names them in what was found, too, in the result as well", async () => {
    const command = ["--", process.execPath, "examples/server.mjs", "--port", "{port}", "--work", "1"];
    const args = ["--requests", "1", "--signal-after", "3000", "--json"];
    const { stdout } = await runNode(["dist/cli/main.js", "drill", ...args, ...command]);
    expect(stdout).toContain("A smaller --signal-after, slower work");
    expect(stdout).not.toContain("`");
  });
});

it("options that may be given more than once become lists", () => {
  const args = ["--profile", "far,flood", "--header", "A: b", "--exit-code", "0", "--exit-code", "143"];
  expect(readDrillFlags([...args, "--", "x"])!.options).toEqual({
    command: ["x"],
    profiles: ["far", "flood"],
    headers: { A: "b" },
    exitCodes: [0, 143],
  });
});
