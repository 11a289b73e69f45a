/** `npm start`: what it shows, what it exits with, and that it leaves nothing behind. */
import { describe, expect, it } from "vitest";
import { isAlive, runNode, startNode } from "../tools/run-process.js";
import { eventually } from "../tools/serve.js";

const START = "scripts/start.mjs";

it("shows the way down step by step and ends with the verdict", async () => {
  const { exit, stdout, stderr } = await runNode([START]);
  expect(stdout).toMatch(
    new RegExp(
      [
        "^(Building …\n)?5 connections with 5 requests of 100 ms each, SIGTERM after 50 ms",
        "",
        "listening  process \\d+ on ws://127\\.0\\.0\\.1:\\d+",
        "connected  5 of 5",
        "sent       25 requests",
        "SIGTERM    with \\d+ of 25 answered",
        "(draining   \\d+ of 25 answered, \\d of 5 closed, \\d+\\.\\d\\d s\n)+exited     with 0 after \\d+\\.\\d\\d s",
        "",
        "The server's report, counted from the signal:",
        "  Clean shutdown in \\d+\\.\\d\\d s: \\d+ messages served on 5 connections\\.",
        "  Connections: 5 closed and confirmed\\.",
        "",
        "25 of 25 served\n$",
      ].join("\n"),
    ),
  );
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
});

it("scales by its flags", async () => {
  const flags = ["--connections", "150", "--requests", "10", "--work", "10", "--at", "20"];
  const { exit, stdout } = await runNode([START, ...flags]);
  expect(stdout).toMatch(/(^|\n)150 connections with 10 requests of 10 ms each, SIGTERM after 20 ms\n/);
  expect(stdout).toMatch(/\n1500 of 1500 served\n$/);
  expect(exit).toBe(0);
});

it("says beforehand that a deadline is too short, and then that not all were served", async () => {
  const flags = ["--connections", "2", "--requests", "4", "--work", "1000", "--deadline", "2400"];
  const { exit, stdout } = await runNode([START, ...flags]);
  expect(stdout).toMatch(/\nThe deadline is too short: .*\n\nlistening/);
  expect(stdout).toMatch(/\n\d requests unanswered, on 2 connections\.\n\d of 8 served\n$/);
  expect(exit).toBe(1);
});

it("gives long work a longer deadline and says so", async () => {
  const running = startNode([START, "--requests", "100", "--work", "300"]);
  await running.printed(/Each connection has 30 s of work, so the shutdown gets a deadline of 63 s/);
  running.child.kill("SIGTERM");
  expect((await running.ended).exit).toBe(143);
});

it.each([
  ["an unknown flag", ["--colour", "red"], "Unknown option '--colour'"],
  [
    "a flag that is no number",
    ["--work", "fast"],
    "--work must be a whole number from 0 to 60000; it was 'fast'",
  ],
  [
    "a flag out of range",
    ["--connections", "0"],
    "--connections must be a whole number from 1 to 10000; it was '0'",
  ],
  ["a flag without its value", ["--requests"], "Option '--requests <value>' argument missing"],
  ["a stray argument", ["now"], "Unexpected argument 'now'"],
])("refuses %s in one line, with exit code 2", async (_, flags, message) => {
  const { exit, stdout, stderr } = await runNode([START, ...flags]);
  expect(stderr).toMatch(/^[^\n]+\n$/);
  expect(stderr).toContain(message);
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
});

it("explains its flags", async () => {
  const { exit, stdout } = await runNode([START, "--help"]);
  expect(stdout).toMatch(/--connections .*\(default: 5\)\n/);
  expect(exit).toBe(0);
});

it("writes no escape sequence into a pipe", async () => {
  const { stdout } = await runNode([START, "--work", "1"], { FORCE_COLOR: "1" });
  expect(stdout).not.toContain("\u001b");
});

describe("leaves no server behind", () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const)("when it gets %s", async (signal) => {
    const running = startNode([START, "--work", "5000"]);
    const [, pid] = await running.printed(/process (\d+)/);
    await running.printed(/SIGTERM {4}with/);
    running.child.kill(signal);
    await running.ended;
    await eventually(() => !isAlive(Number(pid)));
  });

  it("when nobody reads its output any more", async () => {
    const running = startNode([START, "--work", "5000"]);
    const [, pid] = await running.printed(/process (\d+)/);
    running.child.stdout!.destroy();
    await running.ended;
    await eventually(() => !isAlive(Number(pid)));
  });
});
