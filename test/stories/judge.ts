/** Holds what was observed against the rules of the contract. Each breach is a sentence; none is a good story. */
import type { TroubledConnection } from "../../src/index.js";
import { drainDefaults } from "../../src/drain/options.js";
import { bound } from "../tools/timing.js";
import type { HandlerLog } from "./handlers.js";
import type { Observed } from "./play.js";
import type { StoryPeer } from "./peers.js";
import { NEVER_ENDING, type PeerKind } from "./story.js";

/** Peers that read all that they are sent. */
const READS: readonly PeerKind[] = [
  "polite",
  "conversing",
  "late to answer",
  "silent on Ping",
  "silent on Close",
  "silent on FIN",
  "sending on",
  "closing",
  "half-closing",
  "stopping in a frame",
  "stopping in a message",
  "violating",
  "late with its handshake",
  "coming late",
];

/** Peers that do nothing for which a report could name them. */
const BLAMELESS: readonly PeerKind[] = [
  "polite",
  "conversing",
  "late to answer",
  "silent on Ping",
  "silent on FIN",
  "sending on",
  "closing",
  "half-closing",
  "late with its handshake",
  "coming late",
];

/** All that can be said of one peer. */
interface Seen {
  number: number;
  peer: StoryPeer;
  log: HandlerLog | undefined;
  troubled: TroubledConnection | undefined;
}

export function judge(observed: Observed): string[] {
  const breaches: string[] = [];
  const breach = (what: string): void => void breaches.push(what);
  judgeWhole(observed, breach);
  judgeSums(observed, breach);
  for (const [number, peer] of observed.peers.entries()) {
    const log = observed.logs.get(number);
    const troubled = observed.report.troubled.find(({ id }) => id === log?.id);
    const seen = { number, peer, log, troubled };
    const about = (what: string): void => breach(`peer ${number}, ${peer.plan.kind}: ${what}`);
    judgeServing(observed, seen, about);
    judgeEnding(observed, seen, about);
  }
  return breaches;
}

type Breach = (what: string) => void;

/** Whether anything was, or may have been, destroyed before it was due. */
function isForced({ report, story, tookFromClose }: Observed): boolean {
  const deadlines = story.interventions.map((each) =>
    each.call === "shutdown" ? each.options.deadline! : 0,
  );
  const deadline = Math.min(story.drain.deadline!, ...deadlines);
  return report.outcome === "forced" || tookFromClose !== undefined || report.duration >= deadline;
}

/** Node's timers may fire up to a millisecond early, and the report's duration is rounded. */
const TIMER_SLACK = 2;

/** When last call was, at the earliest; Infinity when there was none. */
function lastCallAt({ story }: Observed): number {
  const called = story.interventions.map((each) =>
    each.call === "shutdown" ? each.after + 0.8 * each.options.deadline! : Infinity,
  );
  return Math.min(story.drain.lastCall ?? 0.8 * story.drain.deadline!, ...called) - TIMER_SLACK;
}

/** Whether all waits of the drain, one behind the other, fit three times into the deadline: then it is not reached. */
function hadTime({ story, tookFromClose }: Observed): boolean {
  const drain = { ...drainDefaults, ...story.drain };
  const messages = Math.max(0, ...story.peers.map((peer) => peer.messages));
  const waits =
    drain.lameDuck +
    drain.handshakeGrace +
    (1_000 * story.peers.length) / drain.pace +
    drain.barrierTimeout +
    drain.patience +
    messages * story.handler.work +
    drain.closeTimeout +
    drain.lingerTimeout;
  const hurried = story.interventions.length > 0 || tookFromClose !== undefined;
  return !hurried && !NEVER_ENDING.includes(story.handler.kind) && 3 * waits < drain.deadline;
}

