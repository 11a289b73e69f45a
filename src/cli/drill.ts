/** `lastcall drill`: the drill with a terminal around it. */
import { existsSync, openSync, closeSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { extname } from "node:path";
import {
  drill,
  DrillError,
  htmlReport,
  junitReport,
  type DrillResult,
  type Finding,
} from "../drill/index.js";
import { drillHelp, inFlags, readDrillFlags, type DrillCommandLine } from "./drill-flags.js";
import { DrillView } from "./drill-view.js";

const writers: Record<string, (result: DrillResult) => string> = {
  ".html": htmlReport,
  ".json": (result) => `${JSON.stringify(result, undefined, 2)}\n`,
  ".xml": junitReport,
};

/**
 * Runs the command and returns its exit code: 0 nothing failed, 1 something failed, 2 it could not run, 3 nothing was at
 * stake. A job that only looks at the code would believe for years what was never tried.
 */
export async function drillCommand(args: readonly string[]): Promise<number> {
  try {
    const line = readDrillFlags(args);
    if (line === undefined) {
      console.log(drillHelp);
      return 0;
    }
    for (const path of line.reports) checkReport(path);
    return await run(line);
  } catch (error) {
    if (!(error instanceof DrillError)) throw error;
    console.error(`lastcall drill: ${inFlags(error.message)}`);
    return 2;
  }
}

async function run({ options, reports, json }: DrillCommandLine): Promise<number> {
  const interruption = new AbortController();
  const view = json ? undefined : new DrillView(process.stdout, options);
  const release = onInterrupt(() => {
    interruption.abort();
    console.error("Interrupted: the server is being stopped. Once more kills it.");
  });
  // Whoever reads our output may stop reading it: `lastcall drill … | head`.
  process.stdout.on("error", () => interruption.abort());
  try {
    const result = spelled(
      await drill({
        ...options,
        signal: interruption.signal,
        onProgress: (progress) => view?.progress(progress),
        onRun: (played) => view?.run(played),
      }),
    );
    for (const path of reports) writeReport(path, result);
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
    view?.end(result, reports);
    if (result.interrupted) return 2;
    if (!result.passed) return 1;
    return result.atStake ? 0 : 3;
  } finally {
    view?.clear();
    release();
  }
}

/** The result with options as whoever reads it has given them. */
function spelled(result: DrillResult): DrillResult {
  const runs = result.runs.map((played) => ({
    ...played,
    failures: played.failures.map(spelledFinding),
    remarks: played.remarks.map(spelledFinding),
  }));
  return { ...result, runs };
}

function spelledFinding(finding: Finding): Finding {
  return { ...finding, text: inFlags(finding.text) };
}

const interrupts = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** The first signal interrupts; a second one ends this process, and what it has started with it. */
function onInterrupt(interrupt: () => void): () => void {
  let times = 0;
  const hear = (signal: NodeJS.Signals): void => {
    times++;
    if (times === 1) interrupt();
    else process.exit(128 + constants.signals[signal]);
  };
  for (const signal of interrupts) process.on(signal, hear);
  return () => {
    for (const signal of interrupts) process.off(signal, hear);
  };
}

/** Before the drill: nobody wants to hear after it that its report cannot be written. */
function checkReport(path: string): void {
  if (!Object.hasOwn(writers, extname(path))) {
    throw new DrillError(
      "LASTCALL_DRILL_OPTION",
      `The report '${path}' must end in .html, .json or .xml: that says what it is.`,
    );
  }
  const isNew = !existsSync(path);
  try {
    closeSync(openSync(path, "a"));
  } catch (error) {
    throw cannotWrite(path, error);
  }
  if (isNew) rmSync(path);
}

function writeReport(path: string, result: DrillResult): void {
  try {
    writeFileSync(path, writers[extname(path)]!(result));
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, error: unknown): DrillError {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  return new DrillError(
    "LASTCALL_DRILL_OPTION",
    `The report '${path}' cannot be written (${code}). Give a path in a folder that exists and may be written to.`,
    { cause: error },
  );
}
