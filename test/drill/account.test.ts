/** From what was seen of a run to its account: whatever was seen, the sums add up, and nobody is blamed for nothing. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { accountFor } from "../../src/drill/account.js";
import type { RunFacts, SeenConversation } from "../../src/drill/facts.js";
import { settingsOf } from "../../src/drill/options.js";
import { profileNames, profiles } from "../../src/drill/profiles.js";
import {
  requestClasses,
  type ConnectionResult,
  type Finding,
  type RunResult,
} from "../../src/drill/result.js";
import { conversation, request, runFacts, turnedAway } from "./facts.js";

/** The times of a run, whose load began at `base`. */
function timesFrom(base: number) {
  const soon = fc.integer({ min: 0, max: 100 }).map((later) => base + later);
  return { soon, maybe: fc.option(soon, { nil: undefined }) };
}

function requestsFrom(base: number) {
  const { soon, maybe } = timesFrom(base);
  return fc.array(
    fc
      .record({ sentAt: maybe, replies: fc.array(soon, { maxLength: 3 }) })
      // A reply comes behind its request, and only what was sent has any.
      .map(({ sentAt, replies }) => {
        if (sentAt === undefined) return { sentAt, replies: [] };
        return { sentAt, replies: replies.sort((a, b) => a - b).map((at) => Math.max(at, sentAt)) };
      }),
    { maxLength: 5 },
  );
}

function conversationsFrom(base: number) {
  const { soon, maybe } = timesFrom(base);
  const seen = fc.record({
    role: fc.constantFrom("profile", "witness", "newcomer"),
    requests: requestsFrom(base),
    otherMessages: fc.nat(3),
    waited: fc.boolean(),
    upgradeSentAt: maybe,
    client: fc.record({
      connectedAt: maybe,
      openedAt: maybe,
      refused: fc.option(fc.constantFrom("HTTP 503", "ECONNREFUSED"), { nil: undefined }),
      refusedByAnswer: fc.boolean(),
      refusedAt: maybe,
      close: fc.option(
        fc.record({ at: soon, code: fc.constantFrom(1000, 1001, 1012), reason: fc.constant("") }),
        {
          nil: undefined,
        },
      ),
      closeSentAt: maybe,
      finSentAt: maybe,
      finAt: maybe,
      resetAt: maybe,
      endedAt: maybe,
      endedFirst: fc.constantFrom("server", "client", undefined),
      violation: fc.option(fc.constant("a masked frame"), { nil: undefined }),
    }),
  });
  return fc.array(seen, { maxLength: 5 }).map((all) => {
    let n = 0;
    return all.map(({ requests, ...rest }, index): SeenConversation => ({
      ...rest,
      number: index + 1,
      requests: requests.map((each) => request(++n, each)),
    }));
  });
}

/** What an effects file may say: ids or numbers, also of requests that there never were. */
const effects = fc.record({
  executions: fc
    .array(
      fc.tuple(
        fc.integer({ min: 1, max: 30 }).chain((n) => fc.constantFrom(`lc-test-${n}`, String(n))),
        fc.integer({ min: 1, max: 3 }),
      ),
    )
    .map((entries) => new Map(entries)),
  endsWithinLine: fc.boolean(),
});

function factsFrom(base: number): fc.Arbitrary<RunFacts> {
  const { soon, maybe } = timesFrom(base);
  const settings = fc.record({
    strict: fc.boolean(),
    acceptHandback: fc.boolean(),
    promise: fc.constantFrom([], [1012], [1001, 1012]),
    lameDuck: fc.constantFrom(0, 40),
  });
  return fc
    .record({
      profileName: fc.constantFrom(...profileNames),
      settings: settings.map((given) => settingsOf({ seed: 1, ...given })),
      conversations: conversationsFrom(base),
      signalAt: maybe,
      endedAt: soon,
      exit: fc.option(
        fc.record({
          code: fc.constantFrom(0, 1, undefined),
          signal: fc.constantFrom("SIGTERM", undefined),
          at: soon,
        }),
        { nil: undefined },
      ),
      server: fc.constantFrom("child", "process", "elsewhere"),
      hung: fc.boolean(),
      hadOrphans: fc.boolean(),
      interrupted: fc.boolean(),
      effects: fc.option(effects, { nil: undefined }),
      servesHalfClosed: fc.boolean(),
      load: fc.record({ cpu: fc.double({ min: 0, max: 2, noNaN: true }), longestStall: fc.nat(500) }),
    })
    .map(({ server, ...given }) =>
      runFacts({
        ...given,
        profile: profiles[given.profileName],
        loadBegan: base,
        hasProcess: server !== "elsewhere",
        isChild: server === "child",
        exit: server === "elsewhere" ? undefined : given.exit,
      }),
    );
}

