/** The account of a drill as JUnit XML, as GitLab and GitHub's actions read it. */
import type { DrillResult, RunResult } from "../result.js";
import { hadStake } from "../sentence.js";
import { markup, type Markup } from "./markup.js";
import { byProfile } from "./summary.js";
import { count, exitSentence, milliseconds, number, printed, stateOf } from "./words.js";

/**
 * JUnit XML: a suite for each profile, a case for each run. A drill that did not pass although no run says why, since
 * it played nothing or was interrupted between two runs, has a case more: a reader that sees no failure would call it
 * green.
 */
export function junitReport(result: DrillResult): string {
  const { runs, passed, duration } = result;
  const isUnexplained = !passed && runs.every((run) => run.passed);
  const suites = byProfile(runs).map((summary) => suiteOf(summary.profile, summary.runs, result));
  const totals = countsOf(runs, isUnexplained ? 1 : 0);
  const document = markup`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="lastcall drill" ${totals} time="${seconds(duration)}">
${suites}${isUnexplained ? unexplained(result) : undefined}</testsuites>
`;
  return document.text;
}

function countsOf(runs: readonly RunResult[], others = 0): Markup {
  const inState = (state: string): number => runs.filter((run) => stateOf(run) === state).length;
  return markup`tests="${runs.length + others}" failures="${inState("failed")}" errors="${inState("interrupted") + others}" skipped="${runs.filter(isIdle).length}"`;
}

function suiteOf(profile: string, runs: readonly RunResult[], { startedAt }: DrillResult): Markup {
  const time = runs.reduce((sum, { endedAt }) => sum + endedAt, 0);
  return markup`<testsuite name="${profile}" ${countsOf(runs)} time="${seconds(time)}" timestamp="${startedAt}">
${runs.map(caseOf)}</testsuite>
`;
}

function caseOf(run: RunResult): Markup {
  // No number of repeats in the name: readers compare a case with the one of that name in the pipeline before.
  return markup`<testcase classname="drill.${run.profile}" name="${run.profile}, run ${run.repeat}" time="${seconds(run.endedAt)}">
${problemOf(run)}<system-out>${outputOf(run)}</system-out>
</testcase>
`;
}

/** Whether it passed and proved nothing: a reader should not count it as a success. */
function isIdle(run: RunResult): boolean {
  return run.passed && !hadStake(run);
}

function problemOf(run: RunResult): Markup | undefined {
  if (isIdle(run))
    return markup`<skipped message="Nothing was at stake."/>
`;
  if (run.passed) return undefined;
  const [first, ...others] = run.failures;
  if (first === undefined) {
    const why =
      run.remarks.find(({ kind }) => kind === "interrupted")?.text ?? "This run was not played to its end.";
    return markup`<error message="${why}" type="interrupted">${why}</error>
`;
  }
  const more = others.length > 0 ? ` (and ${count(others.length, "other finding")})` : "";
  const text = run.failures.map((finding) => `${finding.kind}: ${finding.text}`).join("\n");
  return markup`<failure message="${first.text}${more}" type="${first.kind}">${text}</failure>
`;
}

function outputOf(run: RunResult): string {
  const lines = [
    ...run.remarks.map(({ kind, text }) => `${kind}: ${text}`),
    `${number(run.counts.answered)} of ${number(run.sent)} requests were answered.`,
    exitSentence(run),
  ];
  if (run.signalAt !== undefined) lines.push(`The signal was sent after ${milliseconds(run.signalAt)}.`);
  if (run.process.output.length > 0)
    lines.push("The last lines of its output:", ...run.process.output.map(printed));
  return lines.join("\n");
}

function unexplained(result: DrillResult): Markup {
  const type = result.interrupted ? "interrupted" : "nothing played";
  return markup`<testsuite name="the drill itself" tests="1" failures="0" errors="1" skipped="0" time="0" timestamp="${result.startedAt}">
<testcase classname="drill" name="was played to its end" time="0">
<error message="${result.sentence}" type="${type}">${result.sentence}</error>
</testcase>
</testsuite>
`;
}

/** JUnit counts in seconds. */
function seconds(duration: number): string {
  return (duration / 1000).toFixed(3);
}
