/** `npm start`: the drill of our example server. */
import { expect, it } from "vitest";
import { runNode } from "../tools/run-process.js";

const START = "scripts/start.mjs";

it("drills the example server: all 25 requests are served", async () => {
  const { exit, stdout, stderr } = await runNode([START]);
  expect(stdout).toMatch(/^pipelined +1 +25 +25 +0 +0 +0 +\d+\.\d\d s {2}passed$/m);
  expect(stdout).toMatch(/\n {2}Clean shutdown in \d+\.\d\d s: \d+ messages served on 5 connections\.\n/);
  expect(stdout).toMatch(/\nNothing was lost: 25 of 25 requests answered in 1 run\.\n$/);
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
});

it("passes its arguments to the drill", async () => {
  const { exit, stdout } = await runNode([
    START,
    "--connections",
    "150",
    "--requests",
    "3",
    "--profile",
    "stream",
  ]);
  expect(stdout).toMatch(/(^|\n)150 connections with 3 requests each, SIGTERM after 50 ms\n/);
  expect(stdout).toMatch(/^stream +1 +450 +450 +0 +0 /m);
  expect(exit).toBe(0);
});

it("refuses what the drill refuses", async () => {
  const { exit, stderr } = await runNode([START, "--colour"]);
  expect({ exit, stderr }).toEqual({
    exit: 2,
    stderr: "lastcall drill: Unknown option '--colour'. See lastcall drill --help.\n",
  });
});
