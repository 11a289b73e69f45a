/** What an app may reasonably ignore. Each in a process of its own: the test runner hears of rejections in its own way. */
import { describe, expect, test } from "vitest";
import { runNode } from "../tools/run-process.js";

const APP = "test/fixtures/ignoring-app.mjs";
const LIVES = { exit: 0, stdout: "lives\n", stderr: "" };

describe("promises that nobody waits for do not end the process", () => {
  test.each(["end", "reset", "stay"])("those of a connection, when its client leaves by %s", async (how) => {
    expect(await runNode([APP, "connection", how])).toEqual(LIVES);
  });

  test("those of a server that is told to stop before it listens", async () => {
    expect(await runNode([APP, "server"])).toEqual(LIVES);
  });
});

test("eleven uses of a connection's signals at once print no warning", async () => {
  expect(await runNode([APP, "signals"])).toEqual(LIVES);
});