/** Rules 6, 8, 10 and 11, and rule 9 for those who are too late. */
function judgeWhole(observed: Observed, breach: Breach): void {
  const { story, report, took, tookFromClose, furtherReports, logs, atEnd, connectionsLeft, errors } =
    observed;
  if (took > bound(story.drain.deadline! + 1_000)) breach(`shutdown() took ${took} ms`);
  if (report.duration >= story.drain.deadline! && hadTime(observed))
    breach(`it came to the deadline, after ${report.duration} ms`);
  if (tookFromClose !== undefined && tookFromClose > bound(1_000)) breach(`close() took ${tookFromClose} ms`);
  for (const further of furtherReports) if (further !== report) breach("a further call has another report");
  const stillRun = [...logs.values()].filter(({ settled }) => !settled).length;
  if (connectionsLeft !== stillRun)
    breach(`${connectionsLeft} connections are left, ${stillRun} handlers run`);
  for (const [number, log] of logs) {
    const end = atEnd.get(number);
    if (end === undefined) breach(`the handler of peer ${number} began when all was over`);
    else if (log.started.length > end.started) breach(`peer ${number} was served when all was over`);
    else if (log.settled && !end.settled && report.outcome !== "forced")
      breach(`the handler of peer ${number} settled when all was over`);
    if (!log.settled && !NEVER_ENDING.includes(story.handler.kind))
      breach(`the handler of peer ${number} never settled`);
  }
  const thrown = story.handler.kind === "throwing" ? logs.size : 0;
  if (errors.length > thrown) breach(`onError heard ${String(errors[0])}`);
}

/** Rule 7: the counts add up to what happened. */
function judgeSums(observed: Observed, breach: Breach): void {
  const { report, peers, logs, atStop, atEnd, connectionsAtStop } = observed;
  const { connections, messages, troubled, outcome } = report;
  const { total, closed, left, unconfirmed, forced } = connections;
  if (closed + left + unconfirmed + forced !== total) breach("the connections do not add up");
  const came = [...logs.keys()].filter((number) => !atStop.has(number)).length;
  if (total !== connectionsAtStop + came) breach(`${total} connections, not ${connectionsAtStop} + ${came}`);

  let served = 0;
  let notStarted = 0;
  let refused = 0;
  for (const [number, log] of logs) {
    const [before, end] = [atStop.get(number), atEnd.get(number)];
    served += (end?.finished ?? 0) - (before?.finished ?? 0);
    refused += (end?.refused ?? 0) - (before?.refused ?? 0);
    notStarted += peers[number]!.sent - log.started.length;
  }
  const wasForced = isForced(observed);
  if (wasForced ? messages.served > served : messages.served !== served)
    breach(`served ${messages.served}, but the handlers finished ${served}`);
  if (messages.handedBack > notStarted) breach(`handed back ${messages.handedBack} of ${notStarted}`);
  if (messages.undelivered < refused)
    breach(`undelivered ${messages.undelivered}, but ${refused} were refused`);
  if (messages.abandoned > 0 && !wasForced)
    breach(`abandoned ${messages.abandoned}, though nothing was forced`);
  // Whoever reads and answers to the end, with a handler that lives as long, is accounted for to the last message.
  const exact = peers.every(({ plan }) => ["polite", "sending on"].includes(plan.kind));
  const started = [...atStop.values()].every(({ settled }) => !settled);
  if (exact && started && !wasForced && messages.handedBack !== notStarted)
    breach(`handed back ${messages.handedBack}, but ${notStarted} were never started`);

  const expected =
    forced > 0 || messages.abandoned > 0
      ? "forced"
      : troubled.length > 0 || messages.undelivered > 0 || report.neverAccepted > 0
        ? "unconfirmed"
        : messages.handedBack > 0
          ? "partial"
          : "clean";
  if (outcome !== expected) breach(`the outcome is ${outcome}, not ${expected}`);
}

