/** What is told of a run, in sentences: what failed, and what is worth knowing and did not. */
import { findingsOfTheEnd } from "./end-findings.js";
import type { RunFacts } from "./facts.js";
import type { ConnectionResult, Finding, ProcessResult, RequestClass, RequestResult } from "./result.js";
import { count, duration } from "./words.js";

/** Ids that a sentence names. */
const NAMED = 3;

/** From here on the times of a run say as much of the drill as of the server. */
const BUSY = 0.9;
const LONG_STALL = 250;

/** What each class says of its requests, behind their number. */
const sentences: Record<Exclude<RequestClass, "answered">, (isOne: boolean) => string> = {
  unanswered: (isOne) => `${isOne ? "was" : "were"} sent and never answered`,
  "cut off": (isOne) => `${isOne ? "was" : "were"} sent after the signal and cut off by a Close`,
  "never started": (isOne) =>
    `${isOne ? "was" : "were"} handed back: not executed, and the close code says so`,
  "executed but unanswered": (isOne) => `${isOne ? "was" : "were"} executed and never answered`,
  "broken promise": (isOne) =>
    `${isOne ? "was" : "were"} executed, though the close code promises that ${isOne ? "it was" : "they were"} not`,
  duplicated: (isOne) => `${isOne ? "was" : "were"} answered or executed twice`,
  "not judged": (isOne) =>
    `${isOne ? "is" : "are"} not judged: no reply could reach ${isOne ? "its" : "their"} client`,
};

/** Tells what a run has shown. */
export function findingsOf(
  facts: RunFacts,
  connections: readonly ConnectionResult[],
  process: ProcessResult,
  isComplete: boolean,
): { failures: Finding[]; remarks: Finding[] } {
  const failures: Finding[] = findingsOfTheEnd(facts, process, connections);
  const remarks: Finding[] = [];
  for (const name of Object.keys(sentences) as (keyof typeof sentences)[]) {
    const all = connections.flatMap(({ requests }) => requests.filter((request) => request.class === name));
    const failed = all.filter((request) => request.failed);
    const told = all.filter((request) => !request.failed);
    if (failed.length > 0) failures.push(ofRequests(name, failed));
    if (told.length > 0) remarks.push(ofRequests(name, told));
  }
  for (const isFailure of [true, false]) {
    const refused = connections.filter(
      (each) => each.refused !== undefined && each.refusalFailed === isFailure,
    );
    if (refused.length > 0) (isFailure ? failures : remarks).push(ofRefusals(refused, isFailure));
  }
  failures.push(...ofBroken(connections));
  remarks.push(
    ...ofTheQueue(facts, connections),
    ...ofTheDrill(facts, isComplete),
    ...ofTheLoad(facts, connections),
  );
  if (!facts.interrupted) return { failures, remarks };
  // It is told, and nobody is blamed.
  const text = "This run was interrupted: it tells what was seen until then.";
  return { failures: [], remarks: [{ kind: "interrupted", text, count: 1 }, ...failures, ...remarks] };
}

function ofRequests(kind: keyof typeof sentences, requests: readonly RequestResult[]): Finding {
  const some = requests.slice(0, NAMED).map(({ id }) => id);
  const names = requests.length > NAMED ? `${some.join(", ")}, …` : some.join(", ");
  const what = sentences[kind](requests.length === 1);
  return { kind, text: `${count(requests.length, "request")} ${what} (${names}).`, count: requests.length };
}

function ofRefusals(refused: readonly ConnectionResult[], isFailure: boolean): Finding {
  const reasons = [...new Set(refused.map((each) => each.refused))].join(", ");
  const when = isFailure ? " while the server should accept" : " at the signal";
  const verb = refused.length === 1 ? "was" : "were";
  return {
    kind: "refused",
    text: `${count(refused.length, "connection")} ${verb} turned away${when} (${reasons}).`,
    count: refused.length,
  };
}

/** What became of those who were in the accept queue when the server was told to stop. */
function ofTheQueue(facts: RunFacts, connections: readonly ConnectionResult[]): Finding[] {
  if (facts.profile.arrives !== true || facts.signalAt === undefined) return [];
  const waited = connections.filter((each) => each.waited);
  if (waited.length === 0) return [nobodyWaited(facts)];
  const [letIn, turnedAway] = [waited.filter(isLetIn), waited.filter((each) => !isLetIn(each))];
  const reasons = [...new Set(turnedAway.map(({ refused }) => refused))].join(", ");
  const parts = [
    `${letIn.length} let in`,
    ...(turnedAway.length === 0 ? [] : [`${turnedAway.length} turned away (${reasons})`]),
  ];
  const who = `${count(waited.length, "client")} waited in the accept queue`;
  return [
    {
      kind: "accept queue",
      text: `${who} when the server was told to stop: ${parts.join(", ")}.`,
      count: waited.length,
    },
  ];
}

