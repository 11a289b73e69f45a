/**
 * What the drill finds: one server for each way to go down wrong. Each is held against the whole of its outcome, and
 * passes where its fault does not show.
 */
import { describe, expect, it } from "vitest";
import type { DrillOptions, ProfileName } from "../../src/drill/index.js";
import { drillSmall, fixture, outcomeOf } from "../tools/drill.js";
import { ms } from "../tools/timing.js";

/** No work ends before the signal, so that all of it is in hand then: 3 requests on each of 3 connections. */
const HELD = { HOLD: "1" };
const ALL = 9;
const IMPATIENT = ms(1_500);

type Outcome = Partial<ReturnType<typeof outcomeOf>>;

interface Case extends DrillOptions {
  server: string;
  profile?: ProfileName;
}

async function play({ server, profile = "pipelined", ...options }: Case) {
  const result = await drillSmall(server, { profiles: [profile], env: HELD, ...options });
  const [run] = result.runs;
  return { result, run: run!, outcome: outcomeOf(run!) };
}

function found(outcome: Outcome): Outcome {
  return { passed: false, counts: {}, exit: 0, failures: {}, told: {}, ...outcome };
}

const passed: Outcome = { passed: true, counts: { answered: ALL }, exit: 0, failures: {}, told: {} };

/** How the story of the lost ends that a sentence tells. */
const NONE_ANSWERED = `0 of ${ALL} requests answered in 1 run.`;
const ALL_ANSWERED = `${ALL} of ${ALL} requests answered in 1 run.`;
const IDS = /\(lc-[0-9a-z]{4}-1, lc-[0-9a-z]{4}-2, lc-[0-9a-z]{4}-3, …\)/;

describe("a server that closes at once and executes nothing more", () => {
  const server = "drops-queued";

  it("has left requests unanswered", async () => {
    const { result, run, outcome } = await play({ server });
    expect(outcome).toEqual(found({ counts: { unanswered: ALL }, failures: { unanswered: ALL } }));
    expect(result.sentence).toBe(
      `The shutdown failed (pipelined): 9 requests never answered; ${NONE_ANSWERED}`,
    );
    expect(run.failures[0]!.text).toMatch(
      new RegExp(`^9 requests were sent and never answered ${IDS.source}\\.$`),
    );
    expect(run.connections.map(({ close, endedFirst }) => [close?.code, endedFirst])).toEqual(
      Array.from({ length: 3 }, () => [1012, "server"]),
    );
  });

  it("has handed them back, where its code promises that", async () => {
    const { result, outcome } = await play({ server, promise: [1012] });
    const never = { "never started": ALL };
    expect(outcome).toEqual(found({ counts: never, failures: never }));
    expect(result.sentence).toContain("9 requests from before the signal handed back");
  });

  it("passes where that is accepted", async () => {
    const { outcome } = await play({ server, promise: [1012], acceptHandback: true });
    const never = { "never started": ALL };
    expect(outcome).toEqual({ ...passed, counts: never, told: never });
  });

  it("passes when nothing is in hand", async () => {
    const { outcome } = await play({ server, env: { WORK: "0" }, signalAfter: ms(400) });
    expect(outcome).toEqual(passed);
  });
});

it("a server that executes and says nothing has executed without an answer", async () => {
  const { result, run, outcome } = await play({ server: "drops-replies" });
  const lost = { "executed but unanswered": ALL };
  expect(outcome).toEqual(found({ counts: lost, failures: lost }));
  expect(run.connections.every(({ close }) => close?.code === 1001)).toBe(true);
  expect(result.sentence).toBe(
    `The shutdown failed (pipelined): 9 requests executed and never answered; ${NONE_ANSWERED}`,
  );
});

it("a server that resets its connections has left requests unanswered, by resets", async () => {
  const { run, outcome } = await play({ server: "resets" });
  expect(outcome).toEqual(found({ counts: { unanswered: ALL }, failures: { unanswered: ALL } }));
  for (const { resetAt, close, finAt } of run.connections) {
    expect({ close, finAt }).toEqual({ close: undefined, finAt: undefined });
    expect(resetAt).toBeGreaterThanOrEqual(run.signalAt!);
  }
});

describe("a server that waits for its clients to leave", () => {
  it("hangs, and is killed", async () => {
    const { result, run, outcome } = await play({ server: "hangs", timeout: IMPATIENT });
    expect(outcome).toEqual(found({ counts: { answered: ALL }, exit: "killed", failures: { hang: 1 } }));
    expect(run.failures[0]!.text).toMatch(
      /^The process had not ended .* after SIGTERM; 3 connections were still open\.$/,
    );
    expect(run.process.output).toEqual(["listening", "got SIGTERM"]);
    expect(result.sentence).toBe(
      `The shutdown failed (pipelined): 1 shutdown that did not end in time; ${ALL_ANSWERED}`,
    );
  });

  it("passes when they do leave", async () => {
    const { outcome } = await play({ server: "hangs", profile: "abort", connections: 1 });
    const counts = { "not judged": 3 };
    expect(outcome).toEqual({ ...passed, counts, told: counts });
  });
});

