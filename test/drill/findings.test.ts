/** What is told of a run: each sentence, for one and for several. */
import { describe, expect, it } from "vitest";
import { accountFor } from "../../src/drill/account.js";
import type { RunFacts } from "../../src/drill/facts.js";
import { settingsOf } from "../../src/drill/options.js";
import { profiles } from "../../src/drill/profiles.js";
import type { RequestClass } from "../../src/drill/result.js";
import type { DrillOptions } from "../../src/drill/options.js";
import { conversation, request, runFacts, turnedAway } from "./facts.js";

function told(given: Partial<RunFacts>): { failures: string[]; remarks: string[] } {
  const { failures, remarks } = accountFor(runFacts(given));
  const [texts, more] = [failures, remarks].map((all) => all.map(({ kind, text }) => `${kind}: ${text}`));
  return { failures: texts!, remarks: more! };
}

function settings(options: DrillOptions = {}): RunFacts["settings"] {
  return settingsOf({ seed: 1, ...options });
}

describe("requests are counted, and the first three are named:", () => {
  /** A run in which so many requests end in this class. */
  const runs: Record<Exclude<RequestClass, "answered">, (number: number) => Partial<RunFacts>> = {
    unanswered: (number) => ({ conversations: [conversation({ requests: some(number) })] }),
    "cut off": (number) => ({ conversations: [conversation({ requests: some(number, { sentAt: 60 }) })] }),
    "never started": (number) => ({
      settings: settings({ promise: [1001] }),
      effects: { executions: new Map(), endsWithinLine: false },
      conversations: [conversation({ requests: some(number) })],
    }),
    "executed but unanswered": (number) => ({
      effects: executed(number),
      conversations: [conversation({ requests: some(number) })],
    }),
    "broken promise": (number) => ({
      settings: settings({ promise: [1001] }),
      effects: executed(number),
      conversations: [conversation({ requests: some(number) })],
    }),
    duplicated: (number) => ({
      conversations: [conversation({ requests: some(number, { replies: [70, 71] }) })],
    }),
    "not judged": (number) => ({
      profile: profiles.abort,
      conversations: [conversation({ requests: some(number) })],
    }),
  };

  function some(number: number, given: Parameters<typeof request>[1] = {}) {
    return Array.from({ length: number }, (_, index) => request(index + 1, given));
  }

  function executed(number: number): RunFacts["effects"] {
    return { executions: new Map(some(number).map(({ id }) => [id, 1])), endsWithinLine: false };
  }

  it.each<[keyof typeof runs, "failures" | "remarks", string, string]>([
    ["unanswered", "failures", "was sent and never answered", "were sent and never answered"],
    [
      "cut off",
      "remarks",
      "was sent after the signal and cut off by a Close",
      "were sent after the signal and cut off by a Close",
    ],
    [
      "never started",
      "failures",
      "was handed back: not executed, and the close code says so",
      "were handed back: not executed, and the close code says so",
    ],
    [
      "executed but unanswered",
      "failures",
      "was executed and never answered",
      "were executed and never answered",
    ],
    [
      "broken promise",
      "failures",
      "was executed, though the close code promises that it was not",
      "were executed, though the close code promises that they were not",
    ],
    ["duplicated", "failures", "was answered or executed twice", "were answered or executed twice"],
    [
      "not judged",
      "remarks",
      "is not judged: no reply could reach its client",
      "are not judged: no reply could reach their client",
    ],
  ])("%s", (kind, side, one, several) => {
    const other = side === "failures" ? "remarks" : "failures";
    const expectText = (number: number, text: string) =>
      expect(told(runs[kind](number))).toEqual({ [side]: [`${kind}: ${text}.`], [other]: [] });
    expectText(1, `1 request ${one} (lc-test-1)`);
    expectText(2, `2 requests ${several} (lc-test-1, lc-test-2)`);
    expectText(3, `3 requests ${several} (lc-test-1, lc-test-2, lc-test-3)`);
    expectText(4, `4 requests ${several} (lc-test-1, lc-test-2, lc-test-3, …)`);
  });

  it("and those that are answered are not told", () => {
    const answered = conversation({ requests: some(2, { replies: [70] }) });
    expect(told({ conversations: [answered] })).toEqual({ failures: [], remarks: [] });
  });

  it("one class can fail for some and be told of others", () => {
    const requests = [request(1, { sentAt: 60 }), request(2, { sentAt: 200 })];
    const run = { settings: settings({ strict: true }), conversations: [conversation({ requests })] };
    expect(told(run)).toEqual({
      failures: ["cut off: 1 request was sent after the signal and cut off by a Close (lc-test-1)."],
      remarks: ["cut off: 1 request was sent after the signal and cut off by a Close (lc-test-2)."],
    });
  });
});

