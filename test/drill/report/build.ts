/** Builds results of drills, with what every one of them needs filled in. */
import {
  requestClasses,
  type ConnectionResult,
  type DrillResult,
  type Finding,
  type RequestClass,
  type RequestResult,
  type RunResult,
} from "../../../src/drill/result.js";

const SIGNAL_AT = 50;

export function request(n: number, result: Partial<RequestResult> = {}): RequestResult {
  const sentAt = result.sentAt ?? 1;
  return {
    n,
    id: `lc-7f3a-${n}`,
    sentAt,
    afterSignal: sentAt > SIGNAL_AT,
    replies: [],
    executions: undefined,
    class: "answered",
    failed: false,
    ...result,
  };
}

export function connection(number: number, result: Partial<ConnectionResult> = {}): ConnectionResult {
  return {
    number,
    role: "profile",
    connectedAt: -6 + (number % 5) * 0.4,
    openedAt: -3 + (number % 5) * 0.4,
    waited: false,
    refused: undefined,
    refusalFailed: false,
    close: { at: 520, code: 1012, reason: "service restart" },
    closeSentAt: 520.4,
    finSentAt: 521.6,
    finAt: 521.2,
    resetAt: undefined,
    endedAt: 522,
    endedFirst: "server",
    violation: undefined,
    failure: undefined,
    otherMessages: 0,
    requests: [],
    ...result,
  };
}

/** A run of these connections; the counts are theirs. */
export function run(connections: ConnectionResult[], result: Partial<RunResult> = {}): RunResult {
  const counts = Object.fromEntries(requestClasses.map((name) => [name, 0])) as Record<RequestClass, number>;
  let sent = 0;
  for (const { requests } of connections) {
    sent += requests.length;
    for (const { class: name } of requests) counts[name]++;
  }
  return {
    profile: "pipelined",
    repeat: 1,
    passed: true,
    failures: [],
    remarks: [],
    counts,
    sent,
    effects: false,
    signalAt: SIGNAL_AT,
    endedAt: 540,
    process: {
      pid: 4711,
      exitCode: 0,
      exitSignal: undefined,
      exitedAt: 534,
      killed: false,
      output: [
        "Listening on ws://127.0.0.1:40123",
        "Clean shutdown in 0.48 s: 25 messages served on 5 connections.",
      ],
    },
    latency: {
      before: undefined,
      during: { count: 25, median: 301, p99: 503.2, max: 503.2 },
      after: undefined,
    },
    load: { cpu: 0.04, longestStall: 3.1 },
    connections,
    ...result,
  };
}

export function drillOf(runs: RunResult[], result: Partial<DrillResult> = {}): DrillResult {
  const passed = result.passed ?? runs.every((each) => each.passed);
  return {
    passed,
    atStake: true,
    sentence: passed
      ? "Nothing was lost: all requests answered."
      : "The shutdown failed (pipelined): 5 requests never answered; 20 of 25 requests answered in 1 run.",
    interrupted: false,
    startedAt: "2026-11-25T09:30:00.000Z",
    duration: 1_840,
    target: "node server.mjs --port 40123",
    settings: {
      connections: 5,
      requests: 5,
      interval: 50,
      size: 64,
      readRate: undefined,
      profiles: [...new Set(runs.map(({ profile }) => profile))],
      signal: "SIGTERM",
      signalAfter: SIGNAL_AT,
      timeout: 30_000,
      repeat: Math.max(1, ...runs.map(({ repeat }) => repeat)),
      seed: 1_234_567,
      lameDuck: 0,
      exitCodes: [0],
      promise: [1012],
      strict: false,
      acceptHandback: false,
    },
    versions: { lastcall: "0.1.0", node: "20.20.2" },
    runs,
    ...result,
  };
}

/** Five requests at once, answered one after the other. */
export function served(number: number, requests = 5): ConnectionResult {
  const all = Array.from({ length: requests }, (_, index) =>
    request((number - 1) * requests + index + 1, { sentAt: 1, replies: [101 + index * 100 + number * 0.4] }),
  );
  return connection(number, { requests: all });
}

export function finding(kind: Finding["kind"], text: string, count = 1): Finding {
  return { kind, text, count };
}
