import { describe, expect, test } from "vitest";
import { Moments, type Standing } from "../../src/connection/moments.js";
import type { OnSent } from "../../src/connection/outbox.js";
import { VirtualTime } from "../virtual/virtual-time.js";

const CLOSED = { code: 1000, reason: "bye", wasClean: true, cause: "client-closed", detail: "" } as const;
const gone = expect.objectContaining({ code: "LASTCALL_CONNECTION_GONE" }) as Error;

/** A connection that is what the test says, and its moments. */
function connection(standing: Partial<Standing> = {}): {
  moments: Moments;
  standing: { -readonly [Key in keyof Standing]: Standing[Key] };
  time: VirtualTime;
} {
  const time = new VirtualTime();
  let pings = 0;
  const now = {
    clock: time.clock,
    isOpen: true,
    isOutboxLow: true,
    isLeaving: false,
    isUnheard: false,
    why: { cause: "reset", detail: "ECONNRESET" } as const,
    closed: undefined,
    outcome: undefined,
    ping: () => ++pings,
    whenSent: (onSent: OnSent) => onSent(),
    ...standing,
  };
  return { moments: new Moments(now), standing: now, time };
}

describe("the signals of a connection", () => {
  test("abort when their moment comes, each only at its own, with a reason that says why", () => {
    const { moments } = connection();
    const { signal, draining } = moments;
    expect([signal.aborted, draining.aborted]).toEqual([false, false]);
    moments.onLeaving();
    expect([signal.aborted, draining.aborted]).toEqual([false, true]);
    moments.onUnheard();
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toEqual(gone);
  });

  test("are aborted already for who asks for them later", () => {
    const { moments } = connection({ isLeaving: true, isUnheard: true });
    expect([moments.signal.aborted, moments.draining.aborted]).toEqual([true, true]);
    expect(moments.signal.reason).toEqual(gone);
  });

  test("are the same for all who ask", () => {
    const { moments } = connection();
    expect([moments.signal, moments.draining]).toEqual([moments.signal, moments.draining]);
    expect(moments.signal).toBe(moments.signal);
    expect(moments.draining).toBe(moments.draining);
    expect(moments.closed).toBe(moments.closed);
  });
});

describe("`closed`", () => {
  test("resolves when the socket is gone, for who asked before and for who asks after", async () => {
    const { moments, standing } = connection();
    const before = moments.closed;
    standing.closed = CLOSED;
    moments.onClosed(CLOSED);
    await expect(before).resolves.toBe(CLOSED);
    const late = connection({ closed: CLOSED });
    await expect(late.moments.closed).resolves.toBe(CLOSED);
  });
});

describe("`closed` of a connection that is kept by nothing but its handler", () => {
  const SO_FAR = { ...CLOSED, code: 1006 };

  test("resolves after a while, so that the handler does not wait for itself", async () => {
    const { moments, standing, time } = connection();
    const { closed } = moments;
    standing.outcome = SO_FAR;
    moments.onAwaited();
    moments.onAwaited();
    await time.run();
    await expect(closed).resolves.toBe(SO_FAR);
    const late = connection({ outcome: SO_FAR });
    const asked = late.moments.closed;
    await late.time.run();
    await expect(asked).resolves.toBe(SO_FAR);
  });

  test("tells how it has really ended when the handler returns meanwhile", async () => {
    const { moments, standing, time } = connection();
    const { closed } = moments;
    standing.outcome = SO_FAR;
    moments.onAwaited();
    standing.outcome = undefined;
    await time.run();
    standing.closed = CLOSED;
    moments.onClosed(CLOSED);
    await expect(closed).resolves.toBe(CLOSED);
  });

  test("leaves no timer behind", async () => {
    const { moments, time } = connection({ outcome: SO_FAR });
    void moments.closed;
    moments.onClosed(CLOSED);
    await time.run();
    expect(time.now).toBe(0);
  });
});

describe("`flushed`", () => {
  test("resolves at once below the mark, and else when it is below again: one promise for all", async () => {
    const { moments, standing } = connection({ isOutboxLow: false });
    const waiting = [moments.flushed(), moments.flushed()];
    let flushed = 0;
    for (const each of waiting) void each.then(() => flushed++);
    await Promise.resolve();
    expect(flushed).toBe(0);
    moments.onOutboxLow();
    await Promise.all(waiting);
    expect(flushed).toBe(2);
    standing.isOutboxLow = true;
    await moments.flushed();
  });

  test("waits anew when the outbox is above the mark once more", async () => {
    const { moments } = connection({ isOutboxLow: false });
    const first = moments.flushed();
    moments.onOutboxLow();
    await first;
    const second = moments.flushed();
    let flushed = false;
    void second.then(() => (flushed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(flushed).toBe(false);
    moments.onOutboxLow();
    await second;
  });

  test("rejects when the connection is gone, before or meanwhile: nothing was delivered", async () => {
    const { moments } = connection({ isOutboxLow: false });
    const waiting = moments.flushed();
    moments.onClosed(CLOSED);
    await expect(waiting).rejects.toEqual(gone);
    await expect(connection({ closed: CLOSED }).moments.flushed()).rejects.toEqual(gone);
  });
});

describe("`ping`", () => {
  test("resolves with its round trip when its own Pong has come", async () => {
    const { moments, time } = connection();
    let first: Promise<number> | undefined;
    let second: Promise<number> | undefined;
    time.at(10, () => (first = moments.ping()));
    time.at(20, () => (second = moments.ping()));
    time.at(50, () => moments.onPingAnswered(1));
    time.at(70, () => moments.onPingAnswered(2));
    await time.run();
    await expect(first).resolves.toBe(40);
    await expect(second).resolves.toBe(50);
  });

  test("rejects when the connection ends first, and sends nothing when it can no longer", async () => {
    const { moments } = connection();
    const waiting = moments.ping();
    moments.onClosed(CLOSED);
    await expect(waiting).rejects.toEqual(gone);
    let sent = 0;
    const over = connection({ isOpen: false, ping: () => ++sent });
    await expect(over.moments.ping()).rejects.toEqual(gone);
    expect(sent).toBe(0);
  });
});

test("what nobody has asked for costs nothing when its moment comes", () => {
  const { moments } = connection();
  moments.onOutboxLow();
  moments.onPingAnswered(1);
  moments.onLeaving();
  moments.onUnheard();
  expect(() => moments.onClosed(CLOSED)).not.toThrow();
});