describe("connections that were turned away", () => {
  it("are told with each reason once", () => {
    const conversations = ["HTTP 503", "ECONNRESET", "HTTP 503"].map((reason) =>
      conversation({ client: turnedAway(reason, 5) }),
    );
    expect(told({ conversations: conversations.slice(0, 1) }).failures).toEqual([
      "refused: 1 connection was turned away while the server should accept (HTTP 503).",
    ]);
    expect(told({ conversations }).failures).toEqual([
      "refused: 3 connections were turned away while the server should accept (HTTP 503, ECONNRESET).",
    ]);
  });

  it("at the signal are remarks", () => {
    const late = conversation({ client: turnedAway("ECONNRESET", 75), upgradeSentAt: 70 });
    expect(told({ profile: profiles.handshake, conversations: [late] }).remarks).toEqual([
      "refused: 1 connection was turned away at the signal (ECONNRESET).",
    ]);
  });
});

describe("clients that waited in the accept queue", () => {
  const profile = profiles["accept-queue"];
  const letIn = conversation({ waited: true });
  const reset = conversation({ waited: true, client: turnedAway("reset without an answer", 75) });

  it("are counted, with what became of them", () => {
    expect(told({ profile, conversations: [letIn] }).remarks).toEqual([
      "accept queue: 1 client waited in the accept queue when the server was told to stop: 1 let in.",
    ]);
    expect(told({ profile, conversations: [letIn, reset, reset, conversation()] })).toEqual({
      failures: [
        "refused: 2 connections were turned away while the server should accept (reset without an answer).",
      ],
      remarks: [
        "accept queue: 3 clients waited in the accept queue when the server was told to stop: 1 let in, 2 turned away (reset without an answer).",
      ],
    });
  });

  it.each([
    [{ stoodStill: true }, "It took no connection while it stood still."],
    [
      { stoodStill: false },
      "It went on while its process stood still: another process serves, or the command is a wrapper.",
    ],
    [
      { hasProcess: false, exit: undefined },
      "The drill does not know its process, and cannot let it stand still: give `pid` in the place of `stop`.",
    ],
  ])("are none, and nothing is proved, with %o", (given, why) => {
    const { failures, remarks } = told({ profile, conversations: [conversation()], ...given });
    expect(failures).toEqual([]);
    expect(remarks).toEqual([
      `nothing at stake: Nobody waited in the accept queue when the server was told to stop, so nothing was at stake there. ${why}`,
    ]);
  });

  it("are not looked for elsewhere, and not when the server ended before it was told to stop", () => {
    expect(told({ conversations: [letIn] }).remarks).toEqual([]);
    expect(told({ profile, signalAt: undefined, conversations: [letIn] }).remarks).toEqual([]);
  });
});

describe("a broken protocol", () => {
  it("is told with the first violation, and counted by connections", () => {
    const broken = (violation: string) => conversation({ client: { violation } });
    expect(told({ conversations: [broken("a masked frame")] }).failures).toEqual([
      "protocol error: The server broke the protocol on 1 connection: a masked frame.",
    ]);
    expect(told({ conversations: [broken("a masked frame"), broken("half a code")] }).failures).toEqual([
      "protocol error: The server broke the protocol on 2 connections: a masked frame.",
    ]);
  });
});

