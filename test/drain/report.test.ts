/** The account of a shutdown: what it counts, whom it names, and how it reads. */
import { describe, expect, it } from "vitest";
import {
  describeReport,
  MAX_TROUBLED,
  ReportLedger,
  type ConnectionAccount,
  type DrainReport,
} from "../../src/drain/report.js";

function account(given: Partial<ConnectionAccount> = {}): ConnectionAccount {
  return {
    id: "7",
    remoteAddress: "192.0.2.7",
    cause: "shutdown",
    detail: "",
    end: "closed",
    unproven: false,
    reset: false,
    undelivered: 0,
    gaveUp: false,
    handlerRuns: false,
    queued: 0,
    unsentBytes: 0,
    running: 0,
    unreadUnknown: false,
    ...given,
  };
}

const startedAt = new Date("2025-01-02T03:04:05.678Z");

function report(
  accounts: readonly Partial<ConnectionAccount>[],
  messages: Partial<DrainReport["messages"]> = {},
  duration = 440,
): DrainReport {
  const ledger = new ReportLedger();
  for (const given of accounts) ledger.enter(account(given));
  Object.assign(ledger.messages, messages);
  return ledger.close(startedAt, duration);
}

describe("the report", () => {
  it("is plain JSON that String() tells in prose", () => {
    const written = report([{}], { served: 5 }, 440.4);
    expect(JSON.parse(JSON.stringify(written))).toEqual({
      outcome: "clean",
      startedAt: "2025-01-02T03:04:05.678Z",
      duration: 440,
      connections: { total: 1, closed: 1, left: 0, unconfirmed: 0, forced: 0, unproven: 0 },
      messages: { served: 5, handedBack: 0, undelivered: 0, abandoned: 0 },
      troubled: [],
      requests: { answered: 0, left: 0, cut: 0 },
      cutRequests: [],
      neverAccepted: 0,
      troubledOmitted: 0,
    });
    expect(String(written)).toBe(describeReport(written));
    expect(Object.keys(written)).not.toContain("toString");
  });

  it("is a copy: what happens later does not change it", () => {
    const ledger = new ReportLedger();
    const written = ledger.close(startedAt, 1);
    ledger.enter(account({ end: "forced" }));
    ledger.messages.served = 9;
    expect(written.connections.total).toBe(0);
    expect(written.messages.served).toBe(0);
    expect(written.troubled).toEqual([]);
  });

  it("counts each connection by its end, and the unproven beside", () => {
    const { connections } = report([
      {},
      { end: "left", unproven: true },
      { end: "left" },
      { end: "unconfirmed", unproven: true },
      { end: "forced" },
    ]);
    expect(connections).toEqual({ total: 5, closed: 1, left: 2, unconfirmed: 1, forced: 1, unproven: 2 });
  });

  it("names the first 100 that were not clean and counts the others", () => {
    const accounts = Array.from({ length: MAX_TROUBLED + 3 }, (_, index) => ({
      id: String(index),
      end: "unconfirmed" as const,
    }));
    const { troubled, troubledOmitted } = report([{}, ...accounts]);
    expect(MAX_TROUBLED).toBe(100);
    expect(troubled.map(({ id }) => id)).toEqual(accounts.slice(0, 100).map(({ id }) => id));
    expect(troubledOmitted).toBe(3);
  });
});

describe("the outcome", () => {
  it("is clean when everything was served, sent and confirmed, or its peer left without anything due", () => {
    expect(report([]).outcome).toBe("clean");
    expect(report([{}, { end: "left", unproven: true }], { served: 5 }).outcome).toBe("clean");
  });

  it("is partial when anything was handed back, also to who had left", () => {
    expect(report([{}], { served: 5, handedBack: 3 }).outcome).toBe("partial");
    expect(report([{ end: "left" }], { handedBack: 1 }).outcome).toBe("partial");
    expect(report([{ end: "unconfirmed" }], { handedBack: 1 }).outcome).toBe("unconfirmed");
  });

  it("is unconfirmed when a peer did not confirm, was gone, or reset", () => {
    expect(report([{}, { end: "unconfirmed" }]).outcome).toBe("unconfirmed");
    expect(report([{ end: "left", reset: true }]).outcome).toBe("unconfirmed");
    expect(report([{ end: "left", gaveUp: true }]).outcome).toBe("unconfirmed");
    expect(report([{}], { undelivered: 1 }).outcome).toBe("unconfirmed");
  });

  it("is forced when a connection was destroyed or a message abandoned", () => {
    expect(report([{}, { end: "forced" }, { end: "unconfirmed" }]).outcome).toBe("forced");
    expect(report([{}], { abandoned: 1 }).outcome).toBe("forced");
  });
});