const anyFacts = factsFrom(1_000);

function holds(property: (run: RunResult, facts: RunFacts) => void): void {
  fc.assert(
    fc.property(anyFacts, (facts) => property(accountFor(facts), facts)),
    { numRuns: 500 },
  );
}

function requestsOf({ connections }: RunResult): ConnectionResult["requests"] {
  return connections.flatMap(({ requests }) => requests);
}

function countOf(findings: readonly Finding[], kind: Finding["kind"]): number {
  return findings.filter((each) => each.kind === kind).reduce((sum, each) => sum + each.count, 0);
}

describe("whatever was seen of a run,", () => {
  it("each request that was sent is in its account once, on its connection and in one class", () => {
    holds((run, { conversations }) => {
      const sent = conversations.map(({ requests }) => requests.filter(({ sentAt }) => sentAt !== undefined));
      expect(run.connections.map(({ requests }) => requests.map(({ id }) => id))).toEqual(
        sent.map((requests) => requests.map(({ id }) => id)),
      );
      for (const each of requestsOf(run)) expect(requestClasses).toContain(each.class);
    });
  });

  it("the classes add up to what was sent", () => {
    holds((run) => {
      for (const name of requestClasses) {
        expect(run.counts[name]).toBe(requestsOf(run).filter((each) => each.class === name).length);
      }
      expect(Object.values(run.counts).reduce((sum, count) => sum + count)).toBe(run.sent);
      expect(run.sent).toBe(requestsOf(run).length);
    });
  });

  it("what is told of each class is the number of its requests, failed ones as failures and others as remarks", () => {
    holds((run) => {
      for (const name of requestClasses) {
        if (name === "answered") continue;
        const all = requestsOf(run).filter((each) => each.class === name);
        const failed = all.filter((each) => each.failed);
        expect(countOf(run.failures, name)).toBe(failed.length);
        expect(countOf(run.remarks, name)).toBe(all.length - failed.length);
      }
      const refused = run.connections.filter((each) => each.refused !== undefined);
      const wrongly = refused.filter((each) => each.refusalFailed);
      expect(countOf(run.failures, "refused")).toBe(wrongly.length);
      expect(countOf(run.remarks, "refused")).toBe(refused.length - wrongly.length);
    });
  });

  it("no kind of finding comes twice on one side, and each has a sentence on one line", () => {
    holds(({ failures, remarks }) => {
      for (const findings of [failures, remarks]) {
        const kinds = findings.map(({ kind }) => kind);
        expect(new Set(kinds).size).toBe(kinds.length);
      }
      for (const { text, count } of [...failures, ...remarks]) {
        expect(text).toMatch(/^[A-Z0-9][^\n]*\.$/);
        expect(text).not.toMatch(/undefined|NaN|Infinity/);
        expect(count).toBeGreaterThan(0);
      }
    });
  });

  it("the run passed exactly when nothing failed and it was played to its end", () => {
    holds((run, { interrupted }) => {
      expect(run.passed).toBe(run.failures.length === 0 && !interrupted);
      const isBlamed =
        requestsOf(run).some(({ failed }) => failed) || run.connections.some((each) => each.refusalFailed);
      if (isBlamed) expect(run.passed).toBe(false);
    });
  });

  it("nobody is blamed when it was interrupted, and what was seen is told", () => {
    holds((run, facts) => {
      if (!facts.interrupted) return;
      expect(run.failures).toEqual([]);
      expect(requestsOf(run).filter(({ failed }) => failed)).toEqual([]);
      expect(run.connections.filter(({ refusalFailed }) => refusalFailed)).toEqual([]);
      const [first, ...remarks] = run.remarks;
      expect(first!.kind).toBe("interrupted");
      const whole = accountFor({ ...facts, interrupted: false });
      const kinds = (findings: readonly Finding[]) => new Set(findings.map(({ kind }) => kind));
      expect(kinds(remarks)).toEqual(kinds([...whole.failures, ...whole.remarks]));
      expect(run.counts).toEqual(whole.counts);
    });
  });

  it("an effects file that is not complete proves nothing by what it lacks", () => {
    holds((run, { effects: file, conversations }) => {
      const unnamed = conversations
        .flatMap(({ requests }) => requests)
        .filter(({ replies }) => replies.length > 0)
        .filter(({ id, n }) => !file?.executions.has(id) && !file?.executions.has(String(n)));
      const isComplete = file !== undefined && !file.endsWithinLine && unnamed.length === 0;
      expect(countOf(run.remarks, "effects incomplete")).toBe(file === undefined || isComplete ? 0 : 1);
      if (isComplete) return;
      expect(run.counts["never started"]).toBe(0);
      for (const { executions } of requestsOf(run)) expect(executions).not.toBe(0);
    });
  });

  it("executions are those that the file has under the id and the number together", () => {
    holds((run, { effects: file }) => {
      for (const { id, n, executions } of requestsOf(run)) {
        const named = (file?.executions.get(id) ?? 0) + (file?.executions.get(String(n)) ?? 0);
        expect(executions ?? 0).toBe(named);
      }
      expect(run.effects).toBe(file !== undefined);
    });
  });

  it("each request with a reply has one latency, before, across or after the signal, and none is negative", () => {
    holds((run, { signalAt, loadBegan }) => {
      const { before, during, after } = run.latency;
      const counts = [before, during, after].map((each) => each?.count ?? 0);
      const replied = requestsOf(run).filter(({ replies }) => replies.length > 0);
      const signal = signalAt === undefined ? Infinity : signalAt - loadBegan;
      const late = replied.filter(({ sentAt }) => sentAt > signal);
      const early = replied.filter(({ replies }) => replies[0]! < signal);
      expect(counts).toEqual([early.length, replied.length - early.length - late.length, late.length]);
      for (const each of [before, during, after]) {
        if (each === undefined) continue;
        expect(each.median).toBeGreaterThanOrEqual(0);
        expect(each.p99).toBeGreaterThanOrEqual(each.median);
        expect(each.max).toBeGreaterThanOrEqual(each.p99);
      }
    });
  });

  it("a process that is no child of the drill is not said to be killed, and its exit code is not judged", () => {
    holds((run, facts) => {
      if (facts.isChild) return;
      expect(run.process.killed).toBe(false);
      expect(countOf([...run.failures, ...run.remarks], "exit code")).toBe(0);
    });
  });

  it("its account is the same at any other time of day", () => {
    const [seed, numRuns] = [fc.sample(fc.integer(), 1)[0]!, 200];
    const early = fc.sample(factsFrom(0), { seed, numRuns });
    const late = fc.sample(factsFrom(5_000), { seed, numRuns });
    for (const [index, facts] of early.entries()) expect(accountFor(late[index]!)).toEqual(accountFor(facts));
  });
});

