/** Slips that would leave a server undrained: that TypeScript says so is the test, and so does `run` when it is called. */
import { expect, it } from "vitest";
import { createServer, type RunOptions } from "../../src/index.js";
import { terminationSignals } from "../../src/process/index.js";

const slips: [string, () => RunOptions][] = [
  // @ts-expect-error -- no signals: SIGTERM would end the process at once
  ["left out", () => ({ listen: 0 })],
  // @ts-expect-error -- without the parentheses there are no signals in it
  ["the function itself", () => ({ listen: 0, signals: terminationSignals })],
  // @ts-expect-error -- spread instead, as it once was
  ["spread", () => ({ listen: 0, ...terminationSignals })],
  // @ts-expect-error -- one signal of the two is no choice
  ["an AbortSignal", () => ({ listen: 0, signals: new AbortController().signal })],
  // @ts-expect-error -- nothing in it
  ["an empty object", () => ({ listen: 0, signals: {} })],
];

it.each(slips)("run refuses signals that are %s, in TypeScript and when it is called", async (_, make) => {
  const server = createServer(() => {});
  await expect(server.run(make())).rejects.toMatchObject({ code: "LASTCALL_INVALID_OPTION" });
  expect(server.state).toBe("idle");
});
