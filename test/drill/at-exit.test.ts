/** What must not outlive this process. */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { atExit } from "../../src/drill/at-exit.js";

it("has one listener for all, and none when nothing is left to be done", () => {
  const before = process.listenerCount("exit");
  const forget = [atExit(() => expect.unreachable()), atExit(() => expect.unreachable())];
  expect(process.listenerCount("exit")).toBe(before + 1);
  forget[0]!();
  expect(process.listenerCount("exit")).toBe(before + 1);
  forget[1]!();
  forget[1]!();
  expect(process.listenerCount("exit")).toBe(before);
});

it("is done when the process exits, unless it was forgotten", () => {
  const program = `
    import { atExit } from "./dist/drill/at-exit.js";
    atExit(() => console.log("one"));
    atExit(() => console.log("forgotten"))();
    atExit(() => console.log("two"));
    process.exit(3);`;
  const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
  });
  expect({ stdout, status }).toEqual({ stdout: "one\ntwo\n", status: 3 });
});
