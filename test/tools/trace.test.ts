/** The tracer is right about what is known, and an echo crosses from file to file no more often than it should. */
import { describe, expect, it } from "vitest";
import type { Trace } from "../../scripts/trace/tracer.mjs";
import { runNode } from "./run-process.js";

/** How often a warm echo may cross from one file of ours to another. */
const ECHO_CROSSINGS = 35;

/** Runs a script that prints JSON in its last line, in a process of its own: a tracer looks at all of one. */
async function traced<Traces>(...args: string[]): Promise<Traces> {
  const { exit, stdout, stderr } = await runNode(args);
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as Traces;
}

describe("the tracer", () => {
  it("counts each call once, in the order of the run, and each change of the file", async () => {
    const { known } = await traced<{ known: Trace }>("test/fixtures/trace.mjs");
    expect(known.run).toEqual([
      "first.mjs:start",
      // A constructor, the parent's, and what that sets a field to.
      "first.mjs:Child",
      "second.mjs:Parent",
      "third.mjs:double",
      "second.mjs:get value",
      "third.mjs:double",
      // A function that is not traced calls twice, an arrow function and one that awaits in a loop.
      "first.mjs:anonymous in start",
      "third.mjs:double",
      "first.mjs:anonymous in start",
      "third.mjs:double",
      "second.mjs:later",
      "third.mjs:double",
      "second.mjs:later",
      "third.mjs:double",
      // And once more, before they run on. None of that is a call but what they call themselves.
      "second.mjs:later",
      ...Array.from({ length: 6 }, () => "third.mjs:double"),
      // A function that begins with a loop, with a default that calls and twice without.
      "third.mjs:repeat",
      "third.mjs:double",
      "third.mjs:repeat",
      "third.mjs:repeat",
      // By a constructor that is not written.
      "third.mjs:double",
    ]);
    expect(known).toMatchObject({ calls: 26, crossings: 14, files: 3, across: 17, doubts: [] });
  });

  it("says which way it goes from file to file, and who has called", async () => {
    const { known } = await traced<{ known: Trace }>("test/fixtures/trace.mjs");
    expect(known.edges.reduce((sum, { times }) => sum + times, 0)).toBe(known.crossings);
    expect(known.edges).toContainEqual({
      from: "third.mjs:double",
      to: "second.mjs:get value",
      caller: "first.mjs:start",
      times: 1,
    });
    expect(known.edges).toContainEqual({
      from: "third.mjs:double",
      to: "first.mjs:anonymous in start",
      times: 2,
    });
  });

  it("doubts itself when V8 has counted otherwise", async () => {
    const { missed } = await traced<{ missed: Trace }>("test/fixtures/trace.mjs");
    expect(missed.doubts).toEqual(["first.mjs:fail was seen to be called 1 times, and V8 has counted 2."]);
  });
});

it(`a warm echo crosses from file to file at most ${ECHO_CROSSINGS} times`, async () => {
  const args = ["scripts/trace.mjs", "--json", "--only", "lastcall"];
  const { lastcall } = await traced<{ lastcall: Record<"echo" | "upgrade" | "shutdown", Trace> }>(...args);
  for (const { calls, doubts } of Object.values(lastcall)) {
    expect(doubts).toEqual([]);
    expect(calls).toBeGreaterThan(0);
  }
  const { crossings, edges } = lastcall.echo;
  expect(crossings, JSON.stringify(edges, undefined, 2)).toBeLessThanOrEqual(ECHO_CROSSINGS);
});
