/** The verdict of a drill in one sentence. */
import { describe, expect, it } from "vitest";
import { sentenceOf } from "../../src/drill/sentence.js";
import { requestClasses, type Finding, type RequestClass, type RunResult } from "../../src/drill/result.js";

/** As much of a run as a sentence needs. */
function run(
  counts: Partial<Record<RequestClass, number>>,
  failures: Partial<Record<Finding["kind"], number>> = {},
  profile = "pipelined",
  remarks: { "nothing at stake"?: number } = {},
): RunResult {
  const all = Object.fromEntries(requestClasses.map((name) => [name, counts[name] ?? 0]));
  const found = Object.entries(failures).map(([kind, count]) => ({ kind, count, text: "" }));
  const told = (["cut off", "never started", "nothing at stake"] as const).flatMap((kind) => {
    const count = kind === "nothing at stake" ? remarks[kind] : (counts[kind] ?? 0) - (failures[kind] ?? 0);
    return count === undefined || count <= 0 ? [] : [{ kind, count, text: "" }];
  });
  return {
    profile,
    remarks: told,
    counts: all,
    sent: Object.values(all).reduce((sum, count) => sum + count),
    failures: found,
    passed: found.length === 0,
  } as unknown as RunResult;
}

describe("nothing was lost", () => {
  it("and all was answered", () => {
    expect(sentenceOf([run({ answered: 25 })], false)).toBe(
      "Nothing was lost: 25 of 25 requests answered in 1 run.",
    );
    expect(sentenceOf([run({ answered: 1 })], false)).toBe(
      "Nothing was lost: 1 of 1 request answered in 1 run.",
    );
  });

  it("though some were told that they came too late, and some are not judged", () => {
    const runs = [
      run({ answered: 20, "cut off": 3, "never started": 2 }),
      run({ answered: 10, "not judged": 15 }, {}, "abort"),
    ];
    expect(sentenceOf(runs, false)).toBe(
      "Nothing was lost: 30 of 50 requests answered, 5 told that they came too late, 15 not judged in 2 runs.",
    );
  });
});

it("nothing was at stake where every request was answered before the signal", () => {
  const idle = run({ answered: 25 }, {}, "pipelined", { "nothing at stake": 1 });
  expect(sentenceOf([idle], false)).toBe(
    "This proves nothing, since nothing was at stake: 25 of 25 requests answered in 1 run, before the signal.",
  );
  expect(sentenceOf([idle, run({ answered: 25 })], false)).toBe(
    "Nothing was at stake in 1 run, and nothing was lost: 50 of 50 requests answered in 2 runs.",
  );
});

describe("the shutdown failed", () => {
  it.each<[Finding["kind"], string, string]>([
    ["duplicated", "1 request answered or executed twice", "2 requests answered or executed twice"],
    [
      "broken promise",
      "1 request executed against the promise of the close code",
      "2 requests executed against the promise of the close code",
    ],
    [
      "executed but unanswered",
      "1 request executed and never answered",
      "2 requests executed and never answered",
    ],
    ["unanswered", "1 request never answered", "2 requests never answered"],
    [
      "never started",
      "1 request from before the signal handed back",
      "2 requests from before the signal handed back",
    ],
    ["cut off", "1 request cut off", "2 requests cut off"],
    ["refused", "1 connection turned away", "2 connections turned away"],
    ["protocol error", "the protocol broken on 1 connection", "the protocol broken on 2 connections"],
    ["connection error", "1 connection given up", "2 connections given up"],
    ["hang", "1 shutdown that did not end in time", "2 shutdowns that did not end in time"],
    ["crash", "1 crash under load", "2 crashes under load"],
    ["exit code", "a wrong exit code once", "a wrong exit code 2 times"],
  ])("by %s", (kind, one, two) => {
    const sentence = (count: number) => sentenceOf([run({ answered: 5 }, { [kind]: count })], false);
    const end = "5 of 5 requests answered in 1 run.";
    expect(sentence(1)).toBe(`The shutdown failed (pipelined): ${one}; ${end}`);
    expect(sentence(2)).toBe(`The shutdown failed (pipelined): ${two}; ${end}`);
  });

  it("in several ways: what weighs most comes first, and runs are added up", () => {
    const runs = [
      run({ answered: 3, unanswered: 2 }, { unanswered: 2, hang: 1 }),
      run({ answered: 3, duplicated: 1, unanswered: 1 }, { unanswered: 1, duplicated: 1 }, "stream"),
    ];
    expect(sentenceOf(runs, false)).toBe(
      "The shutdown failed (pipelined, stream): 1 request answered or executed twice, 3 requests never answered, " +
        "1 shutdown that did not end in time; 6 of 10 requests answered in 2 runs.",
    );
  });

  it("names up to three profiles, each once, and counts more; those that passed are not named", () => {
    const failed = (profile: string) => run({ unanswered: 1 }, { unanswered: 1 }, profile);
    const where = (...profiles: string[]) =>
      /\((.*)\)/.exec(sentenceOf([run({}, {}, "far"), ...profiles.map(failed)], false))?.[1];
    expect(where("a", "b", "a", "c")).toBe("a, b, c");
    expect(where("a", "b", "c", "d")).toBe("4 profiles");
  });
});

it("an interrupted drill tells what was seen, and blames nobody", () => {
  const runs = [run({ answered: 5 }), run({ answered: 2, unanswered: 3 }, { unanswered: 3 })];
  expect(sentenceOf(runs, true)).toBe("Interrupted: 7 of 10 requests answered in 2 runs.");
  expect(sentenceOf([], true)).toBe("Interrupted: 0 of 0 requests answered in 0 runs.");
});