describe("a connection that was turned away", () => {
  function blamed(given: Partial<RunFacts>, seen: Parameters<typeof conversation>[0]): boolean {
    return accountFor(runFacts({ ...given, conversations: [conversation(seen)] })).connections[0]!
      .refusalFailed;
  }

  const handshake = { profileName: "handshake", profile: profiles.handshake } as const;

  it("before the signal is the server's fault", () => {
    expect(blamed({}, { client: turnedAway("ECONNREFUSED", 0), upgradeSentAt: undefined })).toBe(true);
    expect(blamed({}, { client: turnedAway("HTTP 503", 5) })).toBe(true);
    expect(blamed({ signalAt: undefined }, { client: turnedAway("HTTP 503", 5) })).toBe(true);
  });

  it("and never heard why is one that got no answer", () => {
    const silent = { client: { ...turnedAway("", 0), refused: undefined, refusedAt: undefined } };
    const [connection] = accountFor(runFacts({ conversations: [conversation(silent)] })).connections;
    expect(connection).toMatchObject({ refused: "no answer", refusalFailed: true });
  });

  it("after it asked behind the signal is told, and fails with strict", () => {
    const late = { client: turnedAway("ECONNRESET", 75), upgradeSentAt: 70 };
    expect(blamed(handshake, late)).toBe(false);
    expect(blamed({ ...handshake, settings: settingsOf({ seed: 1, strict: true }) }, late)).toBe(true);
  });

  it("by words of HTTP at the signal is told, and by a reset is the server's fault", () => {
    const at = { upgradeSentAt: 49 };
    const answered = { ...turnedAway("HTTP 503", 52), refusedByAnswer: true };
    expect(blamed(handshake, { ...at, client: answered })).toBe(false);
    expect(blamed(handshake, { ...at, client: turnedAway("reset without an answer", 52) })).toBe(true);
  });

  it("before it could ask counts from when it went", () => {
    const never = { upgradeSentAt: undefined };
    const gone = (at: number) => ({ ...never, client: turnedAway("ended without an answer", at) });
    expect(blamed(handshake, gone(52))).toBe(false);
    expect(blamed(handshake, gone(40))).toBe(true);
  });

  it("when it waited in the accept queue is the server's fault, unless that said so in words of HTTP", () => {
    const queue = { profileName: "accept-queue", profile: profiles["accept-queue"] } as const;
    const strict = { ...queue, settings: settingsOf({ seed: 1, strict: true }) };
    // Whether it asked before the signal or behind it: the server could not know of either.
    for (const upgradeSentAt of [40, 60]) {
      const answered = { ...turnedAway("HTTP 503", 70), refusedByAnswer: true };
      for (const how of ["reset without an answer", "ended without an answer", "ECONNRESET"]) {
        const client = turnedAway(how, 70);
        expect(blamed(queue, { waited: true, upgradeSentAt, client })).toBe(true);
        expect(blamed(strict, { waited: false, upgradeSentAt, client })).toBe(false);
      }
      expect(blamed(queue, { waited: true, upgradeSentAt, client: answered })).toBe(false);
      expect(blamed(strict, { waited: true, upgradeSentAt, client: answered })).toBe(true);
    }
    const silent = { ...turnedAway("", 70), refused: undefined, refusedAt: undefined };
    expect(blamed(queue, { waited: true, client: silent })).toBe(true);
    const late = { role: "newcomer", client: turnedAway("reset without an answer", 70) } as const;
    expect(blamed(strict, late)).toBe(false);
    // Those that were there before are connections like those of other profiles.
    const witness = { role: "witness", client: turnedAway("HTTP 503", 5) } as const;
    expect(blamed(queue, witness)).toBe(true);
  });

  it("while a lame duck must accept is the server's fault, and after that time is not", () => {
    const settings = settingsOf({ seed: 1, lameDuck: 100 });
    const newcomer = (at: number) =>
      ({ role: "newcomer", client: turnedAway("ECONNREFUSED", at), upgradeSentAt: undefined }) as const;
    expect(blamed({ settings }, newcomer(149))).toBe(true);
    expect(blamed({ settings }, newcomer(151))).toBe(false);
  });
});

