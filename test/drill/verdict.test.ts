/** The rule that judges a request, held against the table of classes in docs/drill.md, written once more. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { requestClasses, type RequestClass } from "../../src/drill/result.js";
import { judge, type Evidence, type Strictness } from "../../src/drill/verdict.js";

interface Row {
  class: RequestClass;
  when: (evidence: Evidence) => boolean;
  fails: (evidence: Evidence, strictness: Strictness) => boolean;
}

const always = (): boolean => true;
const never = (): boolean => false;

const isTwice = ({ replies, executions }: Evidence): boolean =>
  replies >= 2 || (executions !== undefined && executions >= 2);
const isAwaited = (evidence: Evidence): boolean =>
  !isTwice(evidence) && evidence.replies === 0 && !evidence.clientLeft;
/** The effects file neither proves it executed nor, with a promise, that it was not. */
const isOpen = (evidence: Evidence): boolean =>
  isAwaited(evidence) &&
  (evidence.executions === undefined || (evidence.executions === 0 && evidence.ending !== "promise"));
const saidClose = ({ ending }: Evidence): boolean => ending === "close" || ending === "promise";

/** Row by row as the table stands, each with all of its conditions: no row relies on one above it. */
const table: readonly Row[] = [
  {
    class: "answered",
    when: (evidence) => evidence.replies === 1 && !isTwice(evidence),
    fails: never,
  },
  {
    class: "unanswered",
    when: (evidence) => isOpen(evidence) && (!evidence.afterSignal || !saidClose(evidence)),
    fails: always,
  },
  {
    class: "cut off",
    when: (evidence) => isOpen(evidence) && evidence.afterSignal && saidClose(evidence),
    fails: ({ afterClose }, { strict }) => strict && !afterClose,
  },
  {
    class: "not judged",
    when: (evidence) => evidence.clientLeft && evidence.replies === 0 && !isTwice(evidence),
    fails: never,
  },
  {
    class: "never started",
    when: (evidence) => isAwaited(evidence) && evidence.executions === 0 && evidence.ending === "promise",
    fails: ({ afterSignal }, { acceptHandback }) => !(afterSignal || acceptHandback),
  },
  {
    class: "executed but unanswered",
    when: (evidence) => isAwaited(evidence) && evidence.executions === 1 && evidence.ending !== "promise",
    fails: always,
  },
  {
    class: "broken promise",
    when: (evidence) => isAwaited(evidence) && evidence.executions === 1 && evidence.ending === "promise",
    fails: always,
  },
  { class: "duplicated", when: isTwice, fails: always },
];

function expectAsTable(evidence: Evidence, strictness: Strictness): void {
  const rows = table.filter(({ when }) => when(evidence));
  const what = JSON.stringify({ evidence, strictness });
  expect(rows, `rows that fit ${what}`).toHaveLength(1);
  const [row] = rows as [Row];
  expect(judge(evidence, strictness), what).toEqual({
    class: row.class,
    failed: row.fails(evidence, strictness),
  });
}

const booleans = [false, true];
const endings = ["promise", "close", "abrupt"] as const;

function* everyEvidence(): Generator<Evidence> {
  for (const replies of [0, 1, 2, 3])
    for (const executions of [undefined, 0, 1, 2, 3])
      for (const afterSignal of booleans)
        for (const afterClose of booleans)
          for (const ending of endings)
            for (const clientLeft of booleans)
              yield { replies, executions, afterSignal, afterClose, ending, clientLeft };
}

describe("the rule", () => {
  it("has a row for each class", () => {
    expect(new Set(table.map((row) => row.class))).toEqual(new Set(requestClasses));
  });

  it("says what the one row that fits says, for everything that can be known", () => {
    for (const evidence of everyEvidence())
      for (const strict of booleans)
        for (const acceptHandback of booleans) expectAsTable(evidence, { strict, acceptHandback });
  });

  it("says so for any number of replies and executions", () => {
    const evidence = fc.record<Evidence>({
      replies: fc.nat(),
      executions: fc.option(fc.nat(), { nil: undefined }),
      afterSignal: fc.boolean(),
      afterClose: fc.boolean(),
      ending: fc.constantFrom(...endings),
      clientLeft: fc.boolean(),
    });
    const strictness = fc.record({ strict: fc.boolean(), acceptHandback: fc.boolean() });
    fc.assert(fc.property(evidence, strictness, expectAsTable), { numRuns: 2_000 });
  });

  it("blames nobody for more by being less strict", () => {
    for (const evidence of everyEvidence()) {
      const strict = judge(evidence, { strict: true, acceptHandback: false });
      const lenient = judge(evidence, { strict: false, acceptHandback: true });
      expect(lenient.class).toBe(strict.class);
      if (lenient.failed) expect(strict.failed).toBe(true);
    }
  });
});

describe("a request", () => {
  const lenient: Strictness = { strict: false, acceptHandback: false };

  function judged(what: Partial<Evidence>, strictness: Partial<Strictness> = {}): string {
    const evidence: Evidence = {
      replies: 0,
      executions: undefined,
      afterSignal: false,
      afterClose: false,
      ending: "close",
      clientLeft: false,
      ...what,
    };
    const { class: name, failed } = judge(evidence, { ...lenient, ...strictness });
    return failed ? `${name}, fails` : name;
  }

  it("with a reply is answered", () => {
    expect(judged({ replies: 1 })).toBe("answered");
    expect(judged({ replies: 1, executions: 0 })).toBe("answered");
  });

  it("from before the signal without a reply is unanswered, by whatever Close the connection ended", () => {
    expect(judged({ ending: "close" })).toBe("unanswered, fails");
    expect(judged({ ending: "promise" })).toBe("unanswered, fails");
    expect(judged({ ending: "close", executions: 0 })).toBe("unanswered, fails");
  });

  it("from after the signal without a reply is cut off when a Close says so, and unanswered without one", () => {
    expect(judged({ afterSignal: true })).toBe("cut off");
    expect(judged({ afterSignal: true }, { strict: true })).toBe("cut off, fails");
    expect(judged({ afterSignal: true, ending: "abrupt" })).toBe("unanswered, fails");
  });

  it("that was sent behind the server's Close is held against nobody", () => {
    expect(judged({ afterSignal: true, afterClose: true }, { strict: true })).toBe("cut off");
  });

  it("whose client left is not judged", () => {
    expect(judged({ clientLeft: true })).toBe("not judged");
    expect(judged({ clientLeft: true, executions: 1 })).toBe("not judged");
  });

  it("that the effects file lacks was never started when the close code promises it", () => {
    expect(judged({ executions: 0, ending: "promise", afterSignal: true })).toBe("never started");
    expect(judged({ executions: 0, ending: "promise" })).toBe("never started, fails");
    expect(judged({ executions: 0, ending: "promise" }, { acceptHandback: true })).toBe("never started");
  });

  it("that was executed and has no reply is the worst", () => {
    expect(judged({ executions: 1 })).toBe("executed but unanswered, fails");
    expect(judged({ executions: 1, ending: "abrupt", afterSignal: true })).toBe(
      "executed but unanswered, fails",
    );
  });

  it("that was executed against the close code's word is a broken promise", () => {
    expect(judged({ executions: 1, ending: "promise", afterSignal: true })).toBe("broken promise, fails");
  });

  it("that was answered or executed twice is duplicated, whoever left", () => {
    expect(judged({ replies: 2 })).toBe("duplicated, fails");
    expect(judged({ replies: 1, executions: 2 })).toBe("duplicated, fails");
    expect(judged({ executions: 2, clientLeft: true })).toBe("duplicated, fails");
  });
});
