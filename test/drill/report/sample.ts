/** Results of drills that never were: one for each thing that a report has to show. */
import { connection, drillOf, finding, request, run, served } from "./build.js";
import type { DrillResult, RunResult } from "../../../src/drill/result.js";

export { drillOf } from "./build.js";

/** What a server or its owner may write to break a page: markup, quotes, control characters, turned directions. */
const hostile =
  `</script></style><img src=x onerror="document.title='broken in'">'"&amp;]]>` +
  "\u0000\u0008\u001b[31m\u007f\u0085\u202Egnp.exe\u2066\uFFFE\uFFFF\uD800 ${1} `";

/** 25 of 25. */
export function goodRun(result: Partial<RunResult> = {}): RunResult {
  return run(
    [1, 2, 3, 4, 5].map((number) => served(number)),
    result,
  );
}

/** One after the other until the Close comes, on connections that end at different times. */
export function closedLoopRun(result: Partial<RunResult> = {}): RunResult {
  const connections = [1, 2, 3, 4, 5].map((number) => {
    const requests = Array.from({ length: 8 }, (_, index) => {
      const sentAt = 1 + index * 24 + number * 3;
      return request(number * 10 + index, { sentAt, replies: [sentAt + 22] });
    });
    const sentAt = 200 + number * 3;
    requests.push(request(number * 10 + 9, { sentAt, class: "cut off" }));
    const at = 212 + number * 4;
    return connection(number, {
      requests,
      close: { at, code: 1001, reason: "" },
      closeSentAt: at + 0.5,
      finAt: at + 1,
      finSentAt: at + 1.2,
      endedAt: at + 2,
    });
  });
  return run(connections, {
    profile: "closed-loop",
    remarks: [finding("cut off", "5 requests were sent after the signal and cut off by a Close.", 5)],
    endedAt: 250,
    latency: {
      before: { count: 10, median: 22, p99: 22.4, max: 22.4 },
      during: { count: 5, median: 22.1, p99: 22.6, max: 22.6 },
      after: { count: 25, median: 22, p99: 23, max: 23 },
    },
    ...result,
  });
}

/** Every class, a reset, refusals, a broken protocol, a client that left, a connection that stays: all in one run. */
export function badRun(result: Partial<RunResult> = {}): RunResult {
  const late = { sentAt: 120 };
  const connections = [
    connection(1, {
      requests: [
        request(1, { replies: [101], executions: 1 }),
        request(2, { class: "unanswered", failed: true }),
        request(3, { ...late, class: "cut off" }),
        request(4, { ...late, class: "never started", executions: 0 }),
        request(5, { class: "executed but unanswered", failed: true, executions: 1 }),
        request(6, { ...late, class: "broken promise", failed: true, executions: 1 }),
        request(7, { class: "duplicated", failed: true, replies: [140, 180], executions: 1 }),
        request(8, { class: "not judged" }),
      ],
      close: { at: 210, code: 1012, reason: "service restart" },
      closeSentAt: 210.5,
      finAt: 211,
      finSentAt: 212,
      endedAt: 213,
    }),
    served(2, 3),
    connection(3, {
      requests: [
        request(20, { replies: [90] }),
        request(21, { class: "unanswered", failed: true }),
        request(22, { ...late, class: "unanswered", failed: true }),
      ],
      close: undefined,
      closeSentAt: undefined,
      finAt: undefined,
      finSentAt: undefined,
      resetAt: 160,
      endedAt: 160,
    }),
    connection(4, {
      role: "newcomer",
      connectedAt: undefined,
      openedAt: undefined,
      refused: "ECONNREFUSED",
      refusalFailed: true,
      close: undefined,
      closeSentAt: undefined,
      finAt: undefined,
      finSentAt: undefined,
      endedAt: 70,
      endedFirst: "server",
    }),
    connection(5, {
      role: "newcomer",
      connectedAt: 60,
      openedAt: undefined,
      refused: "HTTP 503",
      close: undefined,
      closeSentAt: undefined,
      finAt: 66,
      finSentAt: 67,
      endedAt: 67,
    }),
    connection(6, {
      role: "witness",
      requests: [request(30, { replies: [80] }), request(31, { ...late, replies: [180] })],
      violation: "a masked frame came from the server",
    }),
    connection(7, {
      requests: [request(40, { class: "not judged" })],
      close: undefined,
      closeSentAt: undefined,
      finSentAt: 30,
      finAt: undefined,
      endedAt: undefined,
      endedFirst: "client",
    }),
  ];
  return run(connections, {
    passed: false,
    effects: true,
    failures: [
      finding(
        "unanswered",
        "3 requests were sent and never answered (lc-7f3a-2, lc-7f3a-21, lc-7f3a-22).",
        3,
      ),
      finding("executed but unanswered", "1 request was executed and never answered (lc-7f3a-5)."),
      finding(
        "broken promise",
        "1 request was executed, though the close code promises that it was not (lc-7f3a-6).",
      ),
      finding("duplicated", "1 request was answered or executed twice (lc-7f3a-7)."),
      finding("refused", "1 connection was turned away while the server should accept (ECONNREFUSED)."),
      finding(
        "protocol error",
        "The server broke the protocol on 1 connection: a masked frame came from the server.",
      ),
      finding("exit code", "The process ended with exit code 1 instead of exit code 0."),
    ],
    remarks: [
      finding("cut off", "1 request was sent after the signal and cut off by a Close (lc-7f3a-3)."),
      finding(
        "not judged",
        "2 requests are not judged: no reply could reach their client (lc-7f3a-8, lc-7f3a-40).",
        2,
      ),
    ],
    endedAt: 560,
    process: {
      pid: 4712,
      exitCode: 1,
      exitSignal: undefined,
      exitedAt: 534,
      killed: false,
      output: [
        "Listening",
        "\u001b[31mTypeError: socket is not open\u001b[39m",
        "    at send (server.js:41:12)",
      ],
    },
    ...result,
  });
}