describe("a server that closes with a promise and executes later", () => {
  it("has broken the promise", async () => {
    const { result, outcome } = await play({ server: "breaks-promise", promise: [1012] });
    const broken = { "broken promise": ALL };
    expect(outcome).toEqual(found({ counts: broken, failures: broken }));
    expect(result.sentence).toBe(
      `The shutdown failed (pipelined): 9 requests executed against the promise of the close code; ${NONE_ANSWERED}`,
    );
  });

  it("has executed without an answer, where the code promises nothing", async () => {
    const { outcome } = await play({ server: "breaks-promise" });
    const lost = { "executed but unanswered": ALL };
    expect(outcome).toEqual(found({ counts: lost, failures: lost }));
  });
});

describe.each(["answers-twice", "executes-twice"])("a server that %s", (server) => {
  it("has duplicated", async () => {
    const { result, run, outcome } = await play({ server });
    expect(outcome).toEqual(found({ counts: { duplicated: ALL }, failures: { duplicated: ALL } }));
    expect(result.sentence).toBe(
      `The shutdown failed (pipelined): 9 requests answered or executed twice; ${NONE_ANSWERED}`,
    );
    const seen = run.connections.flatMap(({ requests }) =>
      requests.map(({ replies, executions }) => [replies.length, executions]),
    );
    expect(seen).toEqual(Array.from({ length: ALL }, () => (server === "answers-twice" ? [2, 1] : [1, 2])));
  });

  it("passes when nothing is in hand", async () => {
    const { outcome } = await play({ server, env: { WORK: "0" }, signalAfter: ms(400) });
    expect(outcome).toEqual(passed);
  });
});

describe("a server that exits with 1", () => {
  it("has a wrong exit code", async () => {
    const { result, run, outcome } = await play({ server: "exits-1" });
    expect(outcome).toEqual(found({ counts: { answered: ALL }, exit: 1, failures: { "exit code": 1 } }));
    expect(run.failures[0]!.text).toBe("The process ended with exit code 1 instead of exit code 0.");
    expect(result.sentence).toBe(`The shutdown failed (pipelined): a wrong exit code once; ${ALL_ANSWERED}`);
  });

  it("passes where that is a right one", async () => {
    const { outcome } = await play({ server: "exits-1", exitCodes: [0, 1] });
    expect(outcome).toEqual({ ...passed, exit: 1 });
  });
});

it("a server without a handler for the signal dies of it, with all that it had in hand", async () => {
  const { result, run, outcome } = await play({ server: "no-handler" });
  const failures = { "exit code": 1, unanswered: ALL };
  expect(outcome).toEqual(found({ counts: { unanswered: ALL }, exit: "SIGTERM", failures }));
  expect(run.failures[0]!.text).toBe(
    "The process ended with SIGTERM instead of exit code 0: nothing in it seems to handle that signal.",
  );
  expect(result.sentence).toBe(
    `The shutdown failed (pipelined): 9 requests never answered, a wrong exit code once; ${NONE_ANSWERED}`,
  );
});

describe("a server that raises the signal again at its end", () => {
  const options = { server: "correct-ws", env: { ...HELD, AGAIN: "1" } };

  it("is told which exit code that is, and not that it handles nothing", async () => {
    const { run, outcome } = await play(options);
    expect(outcome).toMatchObject({
      counts: { answered: ALL },
      exit: "SIGTERM",
      failures: { "exit code": 1 },
    });
    expect(run.failures[0]!.text).toContain("143 is a right exit code, too");
  });

  it("passes with that", async () => {
    const { outcome } = await play({ ...options, exitCodes: [143] });
    expect(outcome).toEqual({ ...passed, exit: "SIGTERM" });
  });
});

