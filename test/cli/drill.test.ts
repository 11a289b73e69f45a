/** `lastcall drill`: what it shows, what it writes, what it exits with, and that it leaves nothing behind. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { DrillResult } from "../../src/drill/index.js";
import { isAlive, runNode, startNode } from "../tools/run-process.js";
import { scratch } from "../tools/scratch.js";
import { eventually } from "../tools/serve.js";
import { ms } from "../tools/timing.js";

const MAIN = "dist/cli/main.js";
const GOOD = ["--", process.execPath, "examples/server.mjs", "--port", "{port}", "--work", "20"];
const CARELESS = ["--", process.execPath, "test/fixtures/careless-server.mjs"];

function drill(args: readonly string[], env: Record<string, string> = {}) {
  return runNode([MAIN, "drill", ...args], env);
}

describe("what it shows", () => {
  it("is a row for each profile, the server's last lines and the verdict", async () => {
    const { exit, stdout, stderr } = await drill(GOOD);
    expect(stdout).toMatch(
      new RegExp(
        [
          "^5 connections with 5 requests each, SIGTERM after 50 ms",
          "",
          "profile +runs +sent +answered +failed +told +exit +took +",
          "pipelined +1 +25 +25 +0 +0 +0 +\\d+\\.\\d\\d s {2}passed",
          "",
          "The server's last lines:",
          "  Listening on ws://127.0.0.1:\\d+",
          "  Clean shutdown in .*",
          "  Connections: 5 closed and confirmed.",
          "",
          "Nothing was lost: 25 of 25 requests answered in 1 run.\n$",
        ].join("\n"),
      ),
    );
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
  });

  it("names what was lost, and how often, and exits with 1", async () => {
    const { exit, stdout } = await drill(["--repeat", "2", "--requests", "3", ...CARELESS]);
    expect(stdout).toMatch(/^pipelined +2 +30 +0 +30 +0 +0 +\d+\.\d\d s {2}FAILED$/m);
    expect(stdout).toMatch(
      /^pipelined: 15 requests were executed and never answered \(lc-.{4}-1, .*, …\)\. \[2 of 2 runs\]$/m,
    );
    expect(stdout).toMatch(
      /\nThe shutdown failed \(pipelined\): 30 requests executed and never answered; 0 of 30 requests answered in 2 runs\.\n$/,
    );
    expect(exit).toBe(1);
  });

  it("is 3 at the end when every request was answered before the signal, whatever passed", async () => {
    const idle = ["--signal-after", String(ms(2_000)), "--requests", "1"];
    const { exit, stdout } = await drill([...idle, ...GOOD]);
    expect(stdout).toMatch(
      /^pipelined: Every request was answered before the signal, so nothing was at stake/m,
    );
    expect(stdout).toMatch(/^pipelined .* s {2}idle$/m);
    expect(stdout).toMatch(
      /\nThis proves nothing, since nothing was at stake: 5 of 5 requests answered in 1 run, before the signal\.\n$/,
    );
    expect(exit).toBe(3);
  });

  it("has no escape sequence in a pipe, whatever is forced", async () => {
    const { stdout } = await drill(GOOD, { FORCE_COLOR: "1" });
    expect(stdout).not.toContain("\u001B");
  });

  it("is the result alone with --json", async () => {
    const { exit, stdout, stderr } = await drill(["--json", "--seed", "7", ...GOOD]);
    const result = JSON.parse(stdout) as DrillResult;
    expect(result).toMatchObject({
      passed: true,
      interrupted: false,
      settings: { seed: 7, profiles: ["pipelined"] },
    });
    expect(result.runs[0]).toMatchObject({ sent: 25, effects: true, process: { exitCode: 0 } });
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
  });

  const hasScript = spawnSync("script", ["--version"]).status === 0;

  it.skipIf(!hasScript).each([
    ["in colours", {}, true],
    ["without them for NO_COLOR", { NO_COLOR: "1" }, false],
  ])("lives on a terminal, %s", (_, env, isPainted) => {
    const line = [process.execPath, MAIN, "drill", ...GOOD].join(" ");
    const { stdout, status } = spawnSync("script", ["--quiet", "--return", "--command", line, "/dev/null"], {
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      encoding: "utf8",
      env: { PATH: process.env["PATH"], TERM: "xterm", ...env },
    });
    expect(stdout).toMatch(/pipelined {4}[█░]+ stopping for \d\.\d\d s: \d+ of 25 answered/);
    // oxlint-disable-next-line no-control-regex -- a colour
    expect(/\u001B\[3\dm/.test(stdout)).toBe(isPainted);
    expect(status).toBe(0);
  });

  it("is help on one screen", async () => {
    const { exit, stdout } = await drill(["--help"]);
    const lines = stdout.split("\n");
    expect(lines.length).toBeLessThanOrEqual(50);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(exit).toBe(0);
  });
});

describe("reports", () => {
  it("are written, each in its format", async () => {
    const folder = scratch();
    const paths = ["html", "json", "xml"].map((extension) => join(folder, `drill.${extension}`));
    const { exit, stdout } = await drill([...paths.flatMap((path) => ["--report", path]), ...GOOD]);
    const [html, json, xml] = paths.map((path) => readFileSync(path, "utf8"));
    expect(html).toMatch(/^<!doctype html>/i);
    expect(JSON.parse(json!)).toMatchObject({ passed: true });
    expect(xml).toMatch(/^<\?xml .*<testsuites /s);
    for (const path of paths) expect(stdout).toContain(`Report: ${path}\n`);
    expect(exit).toBe(0);
  });

  it("do not give away the headers of the handshake", async () => {
    const folder = scratch();
    const paths = ["html", "json", "xml"].map((extension) => join(folder, `drill.${extension}`));
    const secret = ["--header", "Authorization: Bearer sesame"];
    await drill([...secret, ...paths.flatMap((path) => ["--report", path]), ...GOOD]);
    for (const path of paths) expect(readFileSync(path, "utf8")).not.toContain("sesame");
  });
});

describe("what cannot be is refused in one line, with exit code 2", () => {
  const refused: [string, string[], RegExp][] = [
    ["an unknown option", ["--colour", "red"], /Unknown option '--colour'\. See lastcall drill --help\./],
    ["an unknown profile", ["--profile", "rude", ...GOOD], /no profile 'rude'\. There are: pipelined, /],
    [
      "an option that is no number",
      ["--signal-after", "soon", ...GOOD],
      /--signal-after must be a whole number; it was 'soon'/,
    ],
    [
      "an option twice",
      ["--signal-after", "1", "--signal-after", "2", ...GOOD],
      /--signal-after was given 2 times/,
    ],
    ["an option without its value", ["--requests", ...GOOD], /--requests/],
    ["a header without a colon", ["--header", "Cookie", ...GOOD], /has no colon/],
    ["nothing to drill", [], /give a command behind '--'/],
    ["nothing behind the dashes", ["--"], /no command behind '--'/],
    ["a stray word", ["node", "server.js"], /'node' is no option\. The server's command stands behind '--'/],
    [
      "a command that is not there",
      ["--", "no-such-program"],
      /'no-such-program' does not start: there is no such program/,
    ],
    [
      "a command that ends early",
      ["--", process.execPath, "-e", "console.log('no licence'); process.exit(3)"],
      /ended with exit code 3 before it listened\. It printed: no licence/,
    ],
    [
      "a command that never listens",
      ["--start-timeout", "300", "--", process.execPath, "-e", "setInterval(() => {}, 1000)"],
      /Nothing listens at ws:\/\/127\.0\.0\.1:\d+\/ after 0\.3 s/,
    ],
    [
      "a process that does not exist",
      ["--url", "ws://127.0.0.1:1/", "--pid", "999999999"],
      /no process with the id 999999999/,
    ],
    [
      "a report in no folder",
      ["--report", "/no/such/folder/drill.html", ...GOOD],
      /'\/no\/such\/folder\/drill\.html' cannot be written \(ENOENT\)/,
    ],
    ["a report of no kind", ["--report", "drill.pdf", ...GOOD], /must end in \.html, \.json or \.xml/],
    [
      "a script that is not there",
      ["--script", "no-such-script.mjs", ...GOOD],
      /script 'no-such-script\.mjs' cannot be loaded/,
    ],
  ];

  it.each(refused)("%s", async (_, args, message) => {
    const { exit, stdout, stderr } = await drill(args);
    expect(stderr).toMatch(/^lastcall drill: [^\n]+\n$/);
    expect(stderr).toMatch(message);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
  });

  it("and an unknown command", async () => {
    const { exit, stderr } = await runNode([MAIN, "drown"]);
    expect({ exit, stderr }).toEqual({
      exit: 2,
      stderr: "There is no command 'drown'. There is: drill. See lastcall --help.\n",
    });
  });
});

describe("interrupted", () => {
  interface Begun {
    running: ReturnType<typeof startNode>;
    report: string;
    /** What the server has told. */
    told: () => string;
    server: number;
  }

  async function begin(args: readonly string[], env: Record<string, string> = {}): Promise<Begun> {
    const folder = scratch();
    const [report, log] = [join(folder, "drill.json"), join(folder, "log")];
    const server = ["--", process.execPath, "test/fixtures/slow-server.mjs", log];
    const running = startNode([MAIN, "drill", "--report", report, ...args, ...server], env);
    const told = (): string => (existsSync(log) ? readFileSync(log, "utf8") : "");
    await eventually(() => told().includes("asked"));
    return { running, report, told, server: Number(/pid (\d+)/.exec(told())![1]) };
  }

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "by %s, it stops the server gracefully and still writes its report",
    async (signal) => {
      const { running, report, told, server } = await begin(["--signal-after", "600000", "--requests", "1"]);
      running.child.kill(signal);
      const { exit, stdout, stderr } = await running.ended;
      expect(told()).toMatch(/SIGTERM\nclean\n$/);
      expect(isAlive(server)).toBe(false);
      const result = JSON.parse(readFileSync(report, "utf8")) as DrillResult;
      expect(result).toMatchObject({ interrupted: true, passed: false });
      expect(result.runs[0]).toMatchObject({ sent: 5, counts: { answered: 5 }, failures: [] });
      expect(stdout).toContain("Interrupted: 5 of 5 requests answered in 1 run.");
      expect({ exit, stderr }).toEqual({
        exit: 2,
        stderr: "Interrupted: the server is being stopped. Once more kills it.\n",
      });
    },
  );

  it("twice, it is gone at once, and the server with it", async () => {
    const { running, server, told } = await begin(["--signal-after", "600000", "--requests", "100"]);
    running.child.kill("SIGINT");
    await eventually(() => told().includes("SIGTERM"));
    running.child.kill("SIGINT");
    expect((await running.ended).exit).toBe(130);
    await eventually(() => !isAlive(server));
  });

  it("by a reader that has read enough, it leaves no server behind", async () => {
    const { running, server } = await begin(["--signal-after", "200", "--repeat", "3", "--requests", "1"]);
    running.child.stdout!.destroy();
    await running.ended;
    await eventually(() => !isAlive(server));
  });

  it("leaves no folder of its own behind", async () => {
    const folder = scratch();
    const { running } = await begin(["--signal-after", "600000", "--requests", "1"], { TMPDIR: folder });
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^lastcall-drill-/)]);
    running.child.kill("SIGINT");
    await running.ended;
    expect(readdirSync(folder)).toEqual([]);
  });
});