/** Nobody closes, and the drill kills the server after 30 s. */
export function hangingRun(result: Partial<RunResult> = {}): RunResult {
  const connections = [1, 2, 3, 4, 5].map((number) => ({
    ...served(number),
    close: undefined,
    closeSentAt: undefined,
    finSentAt: undefined,
    finAt: undefined,
    endedAt: undefined,
    endedFirst: undefined,
  }));
  return run(connections, {
    profile: "silent-peer",
    passed: false,
    failures: [
      finding("hang", "The process had not ended 30.00 s after SIGTERM; 5 connections were still open."),
    ],
    endedAt: 30_061,
    process: {
      pid: 4713,
      exitCode: undefined,
      exitSignal: undefined,
      exitedAt: undefined,
      killed: true,
      output: [],
    },
    ...result,
  });
}

/** Interrupted before the signal. */
export function interruptedDrill(): DrillResult {
  const interrupted = goodRun({
    profile: "stream",
    passed: false,
    signalAt: undefined,
    remarks: [finding("interrupted", "This run was interrupted: it tells what was seen until then.")],
  });
  return drillOf([goodRun(), interrupted], {
    passed: false,
    interrupted: true,
    sentence: "Interrupted: 50 of 50 requests answered in 2 runs.",
  });
}

/** Interrupted before anything was played. */
export function emptyDrill(): DrillResult {
  return drillOf([], {
    passed: false,
    interrupted: true,
    sentence: "Interrupted: 0 of 0 requests answered in 0 runs.",
  });
}

/** 5 000 connections with 10 requests each. `isGood`: all were answered; else every fifth connection lost some. */
export function crowdedRun(isGood: boolean, result: Partial<RunResult> = {}): RunResult {
  const connections = Array.from({ length: 5_000 }, (_, index) => {
    const number = index + 1;
    const isLost = !isGood && number % 5 === 0;
    const requests = Array.from({ length: 10 }, (_unused, place) => {
      const sentAt = 1 + place * 11 + (number % 97) / 10;
      const isAnswered = !isLost || place < 6;
      return request(index * 10 + place, {
        sentAt,
        replies: isAnswered ? [sentAt + 30 + ((number * 7 + place * 13) % 61)] : [],
        class: isAnswered ? "answered" : "unanswered",
        failed: !isAnswered,
      });
    });
    const at = 190 + (number % 500) / 2;
    return connection(number, {
      requests,
      close: isLost ? undefined : { at, code: 1012, reason: "service restart" },
      closeSentAt: isLost ? undefined : at + 2,
      resetAt: isLost ? at : undefined,
      finAt: isLost ? undefined : at + 3,
      finSentAt: isLost ? undefined : at + 4,
      endedAt: isLost ? at : at + 5,
    });
  });
  return run(connections, {
    passed: isGood,
    failures: isGood
      ? []
      : [finding("unanswered", "4000 requests were sent and never answered (lc-7f3a-46, …).", 4_000)],
    ...result,
  });
}

/** A drill whose every text is hostile. */
export function hostileDrill(): DrillResult {
  const bad = badRun();
  const evil = run(
    bad.connections.map((each) => ({
      ...each,
      refused: each.refused === undefined ? undefined : hostile,
      violation: each.violation === undefined ? undefined : hostile,
      close: each.close === undefined ? undefined : { ...each.close, reason: hostile },
      requests: each.requests.map((one) => ({ ...one, id: hostile })),
    })),
    {
      ...bad,
      profile: hostile,
      failures: bad.failures.map((each) => ({ ...each, text: hostile })),
      remarks: bad.remarks.map((each) => ({ ...each, text: hostile })),
      process: {
        ...bad.process,
        exitSignal: hostile,
        exitCode: undefined,
        output: [hostile, `${hostile}\r`],
      },
    },
  );
  const drill = drillOf([evil]);
  return {
    ...drill,
    sentence: hostile,
    target: hostile,
    startedAt: hostile,
    settings: { ...drill.settings, signal: hostile, profiles: [hostile] },
    versions: { lastcall: hostile, node: hostile },
  };
}