describe("a hang", () => {
  const open = { client: { endedAt: undefined } };
  /** The server has not said a thing since the signal. */
  const unheard = { client: { ...open.client, close: undefined } };

  it("is of the process, as long as that runs", () => {
    const hung = { hung: true, exit: undefined, settings: settings({ timeout: 900 }) };
    expect(told({ ...hung, conversations: [] }).failures).toEqual([
      "hang: The process had not ended 900 ms after SIGTERM; 0 connections were still open.",
    ]);
    expect(told({ ...hung, conversations: [conversation(open)] }).failures).toEqual([
      "hang: The process had not ended 900 ms after SIGTERM; 1 connection was still open.",
    ]);
  });

  it("is of the connections otherwise, and of processes that have outlived the command", () => {
    const hung = { hung: true, conversations: [conversation(open), conversation(open)] };
    expect(told(hung).failures).toEqual([
      "hang: The connections had not ended 30.00 s after SIGTERM; 2 connections were still open.",
    ]);
    const untold = {
      hung: true,
      hadOrphans: true,
      conversations: [conversation(unheard), conversation(unheard)],
    };
    expect(told(untold).failures).toEqual([
      "hang: The connections had not ended 30.00 s after SIGTERM; 2 connections were still open, in processes that outlived the command. Is the command a wrapper (npx, npm run, a shell) that does not pass the signal on? Start the server itself, with node server.js or node --import tsx server.ts, or with exec in the shell.",
    ]);
  });

  it("of a process that had started others asks whether it is a wrapper, unless a Close was said", () => {
    const hung = { hung: true, exit: undefined, hadChildren: true };
    const [text] = told({ ...hung, conversations: [conversation(unheard)] }).failures;
    expect(text).toMatch(/1 connection was still open\. Is the command a wrapper .* Start the server itself/);
    expect(told({ ...hung, conversations: [conversation(open)] }).failures[0]).toMatch(
      /1 connection was still open\.$/,
    );
  });

  it("of a process that was given by its id asks for the id of the server in it", () => {
    const hung = { hung: true, isChild: false, hadChildren: true, conversations: [conversation(unheard)] };
    expect(told(hung).failures).toEqual([
      "hang: The connections had not ended 30.00 s after SIGTERM; 1 connection was still open. Is process 4711 a wrapper (npx, npm run, a shell) that does not pass the signal on? Give the id of the server itself.",
    ]);
  });

  it("names no signal where the drill has sent none", () => {
    const elsewhere = { hung: true, exit: undefined, hasProcess: false, isChild: false };
    expect(told({ ...elsewhere, conversations: [conversation(open)] }).failures).toEqual([
      "hang: The connections had not ended 30.00 s after the server was told to stop; 1 connection was still open.",
    ]);
    expect(told({ ...elsewhere, conversations: [conversation()] }).failures).toEqual([
      "hang: What stops the server had not ended 30.00 s after the server was told to stop; 0 connections were still open.",
    ]);
  });

  it("does not hide a wrong exit", () => {
    const exit = { code: 3, signal: undefined, at: 60 };
    expect(told({ hung: true, exit, conversations: [conversation(open)] }).failures[1]).toBe(
      "exit code: The process ended with exit code 3 instead of exit code 0.",
    );
  });

  it("does not count those as open that never were connected", () => {
    const refused = { ...turnedAway("ETIMEDOUT", 5), connectedAt: undefined, endedAt: undefined };
    const run = { hung: true, exit: undefined, conversations: [conversation({ client: refused })] };
    expect(told(run).failures[0]).toMatch(/0 connections were still open\.$/);
  });
});

describe("an end of the process", () => {
  function end(
    code: number | undefined,
    signal: string | undefined,
    given: Partial<RunFacts> = {},
  ): string[] {
    return told({ exit: { code, signal, at: 60 }, ...given }).failures;
  }

  it("before the signal is a crash, whatever its code", () => {
    expect(end(0, undefined, { signalAt: undefined })).toEqual([
      "crash: The process ended with exit code 0 under load, before it was told to stop.",
    ]);
    expect(end(undefined, "SIGSEGV", { signalAt: undefined })).toEqual([
      "crash: The process ended with SIGSEGV under load, before it was told to stop.",
    ]);
    // A process that is no child of the drill.
    expect(end(undefined, undefined, { signalAt: undefined, isChild: false })).toEqual([
      "crash: The process ended under load, before it was told to stop.",
    ]);
  });

  it("with a wrong exit code is told with those that are right", () => {
    expect(end(0, undefined)).toEqual([]);
    expect(end(1, undefined)).toEqual([
      "exit code: The process ended with exit code 1 instead of exit code 0.",
    ]);
    expect(end(1, undefined, { settings: settings({ exitCodes: [0, 143] }) })).toEqual([
      "exit code: The process ended with exit code 1 instead of exit code 0 or 143.",
    ]);
  });

  it("by a signal is told, and what it means when it was ours", () => {
    expect(end(undefined, "SIGKILL")).toEqual([
      "exit code: The process ended with SIGKILL instead of exit code 0.",
    ]);
    expect(end(undefined, "SIGTERM")).toEqual([
      "exit code: The process ended with SIGTERM instead of exit code 0: nothing in it seems to handle that signal.",
    ]);
    // As a shell tells it; a program of its own may mean something else by that number.
    expect(end(143, undefined)).toEqual([
      "exit code: The process ended with exit code 143 instead of exit code 0.",
    ]);
    for (const [code, signal] of [
      [undefined, "SIGTERM"],
      [143, undefined],
    ] as const) {
      const [text] = end(code, signal, { hadChildren: true });
      expect(text).toMatch(/ instead of exit code 0\. Is the command a wrapper \(npx, npm run, a shell\)/);
    }
    expect(end(undefined, "SIGTERM", { conversations: [conversation()] })).toEqual([
      "exit code: The process ended with SIGTERM instead of exit code 0, which it may have raised again at its end: then 143 is a right exit code, too.",
    ]);
  });

  it("by a signal is right when its number plus 128 is", () => {
    expect(end(undefined, "SIGTERM", { settings: settings({ exitCodes: [143] }) })).toEqual([]);
    expect(end(undefined, "SIGINT", { settings: settings({ exitCodes: [143] }) })).toHaveLength(1);
  });

  it("is not judged for a process that is no child of the drill", () => {
    expect(end(undefined, undefined, { isChild: false })).toEqual([]);
  });
});

