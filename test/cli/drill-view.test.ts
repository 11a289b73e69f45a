/** What the command says behind the rows, of results that no server of ours would bring about. */
import type { WriteStream } from "node:tty";
import { expect, it } from "vitest";
import { DrillView } from "../../src/cli/drill-view.js";
import type { DrillResult, RunResult } from "../../src/drill/index.js";

/** A run that has lost a request, with or without an account of what was executed. */
function losing({ effects }: { effects: boolean }): RunResult {
  const failures = [{ kind: "unanswered", text: "1 request was never answered.", count: 1 }];
  const run = { profile: "pipelined", effects, failures, remarks: [], process: { output: [] } };
  return run as unknown as RunResult;
}

function shown(runs: readonly RunResult[]): string {
  let text = "";
  const out = { isTTY: false, write: (more: string) => (text += more) } as unknown as WriteStream;
  const result = { runs, passed: false, atStake: true, sentence: "The shutdown failed." };
  new DrillView(out, {}).end(result as unknown as DrillResult, []);
  return text;
}

it("says that nobody tells what was executed when no run has an effects file", () => {
  const text = shown([losing({ effects: false })]);
  expect(text).toContain("Nobody says what was executed: the server keeps no file of its effects");
});

it("says how many runs have no effects file when others have one", () => {
  const text = shown([losing({ effects: true }), losing({ effects: false })]);
  expect(text).not.toContain("keeps no file");
  expect(text).toContain("In 1 run nobody says what was executed: the server made no file of its effects");
});

it("says nothing of effects where every run has its file", () => {
  expect(shown([losing({ effects: true })])).not.toContain("nobody says");
});
