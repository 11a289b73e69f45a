/** How the machine of a connection's end is driven: on a clock, and against a target that writes down what it does. */
import { describe, expect, test } from "vitest";
import { MAX_TIMEOUT, type Clock } from "../../src/base/clock.js";
import { Ending, type EndingOwner } from "../../src/connection/ending.js";
import type { OnSent } from "../../src/connection/outbox.js";
import { drainDefaults } from "../../src/drain/options.js";
import type { EndingOptions } from "../../src/drain/events.js";
import { VirtualTime } from "../virtual/virtual-time.js";

const OPTIONS: EndingOptions = { ...drainDefaults, closeReplyTimeout: 5_000, goneTimeout: 30_000 };

interface Scene {
  ending: Ending;
  time: VirtualTime;
  /** What was done, each with when. */
  done: string[];
  target: {
    isCompressing: boolean;
    /** What was accepted before a Ping waits until the test says that it is sent. */
    holdsPings: boolean;
    /** What the sockets have to say when they are looked at. */
    poll: () => void;
  };
  /** Milliseconds of the timers that were set, in order. */
  timers: number[];
  /** Who waits for what was accepted before a Ping. */
  held: OnSent[];
}

function scene(options: Partial<EndingOptions> = {}, initially = { idle: true, reading: true }): Scene {
  const time = new VirtualTime();
  const done: string[] = [];
  const timers: number[] = [];
  const held: OnSent[] = [];
  const note = (what: string): void => void done.push(`${time.now}: ${what}`);
  let pings = 0;
  const target = {
    isCompressing: false,
    holdsPings: false,
    poll: () => {},
    sendPing: () => {
      note("ping");
      return ++pings;
    },
    whenSent: (onSent: OnSent): void => (target.holdsPings ? void held.push(onSent) : onSent()),
    cutInput: () => note("cut"),
    dropQueue: (as: string) => note(`drop as ${as}`),
    sendClose: (code: number, reason: string) => note(`close ${code} ${reason}`.trim()),
    look: (tell) => tell(0, 0),
    endSocket: () => note("fin"),
    flushSocket: () => note("flush"),
    destroySocket: () => note("destroy"),
    abortSignal: () => note("abort"),
    finishEnding: () => note("over"),
  } satisfies EndingOwner & Scene["target"];
  const clock: Clock = {
    ...time.clock,
    after: (milliseconds, act) => {
      timers.push(milliseconds);
      return time.clock.after(milliseconds, () => {
        target.poll();
        act();
      });
    },
    afterPoll: (act) => {
      time.clock.afterPoll(() => {
        target.poll();
        act();
      });
    },
  };
  return {
    ending: new Ending({ ...OPTIONS, ...options }, target, clock, initially),
    time,
    done,
    target,
    timers,
    held,
  };
}

describe("what the machine asks for", () => {
  test("is done in its order, and the Ping's number comes back to it", () => {
    const { ending, done } = scene({ quiet: 0 });
    ending.dispatch({ type: "drain" });
    expect(done).toEqual(["0: ping"]);
    // Only with the number of the Ping does the Pong prove anything.
    ending.dispatch({ type: "pong", nonce: 1 });
    expect(done.slice(1)).toEqual(["0: cut"]);
    expect(ending.machine.unproven).toBe(false);
    ending.dispatch({ type: "handler-settled", failed: false });
    ending.dispatch({ type: "peer-close", code: 1012, reason: "" });
    ending.dispatch({ type: "socket-closed", reset: false });
    expect(done.slice(2)).toEqual([
      "0: drop as handed back",
      "0: close 1012 service restart",
      "0: abort",
      "0: fin",
      "0: over",
    ]);
  });

  test("is done of a forced connection too: dropped as abandoned, flushed, destroyed in the end", async () => {
    const { ending, done, time } = scene();
    ending.dispatch({ type: "force" });
    expect(done).toEqual(["0: abort", "0: cut", "0: drop as abandoned", "0: flush"]);
    await time.run();
    expect(done.slice(4)).toEqual(["200: destroy"]);
  });
});

test("a Ping is told as sent when what was accepted before it is, and never where it never will be", () => {
  const { ending, target, time, held } = scene();
  target.holdsPings = true;
  ending.dispatch({ type: "drain" });
  expect(ending.machine.wakeAt).toBe(2_000);
  time.now = 1_500;
  held.shift()!();
  expect(ending.machine.wakeAt).toBe(3_500);
  const lost = scene();
  lost.target.holdsPings = true;
  lost.ending.dispatch({ type: "drain" });
  lost.time.now = 1_500;
  lost.held.shift()!(new Error("gone"));
  expect(lost.ending.machine.wakeAt).toBe(2_000);
});

