/** What the runs of a profile come to, together. */
import { requestClasses, type Finding, type RequestClass, type RunResult } from "../result.js";
import { exitWord, milliseconds, number, stateOf, timeToExit } from "./words.js";

/** The runs of a profile. */
export interface ProfileSummary {
  profile: string;
  runs: RunResult[];
  failed: number;
  interrupted: number;
  sent: number;
  counts: Record<RequestClass, number>;
  /** What failed, and how often. */
  failures: Map<Finding["kind"], number>;
}

/** One for each profile, in the order in which they were played. */
export function byProfile(runs: readonly RunResult[]): ProfileSummary[] {
  const summaries = new Map<string, ProfileSummary>();
  for (const run of runs) {
    const summary = summaries.get(run.profile) ?? empty(run.profile);
    summaries.set(run.profile, summary);
    enter(run, summary);
  }
  return [...summaries.values()];
}

function empty(profile: string): ProfileSummary {
  const counts = Object.fromEntries(requestClasses.map((name) => [name, 0])) as Record<RequestClass, number>;
  return { profile, runs: [], failed: 0, interrupted: 0, sent: 0, counts, failures: new Map() };
}

function enter(run: RunResult, summary: ProfileSummary): void {
  summary.runs.push(run);
  summary.sent += run.sent;
  const state = stateOf(run);
  if (state !== "passed") summary[state]++;
  for (const name of requestClasses) summary.counts[name] += run.counts[name];
  for (const { kind, count } of run.failures) {
    summary.failures.set(kind, (summary.failures.get(kind) ?? 0) + count);
  }
}

/** `0`, or `0 (19×), killed (1×)`. */
export function exitsOf({ runs }: ProfileSummary): string {
  const exits = new Map<string, number>();
  for (const run of runs) {
    const word = exitWord(run.process);
    exits.set(word, (exits.get(word) ?? 0) + 1);
  }
  if (exits.size === 1) return [...exits.keys()].join("");
  return [...exits].map(([word, times]) => `${word}\u00A0(${number(times)}×)`).join(", ");
}

/** The shortest and the longest time from signal to exit; undefined when there was none. */
export function exitTimesOf({ runs }: ProfileSummary): string | undefined {
  const times = runs.map(timeToExit).filter((time) => time !== undefined);
  if (times.length === 0) return undefined;
  const shortest = number(times.reduce((one, other) => Math.min(one, other)));
  const longest = times.reduce((one, other) => Math.max(one, other));
  return shortest === number(longest) ? milliseconds(longest) : `${shortest} to ${milliseconds(longest)}`;
}