describe("a server that stops listening early", () => {
  const server = "stops-listening";

  it("has turned clients away before the signal", async () => {
    // The first that it lets in is the one that knocks.
    const { result, run, outcome } = await play({ server, env: { LETS_IN: "3" } });
    expect(outcome).toEqual(found({ counts: { answered: 6 }, failures: { refused: 1 } }));
    expect(run.failures[0]!.text).toMatch(
      /^1 connection was turned away while the server should accept \(.+\)\.$/,
    );
    expect(result.sentence).toBe(
      "The shutdown failed (pipelined): 1 connection turned away; 6 of 6 requests answered in 1 run.",
    );
  });

  it("passes when no more come", async () => {
    const { outcome } = await play({ server, env: { LETS_IN: "4" } });
    expect(outcome).toEqual(passed);
  });

  it("has turned away who came within its lame duck, also when it was gone by then", async () => {
    const { run, outcome } = await play({ server, lameDuck: ms(5_000), env: { WORK: "5" } });
    const newcomers = run.connections.filter(({ role }) => role === "newcomer");
    // A busy one may have let some in before it heard the signal; when it was gone, one more came.
    const refused = newcomers.filter((newcomer) => newcomer.refused !== undefined);
    expect(refused.at(-1)).toMatchObject({ refused: "ECONNREFUSED", refusalFailed: true });
    expect(outcome).toMatchObject({ passed: false, exit: 0, failures: { refused: refused.length } });
    expect(outcome.counts.answered).toBeGreaterThanOrEqual(ALL);
  });

  it("is no failure where none was promised", async () => {
    const { outcome } = await play({ server });
    expect(outcome).toEqual(passed);
  });
});

it.each([
  ["masked", "a masked frame from a server"],
  ["reserved", "a frame with a reserved bit set that no extension gives a meaning"],
])("a server whose last frame is %s has broken the protocol", async (frame, why) => {
  const { result, run, outcome } = await play({ server: "breaks-protocol", env: { ...HELD, FRAME: frame } });
  const failures = { unanswered: ALL, "protocol error": 3 };
  expect(outcome).toEqual(found({ counts: { unanswered: ALL }, failures }));
  expect(run.failures[1]!.text).toBe(`The server broke the protocol on 3 connections: ${why}.`);
  expect(result.sentence).toContain("the protocol broken on 3 connections");
});

it("a server that falls over under load has crashed, before it was told anything", async () => {
  const { result, run, outcome } = await play({
    server: "crashes",
    env: { WORK: "100" },
    signalAfter: ms(10_000),
  });
  const failures = { crash: 1, unanswered: ALL };
  expect(outcome).toEqual(found({ counts: { unanswered: ALL }, exit: 1, failures }));
  expect(run.signalAt).toBeUndefined();
  expect(run.failures[0]!.text).toBe(
    "The process ended with exit code 1 under load, before it was told to stop.",
  );
  expect(run.process.output.join("\n")).toContain("out of luck");
  expect(result.sentence).toBe(
    `The shutdown failed (pipelined): 9 requests never answered, 1 crash under load; ${NONE_ANSWERED}`,
  );
});

it("a server that falls over while its clients connect has crashed, and has turned them away", async () => {
  const options = { connections: 250, requests: 1, env: { FULL: "150" } };
  const { run, outcome } = await play({ server: "crashes", ...options });
  // Those that were let in may have been asked something before the drill heard of the crash.
  expect(outcome).toMatchObject({ passed: false, exit: 1, failures: { crash: 1 } });
  expect(outcome.failures.refused).toBeGreaterThan(0);
  expect(run.process.output.join("\n")).toContain("out of room");
});

describe("a server that throws out who is not let in yet", () => {
  const server = "resets-handshakes";

  it("has turned away those whose upgrade was sent before the signal; of the others it is told", async () => {
    const { result, outcome } = await play({ server, profile: "handshake" });
    expect(outcome).toEqual(found({ failures: { refused: 2 }, told: { refused: 1 } }));
    expect(result.sentence).toBe(
      "The shutdown failed (handshake): 2 connections turned away; 0 of 0 requests answered in 1 run.",
    );
  });

  it("passes when all are let in", async () => {
    const { outcome } = await play({ server });
    expect(outcome).toEqual(passed);
  });
});

describe("a server that closes its listener by the clock", () => {
  const server = "closes-by-the-clock";

  it("has reset those who waited in its accept queue while it hardly ran", async () => {
    const { result, run, outcome } = await play({ server, profile: "accept-queue" });
    expect(outcome).toMatchObject({ passed: false, exit: 0, told: { "accept queue": 100 } });
    const { refused = 0 } = outcome.failures;
    expect(refused).toBeGreaterThan(10);
    expect(result.sentence).toContain(`${refused} connections turned away`);
    const waited = run.connections.filter((each) => each.waited);
    expect(waited.filter(({ refusalFailed }) => refusalFailed)).toHaveLength(refused);
    // Some came before the signal and some behind it, and none knows more than that there was an end.
    const before = waited.filter(({ connectedAt }) => connectedAt! < run.signalAt!);
    expect(before.length).toBe(50);
    for (const { refused: how, openedAt } of waited)
      expect([openedAt === undefined, how?.replace(/^(reset|ended)/, "ended")]).toEqual(
        how === undefined ? [false, undefined] : [true, "ended without an answer"],
      );
  });

  it("passes when nobody waits there", async () => {
    const { outcome } = await play({ server });
    expect(outcome).toEqual(passed);
  });
});

