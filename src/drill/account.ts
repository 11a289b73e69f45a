/** From what was seen of a run to its account: every request in one class, every failure in a sentence. */
import type { Conversation, Request } from "./conversation.js";
import type { Profile } from "./profiles.js";
import {
  requestClasses,
  type ConnectionResult,
  type DrillSettings,
  type Finding,
  type Latency,
  type ProcessResult,
  type RequestResult,
  type RunResult,
} from "./result.js";
import { findingsOf } from "./findings.js";
import { judge, type Ending } from "./verdict.js";
import type { Exit } from "./target/running.js";

/** What was seen of a run. Times are on the clock of `performance.now()`. */
export interface RunFacts {
  profileName: string;
  profile: Profile;
  repeat: number;
  settings: DrillSettings;
  conversations: readonly Conversation[];
  loadBegan: number;
  signalAt: number | undefined;
  endedAt: number;
  exit: Exit | undefined;
  hasProcess: boolean;
  knowsExitCode: boolean;
  pid: number | undefined;
  output: string[];
  /** Whether it was over only when the time was up. */
  hung: boolean;
  hadOrphans: boolean;
  interrupted: boolean;
  /** What the effects file says; undefined without one. */
  executions: Map<string, number> | undefined;
  servesHalfClosed: boolean;
  load: { cpu: number; longestStall: number };
}

/** Judges a run. */
export function accountFor(facts: RunFacts): RunResult {
  const known = facts.executions;
  // A server that answers what its file does not name leaves ids out: then an id that is missing proves nothing.
  const isComplete =
    known !== undefined && !facts.conversations.some((each) => hasUnnamedAnswer(each, known));
  const connections = facts.conversations.map((conversation) =>
    connectionResult(facts, conversation, isComplete),
  );
  const counts = Object.fromEntries(requestClasses.map((name) => [name, 0])) as RunResult["counts"];
  for (const { requests } of connections) for (const request of requests) counts[request.class]++;
  const process = processResult(facts);
  const { failures, remarks } = findingsOf(facts, connections, process, known !== undefined && !isComplete);
  return {
    profile: facts.profileName,
    repeat: facts.repeat,
    passed: failures.length === 0 && !facts.interrupted,
    ...(facts.interrupted ? interrupted(failures, remarks) : { failures, remarks }),
    counts,
    sent: Object.values(counts).reduce((sum, count) => sum + count, 0),
    effects: known !== undefined,
    signalAt: relative(facts, facts.signalAt),
    endedAt: micro(facts.endedAt - facts.loadBegan),
    process,
    latency: latencies(connections, relative(facts, facts.signalAt)),
    load: facts.load,
    connections,
  };
}

/** What was not played to its end proves nothing: it is told, and nobody is blamed. */
function interrupted(failures: Finding[], remarks: Finding[]): Pick<RunResult, "failures" | "remarks"> {
  const text = "This run was interrupted: it tells what was seen until then.";
  return { failures: [], remarks: [{ kind: "interrupted", text, count: 1 }, ...failures, ...remarks] };
}

function executionsOf(executions: Map<string, number>, { id, n }: Request): number {
  return (executions.get(id) ?? 0) + (executions.get(String(n)) ?? 0);
}

function hasUnnamedAnswer({ requests }: Conversation, executions: Map<string, number>): boolean {
  return requests.some((request) => request.replies.length > 0 && executionsOf(executions, request) === 0);
}

function relative({ loadBegan }: RunFacts, at: number | undefined): number | undefined {
  return at === undefined ? undefined : micro(at - loadBegan);
}

/** To the microsecond: what is behind that is noise, and makes reports long. */
function micro(time: number): number {
  return Math.round(time * 1_000) / 1_000;
}