describe("of the drill itself", () => {
  it("processes that outlived the command are told", () => {
    expect(told({ hadOrphans: true }).remarks).toEqual([
      "orphans: Processes that the command had started outlived it. A container would have killed them at once.",
    ]);
  });

  it("an effects file that is not complete is told, and why", () => {
    const answered = conversation({ requests: [request(1, { replies: [70] })] });
    const lacks = { effects: { executions: new Map(), endsWithinLine: false }, conversations: [answered] };
    expect(told(lacks).remarks).toEqual([
      "effects incomplete: The effects file lacks requests that were answered, so an id that it lacks proves nothing.",
    ]);
    const torn = { effects: { executions: new Map([["lc-test-1", 1]]), endsWithinLine: true } };
    expect(told({ ...torn, conversations: [answered] }).remarks).toEqual([
      "effects incomplete: The effects file ends within a line, so an id that it lacks proves nothing.",
    ]);
  });

  it("an effects file that was asked for and never made is told", () => {
    expect(told({ effectsMissing: true }).remarks).toEqual([
      "effects incomplete: The server has not made the effects file, so nobody says what was executed.",
    ]);
  });

  it("a load under which its times say less is told", () => {
    const quiet = { cpu: 0.9, longestStall: 250 };
    expect(told({ load: quiet }).remarks).toEqual([]);
    expect(told({ load: { ...quiet, cpu: 0.954 } }).remarks).toEqual([
      "load: The drill itself was busy (95 % of a core, stalled for up to 250 ms): its times say less.",
    ]);
    expect(told({ load: { ...quiet, longestStall: 1_234 } }).remarks).toEqual([
      "load: The drill itself was busy (90 % of a core, stalled for up to 1.23 s): its times say less.",
    ]);
  });
});

it("an interrupted run says so first, and then all that it has seen", () => {
  const broken = conversation({ requests: [request(1)], client: { violation: "a masked frame" } });
  expect(told({ interrupted: true, conversations: [broken] })).toEqual({
    failures: [],
    remarks: [
      "interrupted: This run was interrupted: it tells what was seen until then.",
      "protocol error: The server broke the protocol on 1 connection: a masked frame.",
      "unanswered: 1 request was sent and never answered (lc-test-1).",
    ],
  });
});

describe("of what a run can show", () => {
  const early = request(1, { replies: [20] });

  it("that nothing was at stake is told, when every request was answered before the signal", () => {
    const [remark] = told({ conversations: [conversation({ requests: [early] })] }).remarks;
    expect(remark).toMatch(
      /^nothing at stake: Every request was answered before the signal, so nothing was at stake\. A smaller `signalAfter`/,
    );
    for (const atStake of [request(2, { replies: [70] }), request(2, { sentAt: 60, replies: [70] })]) {
      expect(told({ conversations: [conversation({ requests: [early, atStake] })] }).remarks).toEqual([]);
    }
  });

  it("connections that the server ends without a Close are told", () => {
    const torn = conversation({
      requests: [request(1, { replies: [70] })],
      client: {
        ...conversation({}).client,
        close: undefined,
        openedAt: 1,
        endedAt: 80,
        endedFirst: "server",
      },
    });
    expect(told({ conversations: [torn] }).remarks).toEqual([
      "no close: 1 connection was ended without a Close. Its client sees 1006.",
    ]);
    expect(told({ conversations: [torn, torn] }).remarks).toEqual([
      "no close: 2 connections were ended without a Close. Their clients see 1006.",
    ]);
  });

  it("messages of which none was recognised as a reply are told", () => {
    const deaf = conversation({ requests: [request(1, {})], otherMessages: 3 });
    expect(told({ conversations: [deaf] }).remarks).toEqual([
      "unrecognised: The server sent 3 messages of which none was recognised as a reply: look at `reply`, or at the script's match, and whether `message` is what the server wants.",
    ]);
  });

  it("a connection that was given up is told with its reason, and fails", () => {
    const lost = conversation({
      client: { ...conversation({}).client, failure: "the connection failed (ETIMEDOUT)" },
    });
    expect(told({ conversations: [lost] }).failures).toEqual([
      "connection error: 1 connection was given up: the connection failed (ETIMEDOUT).",
    ]);
    expect(told({ conversations: [lost, lost] }).failures).toEqual([
      "connection error: 2 connections were given up: the connection failed (ETIMEDOUT).",
    ]);
  });
});