describe("the reason why a connection is named", () => {
  const reasonOf = (given: Partial<ConnectionAccount>): string | undefined =>
    report([given]).troubled[0]?.reason;

  it("is none for one that was confirmed, or whose peer left with nothing due", () => {
    expect(reasonOf({})).toBeUndefined();
    expect(reasonOf({ reset: true })).toBeUndefined();
    expect(reasonOf({ unproven: true })).toBeUndefined();
    expect(reasonOf({ end: "left" })).toBeUndefined();
  });

  it("is that its handler still ran when it was forced", () => {
    expect(reasonOf({ end: "forced", running: 1, unsentBytes: 9 })).toBe("handler");
    expect(reasonOf({ end: "forced", handlerRuns: true })).toBe("handler");
  });

  it("is that bytes were unsent when it was destroyed", () => {
    expect(reasonOf({ end: "forced", unsentBytes: 9, queued: 2 })).toBe("unsent");
  });

  it("is that the peer did not confirm", () => {
    expect(reasonOf({ end: "forced" })).toBe("unconfirmed");
    expect(reasonOf({ end: "unconfirmed" })).toBe("unconfirmed");
  });

  it("is that the peer reset the connection", () => {
    expect(reasonOf({ end: "left", reset: true, undelivered: 3 })).toBe("reset");
    expect(reasonOf({ end: "unconfirmed", reset: true })).toBe("reset");
  });

  it("is that it was over while replies were due", () => {
    expect(reasonOf({ end: "left", undelivered: 3 })).toBe("gone");
    expect(reasonOf({ end: "left", gaveUp: true })).toBe("gone");
    expect(reasonOf({ undelivered: 1 })).toBe("gone");
  });
});

describe("the prose", () => {
  const prose = (...given: Parameters<typeof report>): string[] => String(report(...given)).split("\n");

  it("of a clean shutdown is two lines", () => {
    expect(
      prose(
        Array.from({ length: 5 }, () => ({})),
        { served: 25 },
      ),
    ).toEqual([
      "Clean shutdown in 0.44 s: 25 messages served on 5 connections.",
      "Connections: 5 closed and confirmed.",
    ]);
  });

  it("of an empty server is one", () => {
    expect(prose([], {}, 3)).toEqual(["Clean shutdown in 0.00 s: 0 messages served on 0 connections."]);
  });

  it("of one that was not confirmed says by whom, and speaks of one as of one", () => {
    expect(
      prose([{ end: "unconfirmed", unproven: true }], { served: 1, handedBack: 1, undelivered: 1 }, 4_120),
    ).toEqual([
      "Shutdown in 4.12 s, not confirmed by every peer: 1 message served on 1 connection.",
      "Messages not served: 1 handed back without being started.",
      "1 reply could not be delivered.",
      "Connections: 1 not confirmed.",
      "Of 1 connection it is not known whether all was read that its peer had sent.",
      "  connection 7 from 192.0.2.7: its peer did not confirm the end; cause: shutdown",
    ]);
  });

  it("of a forced one says what each connection still held, and speaks of many as of many", () => {
    expect(
      prose(
        [
          { cause: "forced", end: "forced", running: 1, queued: 2, unsentBytes: 17, unproven: true },
          { id: "8", cause: "stalled", end: "forced", unsentBytes: 1, unreadUnknown: true, unproven: true },
          { id: "9", remoteAddress: "", cause: "reset", detail: "ECONNRESET", end: "left", reset: true },
          { id: "10", remoteAddress: "2001:db8::1", cause: "client-left", end: "left", undelivered: 2 },
          {},
        ],
        { served: 10, handedBack: 2, undelivered: 2, abandoned: 3 },
        25_200,
      ),
    ).toEqual([
      "Forced shutdown after 25.20 s: 10 messages served on 5 connections.",
      "Messages not served: 2 handed back without being started, 3 abandoned.",
      "2 replies could not be delivered.",
      "Connections: 1 closed and confirmed, 2 left by the peer, 2 destroyed.",
      "Of 2 connections it is not known whether all was read that their peers had sent.",
      "  connection 7 from 192.0.2.7: its handler still ran (1 in hand, 2 queued, 17 bytes unsent); cause: forced",
      "  connection 8 from 192.0.2.7: its peer did not read (1 byte unsent); its peer may have sent more than was read; cause: stalled",
      "  connection 9: its peer reset the connection; cause: reset, ECONNRESET",
      "  connection 10 from 2001:db8::1: it was over while replies were due; cause: client-left",
    ]);
  });

  it("counts those whom it does not name", () => {
    const lines = (more: number): string | undefined =>
      prose(Array.from({ length: MAX_TROUBLED + more }, () => ({ end: "unconfirmed" as const }))).at(-1);
    expect(lines(1)).toBe("  and 1 more connection");
    expect(lines(2)).toBe("  and 2 more connections");
    expect(lines(0)).toContain("did not confirm");
  });

  it("of messages handed back says so in its first words", () => {
    expect(prose([{}], { served: 1, handedBack: 2 })[0]).toBe(
      "Shutdown in 0.44 s, with messages handed back: 1 message served on 1 connection.",
    );
  });

  it("tells of plain requests, which of them were cut, and of clients that could not be let in", () => {
    const cut = Array.from({ length: MAX_TROUBLED + 1 }, (_, index) => ({
      method: index === 0 ? "" : "GET",
      path: index === 0 ? "" : `/${index}`,
      remoteAddress: index === 1 ? "" : "192.0.2.7",
    }));
    const told = new ReportLedger().close(startedAt, 440, { answered: 3, left: 1, cut, neverAccepted: 1 });
    const lines = String(told).split("\n");
    expect(lines.slice(0, 4)).toEqual([
      "Forced shutdown after 0.44 s: 0 messages served on 0 connections.",
      "Plain HTTP requests: 3 answered, 1 left by the client, 101 cut.",
      "  a request that had begun before listen() from 192.0.2.7: its answer was cut",
      "  GET /1: its answer was cut",
    ]);
    expect(lines.slice(-2)).toEqual([
      "  and 1 more request",
      "1 client came and could not be let in any more.",
    ]);
    expect([told.outcome, told.cutRequests.length]).toEqual(["forced", MAX_TROUBLED]);
  });
});
