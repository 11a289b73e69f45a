/** A drill's verdict in one sentence. */
import { count } from "./words.js";
import type { Finding, RunResult } from "./result.js";

/** What each kind of failure comes down to, in the order of weight. */
const verdicts: Partial<Record<Finding["kind"], (count: number) => string>> = {
  duplicated: (number) => `${count(number, "request")} answered or executed twice`,
  "broken promise": (number) => `${count(number, "request")} executed against the promise of the close code`,
  "executed but unanswered": (number) => `${count(number, "request")} executed and never answered`,
  unanswered: (number) => `${count(number, "request")} never answered`,
  "never started": (number) => `${count(number, "request")} from before the signal handed back`,
  "cut off": (number) => `${count(number, "request")} cut off`,
  refused: (number) => `${count(number, "connection")} turned away`,
  "protocol error": (number) => `the protocol broken on ${count(number, "connection")}`,
  "connection error": (number) => `${count(number, "connection")} given up`,
  hang: (number) => `${count(number, "shutdown")} that did not end in time`,
  crash: (number) => `${number} ${number === 1 ? "crash" : "crashes"} under load`,
  "exit code": (number) => `a wrong exit code ${number === 1 ? "once" : `${number} times`}`,
};

/** What came out of the runs. */
export function sentenceOf(runs: readonly RunResult[], interrupted: boolean): string {
  const sent = runs.reduce((sum, run) => sum + run.sent, 0);
  const answered = runs.reduce((sum, run) => sum + run.counts.answered, 0);
  const notJudged = runs.reduce((sum, run) => sum + run.counts["not judged"], 0);
  const cutOff = runs.reduce((sum, run) => sum + toldTooLate(run), 0);
  const parts = [
    `${answered} of ${count(sent, "request")} answered`,
    ...(cutOff === 0 ? [] : [`${cutOff} told that they came too late`]),
    ...(notJudged === 0 ? [] : [`${notJudged} not judged`]),
  ];
  const served = `${parts.join(", ")} in ${count(runs.length, "run")}`;
  if (interrupted) return `Interrupted: ${served}.`;
  const failures = runs.flatMap((run) => run.failures);
  if (failures.length === 0) {
    const idle = runs.filter((run) => !hadStake(run)).length;
    if (idle === 0) return `Nothing was lost: ${served}.`;
    // Not as if it were good news: a job that counts on it exits with 3.
    if (idle === runs.length)
      return `This proves nothing, since nothing was at stake: ${served}, before the signal.`;
    return `Nothing was at stake in ${count(idle, "run")}, and nothing was lost: ${served}.`;
  }
  const profiles = [...new Set(runs.filter(({ passed }) => !passed).map(({ profile }) => profile))];
  const losses = Object.entries(verdicts).flatMap(([kind, tell]) => {
    const number = failures.filter((each) => each.kind === kind).reduce((sum, each) => sum + each.count, 0);
    return number === 0 ? [] : [tell(number)];
  });
  const where = profiles.length > 3 ? count(profiles.length, "profile") : profiles.join(", ");
  return `The shutdown failed (${where}): ${losses.join(", ")}; ${served}.`;
}

/** Whether a request was open at the signal of this run, or came after it. */
export function hadStake({ remarks }: RunResult): boolean {
  return !remarks.some(({ kind }) => kind === "nothing at stake");
}

/** Requests that a Close or a promise answers: those that fail by it are no remarks. */
function toldTooLate({ remarks }: RunResult): number {
  const told = remarks.filter(({ kind }) => kind === "cut off" || kind === "never started");
  return told.reduce((sum, each) => sum + each.count, 0);
}
