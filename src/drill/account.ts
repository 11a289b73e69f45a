/** From what was seen of a run to its account: every request in one class, every failure in a sentence. */
import type { Request } from "./conversation.js";
import type { Effects } from "./effects.js";
import type { RunFacts, SeenClient, SeenConversation } from "./facts.js";
import {
  requestClasses,
  type ConnectionResult,
  type Latency,
  type ProcessResult,
  type RequestResult,
  type RunResult,
} from "./result.js";
import { findingsOf } from "./findings.js";
import { judge, type Ending } from "./verdict.js";

/** Judges a run. */
export function accountFor(facts: RunFacts): RunResult {
  const isComplete = facts.effects !== undefined && isWhole(facts.effects, facts.conversations);
  const connections = facts.conversations.map((conversation) =>
    connectionResult(facts, conversation, isComplete),
  );
  const counts = Object.fromEntries(requestClasses.map((name) => [name, 0])) as RunResult["counts"];
  for (const { requests } of connections) for (const request of requests) counts[request.class]++;
  const process = processResult(facts);
  const { failures, remarks } = findingsOf(facts, connections, process, isComplete);
  return {
    profile: facts.profileName,
    repeat: facts.repeat,
    passed: failures.length === 0 && !facts.interrupted,
    failures,
    remarks,
    counts,
    sent: Object.values(counts).reduce((sum, count) => sum + count, 0),
    effects: facts.effects !== undefined,
    signalAt: relative(facts, facts.signalAt),
    endedAt: micro(facts.endedAt - facts.loadBegan),
    process,
    latency: latencies(connections, relative(facts, facts.signalAt)),
    load: facts.load,
    connections,
  };
}

/**
 * Whether an id that the effects file lacks was not executed. A server that answers what its file does not name leaves
 * ids out; one that was killed while it wrote left the file without the end of its last line.
 */
function isWhole(
  { executions, endsWithinLine }: Effects,
  conversations: readonly SeenConversation[],
): boolean {
  const unnamed = (request: Request): boolean =>
    request.replies.length > 0 && executionsOf(executions, request) === 0;
  return !endsWithinLine && !conversations.some(({ requests }) => requests.some(unnamed));
}

function executionsOf(executions: Effects["executions"], { id, n }: Request): number {
  return (executions.get(id) ?? 0) + (executions.get(String(n)) ?? 0);
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
  conversation: SeenConversation,
  isComplete: boolean,
): ConnectionResult {
  const { client, number, role, otherMessages, waited } = conversation;
  const at = (time: number | undefined): number | undefined => relative(facts, time);
  const { close } = client;
  const refused = client.refused ?? (client.openedAt === undefined ? "no answer" : undefined);
  return {
    number,
    role,
    connectedAt: at(client.connectedAt),
    openedAt: at(client.openedAt),
    waited,
    refused,
    refusalFailed: refused !== undefined && !facts.interrupted && failsByRefusal(facts, conversation),
    close: close === undefined ? undefined : { ...close, at: micro(close.at - facts.loadBegan) },
    closeSentAt: at(client.closeSentAt),
    finSentAt: at(client.finSentAt),
    finAt: at(client.finAt),
    resetAt: at(client.resetAt),
    endedAt: at(client.endedAt),
    endedFirst: client.endedFirst,
    violation: client.violation,
    failure: client.failure,
    otherMessages,
    requests: conversation.requests
      .filter(({ sentAt }) => sentAt !== undefined)
      .map((request) => requestResult(facts, conversation, request, isComplete)),
  };
}

function requestResult(
  facts: RunFacts,
  { client, role }: SeenConversation,
  request: Request,
  isComplete: boolean,
): RequestResult {
  const { profile, settings, signalAt = Infinity, effects, loadBegan } = facts;
  const sentAt = request.sentAt!;
  const found = effects === undefined ? undefined : executionsOf(effects.executions, request);
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
  const judged = judge(evidence, settings);
  return {
    n: request.n,
    id: request.id,
    sentAt: micro(sentAt - loadBegan),
    afterSignal,
    replies: request.replies.map((at) => micro(at - loadBegan)),
    executions,
    class: judged.class,
    // What was not played to its end proves nothing.
    failed: judged.failed && !facts.interrupted,
  };
}

function endingOf({ close }: SeenClient, promise: readonly number[]): Ending {
  if (close === undefined) return "abrupt";
  return promise.includes(close.code) ? "promise" : "close";
}

/** Whether a server had to let this client in, or at least to tell it otherwise. */
function failsByRefusal(facts: RunFacts, { client, role, upgradeSentAt, waited }: SeenConversation): boolean {
  const { signalAt = Infinity, settings, profile } = facts;
  // Of others that arrive nobody knows whether the server could have known: TCP's own race, which no server wins.
  if (profile.arrives === true && role === "profile") {
    return waited && (client.refusedByAnswer ? settings.strict : true);
  }
  // One that came in time may have been late when it was heard.
  if (role === "newcomer") {
    return client.refusedAt === undefined || client.refusedAt < signalAt + settings.lameDuck;
  }
  // One that was gone before it could ask was turned away when it went.
  const isLate = (upgradeSentAt ?? client.refusedAt ?? Infinity) > signalAt;
  const isToldAtTheEnd = profile.holdsUpgrade === true && client.refusedByAnswer;
  return isLate || isToldAtTheEnd ? settings.strict : true;
}

function processResult(facts: RunFacts): ProcessResult {
  const { exit, pid, output, hung, isChild } = facts;
  return {
    pid,
    exitCode: exit?.code,
    exitSignal: exit?.signal,
    exitedAt: relative(facts, exit?.at),
    killed: hung && isChild && exit === undefined,
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
