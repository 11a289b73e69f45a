/** What is told of the end of a run: who had not ended, and an exit that is not as it should be. */
import { constants } from "node:os";
import type { RunFacts } from "./facts.js";
import type { ConnectionResult, Finding, ProcessResult } from "./result.js";
import { count, duration } from "./words.js";

/** How the process and its connections ended. */
export function findingsOfTheEnd(
  facts: RunFacts,
  process: ProcessResult,
  connections: readonly ConnectionResult[],
): Finding[] {
  const { signalAt, hung, hadOrphans, settings } = facts;
  const open = connections.filter(
    (each) => each.connectedAt !== undefined && each.endedAt === undefined,
  ).length;
  if (hung) {
    const what =
      facts.hasProcess && facts.exit === undefined
        ? "The process"
        : open > 0
          ? "The connections"
          : "What stops the server";
    const still = `${count(open, "connection")} ${open === 1 ? "was" : "were"} still open`;
    const where = hadOrphans ? ", in processes that outlived the command" : "";
    const when = facts.hasProcess ? settings.signal : "the server was told to stop";
    const text = `${what} had not ended ${duration(settings.timeout)} after ${when}; ${still}${where}.`;
    const hint = wrapperHint(facts);
    return [
      { kind: "hang", text: hint === undefined ? text : `${text} ${hint}`, count: 1 },
      ...ofTheExit(facts, process),
    ];
  }
  if (facts.exit !== undefined && signalAt === undefined) {
    const text = `The process ended${howItEnded(process)} under load, before it was told to stop.`;
    return [{ kind: "crash", text, count: 1 }];
  }
  return ofTheExit(facts, process);
}

/** An exit that is not as it should be. */
function ofTheExit(facts: RunFacts, process: ProcessResult): Finding[] {
  const { exit, settings, isChild } = facts;
  const { exitCode, exitSignal } = process;
  if (exit === undefined || !isChild || settings.exitCodes.includes(exitCode ?? codeOf(exitSignal)))
    return [];
  const right = settings.exitCodes.join(" or ");
  const text = `The process ended${howItEnded(process)} instead of exit code ${right}${whyItEnded(facts, process)}`;
  return [{ kind: "exit code", text, count: 1 }];
}

/** What the end by the signal itself comes from, behind the sentence that tells it. */
function whyItEnded(facts: RunFacts, { exitCode, exitSignal }: ProcessResult): string {
  const { signal } = facts.settings;
  // A shell, and what behaves like one, makes a number of the signal that has ended its child.
  if ((exitCode ?? codeOf(exitSignal)) !== codeOf(signal)) return ".";
  if (saidClose(facts))
    return `, which it may have raised again at its end: then ${codeOf(signal)} is a right exit code, too.`;
  const hint = wrapperHint(facts);
  if (hint === undefined)
    return exitSignal === undefined ? "." : ": nothing in it seems to handle that signal.";
  // The hang has said it already.
  return facts.hung ? ", and passed the signal on to nobody." : `. ${hint}`;
}

/**
 * What to do when the signal may have met a wrapper; undefined when nothing looks like one. A server that has workers
 * looks the same from here, so it is a question.
 */
function wrapperHint(facts: RunFacts): string | undefined {
  const { isChild, hadOrphans, hadChildren, pid } = facts;
  if ((!hadOrphans && !hadChildren) || saidClose(facts)) return undefined;
  return isChild
    ? "Is the command a wrapper (npx, npm run, a shell) that does not pass the signal on? Start the server itself, with node server.js or node --import tsx server.ts, or with exec in the shell."
    : `Is process ${pid} a wrapper (npx, npm run, a shell) that does not pass the signal on? Give the id of the server itself.`;
}

/** Whether the server has said Close to anybody since the signal. */
function saidClose({ conversations, signalAt = Infinity }: RunFacts): boolean {
  return conversations.some(({ client }) => (client.close?.at ?? -1) >= signalAt);
}

/** What a shell, and Kubernetes, call the end by a signal. */
function codeOf(signal: string | undefined): number {
  return 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}

/** As far as it is known: nobody tells of a process that is no child of ours. */
function howItEnded({ exitCode, exitSignal }: ProcessResult): string {
  if (exitCode !== undefined) return ` with exit code ${exitCode}`;
  return exitSignal === undefined ? "" : ` with ${exitSignal}`;
}