describe("a server that refuses in words of HTTP whoever comes when it has been told to stop", () => {
  it("passes, and fails with strict", async () => {
    const { run, outcome } = await play({ server: "turns-away", profile: "accept-queue" });
    expect(outcome).toMatchObject({ passed: true, exit: 0, failures: {} });
    expect(outcome.told["accept queue"]).toBe(100);
    expect(run.connections.filter(({ refused }) => refused === "HTTP 503").length).toBeGreaterThan(50);
    const { outcome: strict } = await play({ server: "turns-away", profile: "accept-queue", strict: true });
    expect(strict.failures.refused).toBeGreaterThan(50);
  });
});

it("a server whose process is not the one that serves is not judged by luck", async () => {
  const { result, run, outcome } = await play({ server: "serves-elsewhere", profile: "accept-queue" });
  expect(outcome).toMatchObject({ passed: true, failures: {} });
  expect(run.remarks.find(({ kind }) => kind === "nothing at stake")?.text).toContain(
    "It went on while its process stood still",
  );
  expect(result.atStake).toBe(false);
});

describe("a server that waits for its peers' Close for ever", () => {
  const server = "waits-for-close";

  it("hangs on a peer that never answers", async () => {
    const { outcome } = await play({ server, profile: "silent-peer", timeout: IMPATIENT });
    expect(outcome).toEqual(found({ counts: { answered: ALL }, exit: "killed", failures: { hang: 1 } }));
  });

  it("passes when they answer", async () => {
    const { outcome } = await play({ server });
    expect(outcome).toEqual(passed);
  });
});

describe("a server that waits for the rest of a frame for ever", () => {
  const server = "waits-for-frame";

  it("hangs on a peer that never sends it", async () => {
    const { outcome } = await play({ server, profile: "mid-frame", timeout: IMPATIENT });
    expect(outcome).toEqual(found({ counts: { answered: ALL }, exit: "killed", failures: { hang: 1 } }));
  });

  it("passes with one that is silent between frames", async () => {
    const { outcome } = await play({ server, profile: "silent-peer" });
    expect(outcome).toEqual(passed);
  });
});

describe("a server that exits as soon as it has said everything", () => {
  const server = "exits-at-once";

  it("tears away what a slow reader has not read, beyond what the system has taken", async () => {
    const options = { requests: 5, size: 1_000_000 };
    const { run, outcome } = await play({ server, profile: "slow-reader", ...options });
    const { answered = 0, "executed but unanswered": torn = 0 } = outcome.counts;
    expect(torn).toBeGreaterThan(0);
    expect(outcome).toEqual(
      found({
        counts: { ...(answered > 0 ? { answered } : {}), "executed but unanswered": torn },
        failures: { "executed but unanswered": torn },
      }),
    );
    expect(answered + torn).toBe(run.sent);
  });

  it("passes when that is little", async () => {
    const { outcome } = await play({ server, profile: "slow-reader", size: 1_000 });
    expect(outcome).toEqual(passed);
  });

  it("passes with peers that read", async () => {
    const { outcome } = await play({ server });
    expect(outcome).toEqual(passed);
  });
});

describe("a wrapper that does not pass the signal on", () => {
  it("leaves its server behind, and that is told beside the hang", async () => {
    const { run, outcome } = await play({ server: "shell", timeout: IMPATIENT });
    // Its server was not told to stop, so that nothing ended its work either.
    const failures = { hang: 1, unanswered: ALL };
    expect(outcome).toEqual(found({ counts: { unanswered: ALL }, failures, told: { orphans: 1 } }));
    expect(run.failures[0]!.text).toMatch(
      /^The connections had not ended .* after SIGTERM; 3 connections were still open, in processes that outlived the command\. Is the command a wrapper \(npx, npm run, a shell\) that does not pass the signal on\? Start the server itself, /,
    );
  });

  it("is told its exit code as well, as a shell is", async () => {
    const command = ["sh", "-c", `"$0" "$1"; exit $?`, ...fixture("correct-ws")];
    const { run, outcome } = await play({ server: "", command, env: {}, timeout: IMPATIENT });
    expect(outcome).toEqual(
      found({
        counts: { answered: ALL },
        exit: "SIGTERM",
        failures: { hang: 1, "exit code": 1 },
        told: { orphans: 1 },
      }),
    );
    expect(run.failures.map(({ text }) => text)).toEqual([
      expect.stringMatching(/Is the command a wrapper \(npx, npm run, a shell\)/),
      "The process ended with SIGTERM instead of exit code 0, and passed the signal on to nobody.",
    ]);
  });
});