function isLetIn({ refused }: ConnectionResult): boolean {
  return refused === undefined;
}

/** A verdict would be luck: whoever is let in at once proves nothing of those that are not. */
function nobodyWaited({ hasProcess, stoodStill }: RunFacts): Finding {
  const why = !hasProcess
    ? "The drill does not know its process, and cannot let it stand still: give `pid` in the place of `stop`."
    : stoodStill
      ? "It took no connection while it stood still."
      : "It went on while its process stood still: another process serves, or the command is a wrapper.";
  const text = `Nobody waited in the accept queue when the server was told to stop, so nothing was at stake there. ${why}`;
  return { kind: "nothing at stake", text, count: 1 };
}

function ofBroken(connections: readonly ConnectionResult[]): Finding[] {
  const findings: Finding[] = [];
  const broken = connections.filter(({ violation }) => violation !== undefined);
  if (broken.length > 0) {
    const text = `The server broke the protocol on ${count(broken.length, "connection")}: ${broken[0]!.violation}.`;
    findings.push({ kind: "protocol error", text, count: broken.length });
  }
  const failed = connections.filter(({ failure }) => failure !== undefined);
  if (failed.length > 0) {
    const verb = failed.length === 1 ? "was" : "were";
    const text = `${count(failed.length, "connection")} ${verb} given up: ${failed[0]!.failure}.`;
    findings.push({ kind: "connection error", text, count: failed.length });
  }
  return findings;
}

/** What makes a run say less than it seems to. */
function ofTheLoad(
  { signalAt, loadBegan, profile }: RunFacts,
  connections: readonly ConnectionResult[],
): Finding[] {
  const remarks: Finding[] = [];
  const requests = connections.flatMap((connection) => connection.requests);
  const others = connections.reduce((sum, { otherMessages }) => sum + otherMessages, 0);
  if (others > 0 && requests.length > 0 && requests.every(({ replies }) => replies.length === 0)) {
    const text = `The server sent ${count(others, "message")} of which none was recognised as a reply: look at \`reply\`, or at the script's match, and whether \`message\` is what the server wants.`;
    remarks.push({ kind: "unrecognised", text, count: others });
  }
  if (signalAt === undefined) return remarks;
  const signal = signalAt - loadBegan;
  const atStake = requests.some(
    ({ afterSignal, replies }) => afterSignal || !((replies[0] ?? Infinity) < signal),
  );
  // Of a profile that arrives at the signal its own remark says so.
  if (!atStake && requests.length > 0 && profile.arrives !== true) {
    const text =
      "Every request was answered before the signal, so nothing was at stake. A smaller `signalAfter`, slower work, or the profiles stream and closed-loop with more `requests` show more.";
    remarks.push({ kind: "nothing at stake", text, count: 1 });
  }
  const torn = connections.filter(
    ({ openedAt, close, endedAt, endedFirst }) =>
      openedAt !== undefined && close === undefined && endedAt !== undefined && endedFirst === "server",
  );
  if (torn.length > 0) {
    const [verb, clients] = torn.length === 1 ? ["was", "Its client sees"] : ["were", "Their clients see"];
    const text = `${count(torn.length, "connection")} ${verb} ended without a Close. ${clients} 1006.`;
    remarks.push({ kind: "no close", text, count: torn.length });
  }
  return remarks;
}

/** What a reader should know of the drill itself. */
function ofTheDrill({ hadOrphans, effects, effectsMissing, load }: RunFacts, isComplete: boolean): Finding[] {
  const remarks: Finding[] = [];
  const tell = (kind: Finding["kind"], text: string): void => void remarks.push({ kind, text, count: 1 });
  if (hadOrphans)
    tell(
      "orphans",
      "Processes that the command had started outlived it. A container would have killed them at once.",
    );
  if (effectsMissing === true)
    tell("effects incomplete", "The server has not made the effects file, so nobody says what was executed.");
  if (effects !== undefined && !isComplete) {
    const what = effects.endsWithinLine ? "ends within a line" : "lacks requests that were answered";
    tell("effects incomplete", `The effects file ${what}, so an id that it lacks proves nothing.`);
  }
  if (load.cpu > BUSY || load.longestStall > LONG_STALL) {
    const stall = duration(load.longestStall);
    const share = `${Math.round(load.cpu * 100)} % of a core`;
    tell("load", `The drill itself was busy (${share}, stalled for up to ${stall}): its times say less.`);
  }
  return remarks;
}