/** Rules 1 to 4: what was started, answered and handed back. */
function judgeServing(observed: Observed, { number, peer, log, troubled }: Seen, breach: Breach): void {
  if (log === undefined || peer.client === undefined) return;
  const { story, report, readAtStop } = observed;
  const { messages, close } = peer.client;
  const replies = messages.map(String);

  // Rule 1, order.
  if (!log.started.every((message, index) => message === index)) breach("messages were started out of order");
  const numbers = replies.map((reply) => Number.parseInt(reply, 10));
  const inOrder = story.handler.kind !== "concurrent" && story.handler.kind !== "deferring";
  if (
    inOrder &&
    !numbers.every((each, index) => index === 0 || each >= numbers[index - 1]! || Number.isNaN(each))
  )
    breach("replies are out of order");
  if (new Set(replies).size !== replies.length) breach("something was answered twice");
  if (!replies.every((reply) => log.taken.includes(reply))) breach("a reply that nobody sent");

  const whole = !isForced(observed) && troubled === undefined;
  const reads = READS.includes(peer.plan.kind);
  const servesAll = ["serial", "concurrent", "deferring"].includes(story.handler.kind);
  // Rule 2, received is served.
  if (servesAll && whole && report.duration < lastCallAt(observed) && readAtStop.get(number)) {
    const received = observed.story.peers[number]!.messages;
    if (log.started.length < received) breach(`${log.started.length} of ${received} received were served`);
  }
  // And with it what was on the wire before the peer learned of the drain, when nothing held us from reading it.
  const readable = story.options.inboxLimit!.messages === 1024 && peer.plan.padding <= 3_000;
  const patient = peer.plan.messages * story.handler.work < story.drain.patience! / 3;
  const wrote = ["polite", "closing", "half-closing", "silent on Close", "silent on FIN"].includes(
    peer.plan.kind,
  );
  if (servesAll && whole && readable && patient && wrote && report.duration < lastCallAt(observed)) {
    if (log.started.length < peer.sent) breach(`${log.started.length} of ${peer.sent} sent were served`);
  }
  // Rule 3, replies before Close.
  if (whole && reads && replies.length !== log.taken.length)
    breach(`${replies.length} of ${log.taken.length} replies came`);
  // Rule 4: whoever is ended with the drain's code knows that what is unanswered was never started.
  const code = story.drain.code ?? 1012;
  const answersAll = story.handler.kind === "serial" || story.handler.kind === "returning";
  if (answersAll && reads && close?.code === code && log.started.length !== numbers.length)
    breach(`ended with ${code}, ${log.started.length} started, ${numbers.length} answered`);
}

/** Rules 5, 7 and 9: how the peer's socket ended, and what the report says of it. */
function judgeEnding(observed: Observed, { number, peer, log, troubled }: Seen, breach: Breach): void {
  const { story, atStop } = observed;
  const { client, plan, refused } = peer;
  if (isForced(observed)) return;
  const { kind } = plan;
  // Rule 9.
  if (kind === "late with its handshake" && refused !== undefined) breach(`refused: ${refused}`);
  if (kind === "coming late" && refused !== undefined) {
    if (!/^(ECONNREFUSED|ECONNRESET|503)$/.test(refused)) breach(`refused: ${refused}`);
    return;
  }
  if (client === undefined) return;
  if (kind === "without a word") {
    if (client.response?.status !== 503) breach(`answered with ${client.response?.status}`);
    if (client.response?.headers["retry-after"] === undefined) breach("503 without Retry-After");
  }
  // Rule 5.
  if (READS.includes(kind) && client.ended !== "FIN") breach(`ended by ${client.ended}`);
  if (client.violation !== undefined) breach(client.violation);

  if (!READS.includes(kind) || log === undefined) return;
  const [code, threw] = [story.drain.code ?? 1012, log.started.includes(story.handler.at)];
  const expected =
    kind === "violating"
      ? [1002]
      : story.handler.kind === "throwing" && threw
        ? [1011]
        : atStop.get(number)?.settled
          ? [1000]
          : [code];
  // It may have returned before the stop, and what it left to waitUntil() settled after it.
  if (story.handler.kind === "deferring") expected.push(code);
  // A Close that crosses the handler's end answers what came first.
  if (kind === "closing") expected.push(1000);
  if (kind === "violating") expected.push(1000, 1011, code);
  if (!expected.includes(client.close?.code ?? 1006))
    breach(`closed with ${client.close?.code}, not ${expected.join()}`);
  // Rule 7.
  // Who has ended TCP cannot answer a Close that was sent before that was read.
  const couldNotAnswer = kind === "half-closing" && troubled?.reason === "unconfirmed";
  if (BLAMELESS.includes(kind) && troubled !== undefined && !couldNotAnswer)
    breach(`is in the report: ${troubled.reason}`);
  if (
    kind === "silent on Close" &&
    log.settled &&
    !atStop.get(number)?.settled &&
    troubled?.reason !== "unconfirmed"
  )
    breach(`did not answer Close, and the report says ${troubled?.reason ?? "nothing"}`);
}