describe("a request", () => {
  function classOf(given: Partial<RunFacts>, seen: Parameters<typeof conversation>[0] = {}): string {
    const only = conversation({ requests: [request(1)], ...seen });
    return requestsOf(accountFor(runFacts({ ...given, conversations: [only] })))[0]!.class;
  }

  it("of a client that resets is not judged, and that of its witness is", () => {
    const abort = { profileName: "abort", profile: profiles.abort } as const;
    expect(classOf(abort)).toBe("not judged");
    expect(classOf(abort, { role: "witness" })).toBe("unanswered");
  });

  it("of a half-closed client is judged if this server answers such clients", () => {
    const halfClose = { profileName: "half-close", profile: profiles["half-close"] } as const;
    expect(classOf({ ...halfClose, servesHalfClosed: false })).toBe("not judged");
    expect(classOf({ ...halfClose, servesHalfClosed: true })).toBe("unanswered");
  });

  it("that was sent at the very time of the signal was sent before it", () => {
    expect(classOf({}, { requests: [request(1, { sentAt: 50 })] })).toBe("unanswered");
    expect(classOf({}, { requests: [request(1, { sentAt: 50.1 })] })).toBe("cut off");
  });

  it("is held against a promise only where the connection ended by its code", () => {
    const settings = settingsOf({ seed: 1, promise: [1012] });
    const effects = { executions: new Map(), endsWithinLine: false };
    const endedBy = (code: number) => ({ client: { close: { at: 100, code, reason: "" } } });
    expect(classOf({ settings, effects }, endedBy(1012))).toBe("never started");
    expect(classOf({ settings, effects }, endedBy(1001))).toBe("unanswered");
  });
});

it("times are told from the begin of the load, to the microsecond", () => {
  const sent = request(1, { sentAt: 1010.123_456, replies: [1020.5] });
  const seen = conversation({ requests: [sent], client: { openedAt: 999 } });
  const run = accountFor(
    runFacts({ loadBegan: 1_000, signalAt: 1050, endedAt: 1110, conversations: [seen] }),
  );
  expect(run).toMatchObject({ signalAt: 50, endedAt: 110 });
  expect(run.connections[0]).toMatchObject({
    openedAt: -1,
    requests: [{ sentAt: 10.123, replies: [20.5] }],
  });
});