function connectionResult(
  facts: RunFacts,
  conversation: Conversation,
  isComplete: boolean,
): ConnectionResult {
  const { client, number, role, otherMessages } = conversation;
  const at = (time: number | undefined): number | undefined => relative(facts, time);
  const { close } = client;
  const refused = client.refused ?? (client.openedAt === undefined ? "no answer" : undefined);
  return {
    number,
    role,
    connectedAt: at(client.connectedAt),
    openedAt: at(client.openedAt),
    refused,
    refusalFailed: refused !== undefined && failsByRefusal(facts, conversation),
    close: close === undefined ? undefined : { ...close, at: micro(close.at - facts.loadBegan) },
    closeSentAt: at(client.closeSentAt),
    finSentAt: at(client.finSentAt),
    finAt: at(client.finAt),
    resetAt: at(client.resetAt),
    endedAt: at(client.endedAt),
    endedFirst: client.endedFirst,
    violation: client.violation,
    otherMessages,
    requests: conversation.requests
      .filter(({ sentAt }) => sentAt !== undefined)
      .map((request) => requestResult(facts, conversation, request, isComplete)),
  };
}

function requestResult(
  facts: RunFacts,
  { client, role }: Conversation,
  request: Request,
  isComplete: boolean,
): RequestResult {
  const { profile, settings, signalAt = Infinity, executions: all, loadBegan } = facts;
  const sentAt = request.sentAt!;
  const found = all === undefined ? undefined : executionsOf(all, request);
  const executions = found === 0 && !isComplete ? undefined : found;
  const afterSignal = sentAt > signalAt;
  const leaves = role === "profile" && profile.leaves === true;
  const evidence = {
    replies: request.replies.length,
    executions,
    afterSignal,
    afterClose: client.close !== undefined && sentAt > client.close.at,
    ending: endingOf(client, settings.promise),
    clientLeft: leaves || (profile.needsHalfClose === true && !facts.servesHalfClosed),
  };
  return {
    n: request.n,
    id: request.id,
    sentAt: micro(sentAt - loadBegan),
    afterSignal,
    replies: request.replies.map((at) => micro(at - loadBegan)),
    executions,
    ...judge(evidence, settings),
  };
}

function endingOf({ close }: Conversation["client"], promise: readonly number[]): Ending {
  if (close === undefined) return "abrupt";
  return promise.includes(close.code) ? "promise" : "close";
}

/** Whether a server had to let this client in, or at least to tell it otherwise. */
function failsByRefusal(facts: RunFacts, { client, role, upgradeSentAt }: Conversation): boolean {
  const { signalAt = Infinity, settings } = facts;
  // One that came in time may have been late when it was heard.
  if (role === "newcomer") return (client.refusedAt ?? 0) < signalAt + settings.acceptFor;
  const isLate = upgradeSentAt !== undefined && upgradeSentAt > signalAt;
  const isToldAtTheEnd = facts.profile.holdsUpgrade === true && client.refusedByAnswer;
  return isLate || isToldAtTheEnd ? settings.strict : true;
}

function processResult(facts: RunFacts): ProcessResult {
  const { exit, pid, output, hung, hasProcess } = facts;
  return {
    pid,
    exitCode: exit?.code,
    exitSignal: exit?.signal,
    exitedAt: relative(facts, exit?.at),
    killed: hung && hasProcess && exit === undefined,
    output,
  };
}

function latencies(connections: readonly ConnectionResult[], signalAt = Infinity): RunResult["latency"] {
  const times: Record<keyof RunResult["latency"], number[]> = { before: [], during: [], after: [] };
  for (const { requests } of connections) {
    for (const { sentAt, afterSignal, replies } of requests) {
      const [repliedAt] = replies;
      if (repliedAt === undefined) continue;
      times[afterSignal ? "after" : repliedAt < signalAt ? "before" : "during"].push(
        micro(repliedAt - sentAt),
      );
    }
  }
  return { before: latency(times.before), during: latency(times.during), after: latency(times.after) };
}

function latency(times: number[]): Latency | undefined {
  if (times.length === 0) return undefined;
  const sorted = times.sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { count: sorted.length, median: at(0.5), p99: at(0.99), max: sorted.at(-1)! };
}