describe("the machine is woken", () => {
  test("when it wants to be: a peer that never answers Close is given up", async () => {
    const { ending, done, time } = scene({ closeTimeout: 700, lingerTimeout: 300 });
    ending.dispatch({ type: "drain" });
    ending.dispatch({ type: "close", code: 1000, reason: "" });
    done.length = 0;
    await time.run();
    expect(done).toEqual(["700: fin", "1000: destroy"]);
  });

  test("by one timer, which a later moment does not move", async () => {
    const { ending, time, timers } = scene({ patience: Infinity, barrierTimeout: 1_000, quiet: 50 });
    ending.dispatch({ type: "drain" });
    const before = timers.length;
    for (let messages = 0; messages < 20; messages++) {
      ending.setIdle(false);
      ending.setIdle(true);
    }
    expect(timers.length).toBe(before);
    ending.dispatch({ type: "socket-closed", reset: false });
    ending.dispatch({ type: "handler-settled", failed: false });
    await time.run();
    // Over: nothing is waited for any more.
    expect(time.now).toBe(0);
  });

  test("earlier when something new is due before, and never later than a timer can wait", async () => {
    const { ending, timers, done, time } = scene({
      patience: 2 * MAX_TIMEOUT,
      barrierTimeout: 2 * MAX_TIMEOUT,
    });
    ending.setIdle(false);
    ending.dispatch({ type: "drain" });
    expect(timers).toEqual([MAX_TIMEOUT]);
    ending.dispatch({ type: "force" });
    expect(timers).toEqual([MAX_TIMEOUT, 100]);
    done.length = 0;
    await time.run();
    expect(done).toEqual(["200: destroy"]);
  });

  test("after the sockets were read once more: a Pong that lay in the kernel still counts", async () => {
    const never = { barrierTimeout: 100, patience: Infinity, quiet: Infinity };
    const answered = scene(never);
    answered.target.poll = () => answered.ending.dispatch({ type: "pong", nonce: 1 });
    const silent = scene(never);
    for (const { ending, time } of [answered, silent]) {
      ending.dispatch({ type: "drain" });
      await time.run();
    }
    expect([answered.time.now, silent.time.now]).toEqual([100, 100]);
    expect([answered.ending.machine.unproven, silent.ending.machine.unproven]).toEqual([false, true]);
  });

  test("without blame for the peer while its replies wait to be compressed", async () => {
    const { ending, done, time, target } = scene({ closeTimeout: 500 });
    target.isCompressing = true;
    ending.dispatch({ type: "drain" });
    ending.dispatch({ type: "handler-settled", failed: false });
    ending.noteAccepted(100);
    done.length = 0;
    time.at(1_800, () => (target.isCompressing = false));
    await time.run();
    // Whenever it was looked for while the compressor was busy, it was given as long again.
    expect(done).toEqual(["2250: destroy"]);
  });
});

describe("the machine is told", () => {
  test("of idle and busy only when that has changed", () => {
    const { ending, done } = scene({ quiet: 0 });
    ending.setIdle(true);
    ending.dispatch({ type: "drain" });
    ending.setIdle(false);
    ending.dispatch({ type: "pong", nonce: 1 });
    ending.setIdle(false);
    expect(done).toEqual(["0: ping"]);
    ending.setIdle(true);
    expect(done.length).toBeGreaterThan(1);
  });

  test("of quiet once: that it is idle still does not begin it anew", async () => {
    const { ending, time, done } = scene({ quiet: 100 });
    ending.dispatch({ type: "drain" });
    ending.dispatch({ type: "pong", nonce: 1 });
    time.at(60, () => ending.setIdle(true));
    await time.run();
    expect(done).toEqual(["0: ping", "100: cut"]);
  });

  test("of nothing that waits when nothing does: the peer gets no more time, and FIN in the end", async () => {
    const { ending, time, done } = scene({ closeTimeout: 1_000 });
    ending.dispatch({ type: "drain" });
    ending.dispatch({ type: "close", code: 1000, reason: "" });
    ending.noteAccepted(0);
    done.length = 0;
    time.at(500, () => ending.noteWritten(0));
    await time.run();
    expect(done[0]).toBe("1000: fin");
  });

  test("of what waits to be sent when it begins to, moves, and no longer does", async () => {
    const { ending, time, done } = scene({ closeTimeout: 1_000 });
    ending.dispatch({ type: "drain" });
    ending.dispatch({ type: "handler-settled", failed: false });
    done.length = 0;
    ending.noteAccepted(0);
    ending.noteWritten(0);
    ending.noteAccepted(500);
    // More of the same does not give the peer more time.
    time.at(600, () => ending.noteAccepted(900));
    time.at(700, () => ending.noteWritten(400));
    time.at(1_500, () => ending.noteWritten(0));
    await time.run();
    expect(ending.machine.end).toBe("unconfirmed");
    expect(done).toEqual(["2500: fin", "3500: destroy"]);
  });

  test("of no progress by what is accepted: a peer that reads nothing is given up", async () => {
    const { ending, time, done } = scene({ closeTimeout: 1_000 });
    ending.dispatch({ type: "drain" });
    ending.dispatch({ type: "handler-settled", failed: false });
    done.length = 0;
    ending.noteAccepted(500);
    time.at(900, () => ending.noteAccepted(700));
    await time.run();
    expect(done).toEqual(["1000: destroy"]);
    expect(ending.machine.end).toBe("forced");
  });
});
