/** How numbers, times and outcomes read in a report. */
import { stripVTControlCharacters } from "node:util";
import type { ConnectionResult, ProcessResult, RequestResult, RunResult } from "../result.js";
import { shortened } from "./markup.js";

/** Narrow and unbreakable: "30 000" stays one word. */
const SPACE = "\u202F";
const MINUS = "\u2212";

/** `30 000`; small numbers that are not whole keep one decimal. */
export function number(value: number): string {
  const rounded = Math.abs(value) < 10 ? Math.round(value * 10) / 10 : Math.round(value);
  const [whole = "", decimals] = String(Math.abs(rounded)).split(".");
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, SPACE) : whole;
  return (rounded < 0 ? MINUS : "") + grouped + (decimals === undefined ? "" : `.${decimals}`);
}

export function milliseconds(duration: number): string {
  return `${number(duration)}${SPACE}ms`;
}

/** `2026-11-25 09:30:00 UTC`. */
export function timeOfDay(iso: string): string {
  return iso.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/, "$1 $2 UTC");
}

export function count(amount: number, noun: string): string {
  return `${number(amount)} ${amount === 1 ? noun : `${noun}s`}`;
}

/** A time on the axis of a run: with its sign, as there is a signal that it is before or after. */
export function moment(time: number, run: RunResult): string {
  const relative = time - (run.signalAt ?? 0);
  const isAfter = run.signalAt !== undefined && Math.round(relative * 10) > 0;
  return (isAfter ? "+" : "") + milliseconds(relative);
}

/** A run that did not pass, and that nobody is blamed for, was not played to its end. */
export function stateOf({ passed, failures }: RunResult): "passed" | "failed" | "interrupted" {
  if (passed) return "passed";
  return failures.length > 0 ? "failed" : "interrupted";
}

export function isAnswered({ replies }: RequestResult): boolean {
  return replies.length > 0;
}

/** Time from the signal to the exit; undefined when the process did not end by itself after a signal. */
export function timeToExit(run: RunResult): number | undefined {
  const { exitedAt, killed } = run.process;
  if (exitedAt === undefined || killed || run.signalAt === undefined) return undefined;
  return exitedAt - run.signalAt;
}

/** In a word: `0`, `SIGSEGV`, `killed`. */
export function exitWord({ exitCode, exitSignal, killed }: ProcessResult): string {
  if (killed) return "killed";
  if (exitCode !== undefined) return String(exitCode);
  return exitSignal ?? "unknown";
}

/** In a sentence. */
export function exitSentence(run: RunResult): string {
  const { exitCode, exitSignal, killed, pid } = run.process;
  const process = pid === undefined ? "The process" : `Process ${pid}`;
  if (killed) return `${process} did not end in time, and the drill killed it.`;
  const after = timeToExit(run);
  const when = after === undefined ? "" : `, ${milliseconds(after)} after the signal`;
  if (exitCode !== undefined) return `${process} exited with ${exitCode}${when}.`;
  if (exitSignal !== undefined) return `${process} was killed by ${exitSignal}${when}.`;
  return pid === undefined ? "The drill did not watch the process." : `${process} had not ended.`;
}

/** How a connection ended, in the width of a column. */
export function endOf(connection: ConnectionResult): string {
  const { refused, violation, close, resetAt, finAt, endedAt, endedFirst } = connection;
  if (refused !== undefined) return shortened(refused, 18);
  if (violation !== undefined) return "protocol error";
  if (resetAt !== undefined) return close === undefined ? "reset" : `Close ${close.code}, reset`;
  if (endedAt === undefined) return close === undefined ? "left open" : `Close ${close.code}, open`;
  if (endedFirst === "client") return "client ended it";
  if (close !== undefined) return `Close ${close.code}`;
  return finAt === undefined ? "ended" : "FIN, no Close";
}

/** All that is known of a connection. */
export function describeConnection(connection: ConnectionResult, run: RunResult): string {
  const { role, requests, refused, close } = connection;
  const name =
    role === "profile" ? `Connection ${connection.number}` : `Connection ${connection.number} (${role})`;
  const at = (what: string, time: number | undefined): string | undefined =>
    time === undefined ? undefined : `${what} at ${moment(time, run)}`;
  const answered = requests.filter(isAnswered).length;
  const reason = close === undefined || close.reason === "" ? "" : ` “${close.reason}”`;
  const parts = [
    connection.waited ? "waited in the accept queue" : undefined,
    at("open", connection.openedAt),
    refused === undefined ? undefined : `refused: ${shortened(refused, 200)}`,
    requests.length === 0 ? undefined : `${number(answered)} of ${number(requests.length)} answered`,
    connection.otherMessages === 0 ? undefined : count(connection.otherMessages, "other message"),
    close === undefined ? undefined : at(`Close ${close.code}${reason}`, close.at),
    at("Close sent", connection.closeSentAt),
    at("FIN", connection.finAt),
    at("FIN sent", connection.finSentAt),
    at("reset", connection.resetAt),
    connection.violation === undefined
      ? undefined
      : `protocol error: ${shortened(connection.violation, 200)}`,
    refused === undefined && connection.endedAt === undefined ? "never ended by itself" : undefined,
  ].filter((part) => part !== undefined);
  return `${name}: ${parts.join("; ")}.`;
}

/** All that is known of a request; `until` is when a reply could come no more. */
export function describeRequest(request: RequestResult, run: RunResult, until: number): string {
  const { replies, executions } = request;
  const first = replies[0];
  const parts = [
    `${request.id} ${request.class}${request.failed ? " (fails)" : ""}`,
    `sent ${moment(request.sentAt, run)}`,
    first === undefined
      ? `no reply until its connection was over, ${moment(until, run)}`
      : `reply ${replies.map((reply) => moment(reply, run)).join(" and ")}`,
    first === undefined ? undefined : `took ${milliseconds(first - request.sentAt)}`,
    executions === undefined ? undefined : `executed ${count(executions, "time")}`,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}

/** A line that a server printed, without its colours. */
export function printed(line: string): string {
  return shortened(stripVTControlCharacters(line).replace(/\r$/, ""), 400);
}
