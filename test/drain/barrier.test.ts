/** When a connection is cut: barrier, quiet, patience, last call. By hand first, then with peers in virtual time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Driver } from "./driver.js";
import { runOne, sends } from "../virtual/world.js";

const HANDED_BACK = "drop-queue handed back";

describe("the barrier", () => {
  it("is satisfied by the Pong of a later Ping", () => {
    const driver = new Driver({ quiet: 0 });
    driver.at(0, "drain");
    driver.at(1, { type: "pinged", nonce: 2 });
    expect(driver.pong(10, 2)).toEqual(["cut"]);
    expect(driver.machine.unproven).toBe(false);
  });

  it("is not satisfied by the Pong of an earlier Ping", () => {
    const driver = new Driver({ quiet: 0 });
    driver.pings = 4; // the heartbeat's
    driver.at(0, "drain");
    expect(driver.pong(10, 4)).toEqual([]);
    expect(driver.pong(11, 5)).toEqual(["cut"]);
  });

  it("is not satisfied by a FIN", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.at(5, "peer-end");
    expect(driver.machine.unproven).toBe(true);
  });

  it("is given up after barrierTimeout, told, and the connection goes on to be quiet", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    expect(driver.wake()).toEqual({ at: 2_000, actions: [] });
    expect(driver.machine.unproven).toBe(true);
    expect(driver.wake()).toEqual({ at: 2_100, actions: ["cut"] });
  });

  it("is proven also by a Pong that comes later, and by the peer's answer to our Close", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.at(2_000, "tick");
    expect(driver.machine.unproven).toBe(true);
    expect(driver.pong(2_050)).toEqual(["ping"]);
    expect(driver.machine.unproven).toBe(false);
    driver.pong(2_090);
    expect(driver.wake()).toEqual({ at: 2_100, actions: ["cut"] });
    const silent = new Driver();
    silent.at(0, "drain");
    silent.at(2_000, "tick");
    silent.at(2_100, "tick");
    silent.at(2_100, { type: "handler-settled", failed: false });
    expect(silent.machine.unproven).toBe(true);
    silent.at(2_200, "peer-close");
    expect(silent.machine.unproven).toBe(false);
  });

  it("has a clock that stands while our back-pressure holds the socket", () => {
    const driver = new Driver({}, { idle: false, reading: true });
    driver.at(0, "drain");
    driver.at(500, "paused");
    driver.at(501, "paused");
    expect(driver.machine.wakeAt).toBe(5_000); // patience alone
    driver.at(3_000, "resumed");
    driver.at(3_001, "resumed");
    expect(driver.machine.wakeAt).toBe(4_500);
    driver.at(3_100, "paused");
    driver.at(4_000, "resumed");
    expect(driver.machine.wakeAt).toBe(5_000);
    driver.at(4_999, "tick");
    expect(driver.machine.unproven).toBe(false);
  });

  it("has a clock that does not run for what was read before the drain", () => {
    const driver = new Driver({}, { idle: true, reading: false });
    driver.at(100, "resumed");
    driver.at(900, "paused");
    driver.at(1_000, "drain");
    expect(driver.machine.wakeAt).toBe(6_000);
    driver.at(1_500, "resumed");
    expect(driver.machine.wakeAt).toBe(3_500);
  });

  it("has a clock that begins when its Ping goes out, and no later", () => {
    const driver = new Driver({ patience: 60_000 });
    driver.at(0, "drain");
    // What stands before it is read, and then it is its turn.
    driver.at(1_900, "progress");
    expect(driver.machine.wakeAt).toBe(3_900);
    driver.at(3_500, { type: "ping-sent", nonce: 1 });
    expect(driver.machine.wakeAt).toBe(5_500);
    // Others that are sent behind it say nothing of its answer.
    driver.at(4_000, "progress");
    driver.at(4_500, "sent");
    driver.at(5_000, { type: "ping-sent", nonce: 2 });
    expect(driver.wake()).toEqual({ at: 5_500, actions: [] });
    expect(driver.machine.unproven).toBe(true);
  });

  it("has a clock that runs where nothing of what stands before its Ping is taken", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.at(100, "unsent");
    expect(driver.wake()).toEqual({ at: 2_000, actions: [] });
    expect(driver.machine.unproven).toBe(true);
  });

  it("does not begin with the Ping of a heartbeat that was sent before", () => {
    const driver = new Driver();
    driver.pings = 4;
    driver.at(0, "drain");
    driver.at(500, { type: "ping-sent", nonce: 4 });
    driver.at(1_000, "sent");
    expect(driver.machine.wakeAt).toBe(3_000);
  });

  it("stands still while we do not read, also when its Ping goes out meanwhile", () => {
    const driver = new Driver({ patience: 60_000 });
    driver.at(0, "drain");
    driver.at(500, "paused");
    driver.at(1_000, { type: "ping-sent", nonce: 1 });
    expect(driver.machine.wakeAt).toBe(60_000);
    driver.at(4_000, "resumed");
    expect(driver.machine.wakeAt).toBe(6_000);
  });

  it("is not asked of a socket again after it was answered", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.pong(10);
    expect(driver.pong(20, 1)).toEqual([]);
    expect(driver.machine.wakeAt).toBe(110);
  });
});

describe("quiet", () => {
  it("counts from the barrier's Pong when nothing was under way", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.pong(10);
    expect(driver.wake()).toEqual({ at: 110, actions: ["cut"] });
  });

  it("counts from the Pong that follows our last reply", () => {
    const driver = new Driver({}, { idle: false, reading: true });
    driver.at(0, "drain");
    expect(driver.pong(10)).toEqual([]);
    expect(driver.machine.wakeAt).toBe(5_000);
    expect(driver.at(400, "idle")).toEqual(["ping"]);
    driver.pong(410);
    expect(driver.wake()).toEqual({ at: 510, actions: ["cut"] });
  });

  it("asks anew when the barrier's Ping may have crossed our last reply", () => {
    const driver = new Driver({}, { idle: false, reading: true });
    driver.at(0, "drain");
    expect(driver.at(5, "idle")).toEqual([]);
    expect(driver.pong(10)).toEqual(["ping"]);
    driver.pong(30);
    expect(driver.machine.wakeAt).toBe(130);
  });

  it("starts over when a message comes", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.pong(10);
    driver.at(100, "busy");
    expect(driver.at(200, "idle")).toEqual(["ping"]);
    expect(driver.pong(205, 1)).toEqual([]);
    driver.pong(210);
    expect(driver.machine.wakeAt).toBe(310);
  });

  it("is not reached by the Pong of a Ping from before the last message", () => {
    const driver = new Driver({ quiet: 100 });
    driver.at(0, "drain");
    driver.pong(10);
    driver.at(20, "busy");
    driver.at(30, "idle"); // Ping 2
    driver.at(40, "busy");
    driver.at(50, "idle"); // Ping 3
    driver.pong(60, 2);
    expect(driver.machine.wakeAt).toBe(2_060);
    driver.pong(70, 3);
    expect(driver.machine.wakeAt).toBe(170);
  });

  it("is never under twice the shortest round trip that was measured", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.pong(300);
    expect(driver.machine.wakeAt).toBe(900);
    driver.at(400, "busy");
    driver.at(500, "idle");
    driver.pong(570);
    expect(driver.machine.wakeAt).toBe(710);
    driver.at(600, "busy");
    driver.at(700, "idle");
    // Behind a transfer, or behind what was lost and sent again.
    driver.pong(2_200);
    expect(driver.machine.wakeAt).toBe(2_340);
  });

  it("measures again when few samples make the wait longer: they may have been late", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    expect(driver.pong(900)).toEqual(["ping"]);
    expect(driver.machine.wakeAt).toBe(2_700);
    expect(driver.pong(1_400)).toEqual(["ping"]);
    expect(driver.machine.wakeAt).toBe(1_900);
    expect(driver.pong(1_460)).toEqual(["cut"]);
  });

  it("measures no more when a far peer has been measured three times", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    expect(driver.pong(300)).toEqual(["ping"]);
    driver.at(350, "busy");
    expect(driver.at(400, "idle")).toEqual(["ping"]);
    expect(driver.pong(700)).toEqual(["ping"]);
    expect(driver.pong(1_000)).toEqual([]);
    expect(driver.wake()).toEqual({ at: 1_300, actions: ["cut"] });
  });

  it("measures a round trip from when the Ping went out", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.at(1_000, { type: "ping-sent", nonce: 1 });
    driver.pong(1_080);
    expect(driver.machine.wakeAt).toBe(1_240);
  });

  it("measures no round trip by a Pong that answers an older Ping", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.at(290, { type: "pinged", nonce: 2 });
    driver.pong(300, 1);
    expect(driver.machine.wakeAt).toBe(400);
  });

  it("of 0 cuts as soon as nothing is under way, without another Ping", () => {
    const idle = new Driver({ quiet: 0 });
    idle.at(0, "drain");
    expect(idle.pong(300)).toEqual(["cut"]);
    const busy = new Driver({ quiet: 0 }, { idle: false, reading: true });
    busy.at(0, "drain");
    expect(busy.pong(10)).toEqual([]);
    expect(busy.at(50, "idle")).toEqual(["cut"]);
  });

  it("of 0 cuts at the end of an unanswered barrier", () => {
    const driver = new Driver({ quiet: 0 });
    driver.at(0, "drain");
    expect(driver.wake()).toEqual({ at: 2_000, actions: ["cut"] });
  });

  it("counts from the last reply itself when the peer answers no Ping", () => {
    const driver = new Driver({}, { idle: false, reading: true });
    driver.at(0, "drain");
    driver.at(2_000, "tick");
    expect(driver.machine.wakeAt).toBe(5_000);
    expect(driver.at(2_500, "idle")).toEqual([]);
    expect(driver.wake()).toEqual({ at: 2_600, actions: ["cut"] });
  });

  it("of Infinity with patience of Infinity waits for the peer to leave", () => {
    const driver = new Driver({ quiet: Infinity, patience: Infinity });
    driver.at(0, "drain");
    driver.pong(10);
    expect(driver.machine.wakeAt).toBe(Infinity);
    expect(driver.at(1e9, "peer-close")).toEqual(["cut"]);
  });
});

describe("what is to be sent waits for our compressor", () => {
  it("and no clock of the barrier or of patience runs until its Ping can go out", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.at(1_900, "compressing");
    driver.at(3_800, "compressing");
    expect(driver.machine.wakeAt).toBe(5_800);
    driver.at(5_700, "compressing");
    driver.at(5_700, { type: "ping-sent", nonce: 1 });
    driver.pong(5_710);
    expect(driver.machine.unproven).toBe(false);
    // It is in the middle of a conversation, and has all of its patience for that.
    driver.at(5_800, "busy");
    expect(driver.machine.wakeAt).toBe(10_700);
  });

  it("and patience runs all the same once the peer was asked: a connection may never be quiet", () => {
    const driver = new Driver({}, { idle: false, reading: true });
    driver.at(0, "drain");
    driver.at(0, { type: "ping-sent", nonce: 1 });
    driver.at(1_000, "compressing");
    driver.pong(1_010);
    driver.at(4_000, "compressing");
    expect(driver.wake()).toEqual({ at: 5_000, actions: ["cut"] });
  });

  it("and last call cuts all the same", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.at(1_900, "compressing");
    expect(driver.at(2_000, "last-call")).toEqual(["cut", HANDED_BACK]);
    expect(driver.machine.unproven).toBe(true);
  });
});

describe("a peer that has vanished behind the barrier", () => {
  /** It has answered the barrier's Ping, and our last reply has gone out. */
  function answered(): Driver {
    const driver = new Driver({}, { idle: false, reading: true });
    driver.at(0, "drain");
    driver.pong(10);
    driver.at(400, "idle");
    return driver;
  }

  it("is cut when it does not answer the Ping for quiet either, as soon as at the barrier", () => {
    const driver = answered();
    expect(driver.wake()).toEqual({ at: 2_400, actions: ["cut"] });
    expect(driver.machine.unproven).toBe(false);
  });

  it("is gone six seconds behind our last reply, and not nine", () => {
    const driver = answered();
    driver.wake();
    driver.at(2_400, "handler-settled");
    driver.at(2_400, "sent");
    expect(driver.wake()).toEqual({ at: 5_400, actions: ["fin"] });
    expect(driver.wake()).toEqual({ at: 6_400, actions: ["destroy"] });
  });

  it("is cut as soon when it reads nothing of what a handler waits to send", () => {
    const driver = new Driver({}, { idle: false, reading: true });
    driver.at(0, "drain");
    driver.pong(10);
    driver.at(100, "unsent");
    expect(driver.wake()).toEqual({ at: 2_100, actions: ["cut"] });
    expect(driver.wake()).toEqual({ at: 5_100, actions: ["abort", "destroy"] });
  });

  it("is looked for in the kernel before: one that reads slowly is waited for", () => {
    const driver = answered();
    for (const at of [2_400, 4_400]) {
      driver.kernel.acknowledged += 1_000;
      expect(driver.wake()).toEqual({ at, actions: [] });
    }
    driver.pong(4_500);
    expect(driver.machine.wakeAt).toBe(4_600);
  });

  it("is not blamed while our back-pressure holds the socket", () => {
    const driver = answered();
    driver.at(1_000, "paused");
    expect(driver.machine.wakeAt).toBe(5_000);
    driver.at(2_500, "resumed");
    expect(driver.machine.wakeAt).toBe(4_500);
  });

  it("is given until patience ends when that is sooner", () => {
    const driver = new Driver({ patience: 1_000 });
    driver.at(0, "drain");
    driver.at(1, "busy");
    driver.pong(10);
    driver.at(20, "idle");
    expect(driver.wake()).toEqual({ at: 1_000, actions: ["cut"] });
  });
});

describe("patience", () => {
  it("cuts a peer that is never quiet, counted from its own start of draining", () => {
    const driver = new Driver({}, { idle: false, reading: true });
    driver.at(1_000, "drain");
    driver.pong(1_010);
    expect(driver.wake()).toEqual({ at: 6_000, actions: ["cut"] });
    expect(driver.machine.unproven).toBe(false);
  });

  it("ends the wait for the barrier as well", () => {
    const driver = new Driver({ patience: 500 });
    driver.at(0, "drain");
    expect(driver.wake()).toEqual({ at: 500, actions: ["cut"] });
    expect(driver.machine.unproven).toBe(true);
  });

  it("drops nothing: what is queued before the cut is served until last call", async () => {
    const { connection } = await runOne(
      { peer: { steps: sends(0, 0, 0, 0, 0, 0) }, handler: { work: [1_000] } },
      { shutdownAt: 20, drain: { patience: 500, deadline: 20_000 } },
    );
    expect(connection.performedFirst("cut")!.at).toBe(520);
    expect(connection.counts).toMatchObject({ served: 6, handedBack: 0 });
    expect(connection.settledAt).toBe(6_010);
  });
});

describe("last call", () => {
  it("hands back what waits and lets finish what runs", async () => {
    const { connection } = await runOne(
      { peer: { steps: sends(0, 0, 0, 0, 0, 0) }, handler: { work: [1_000] } },
      { shutdownAt: 20, drain: { deadline: 20_000, lastCall: 2_500 } },
    );
    expect(connection.counts).toEqual({ served: 3, handedBack: 3, undelivered: 0, abandoned: 0 });
    expect(connection.settledAt).toBe(3_010);
    expect(connection.peer.closedBy).toMatchObject({ code: 1012, repliesBefore: 3 });
  });

  it("hands back even where our Close has been sent: the queue may outlive it", () => {
    const driver = new Driver({ closeReplyTimeout: 10 });
    driver.at(0, "peer-close");
    driver.at(10, "tick");
    expect(driver.at(20, "last-call")).toEqual([HANDED_BACK]);
  });
});

describe("a peer far away", () => {
  it("150 ms off, in a closed loop, is not cut in the middle of its conversation", async () => {
    for (const think of [0, 100, 500, 599]) {
      const { connection, world } = await runOne(
        {
          peer: { delay: 150, steps: sends(0), conversation: { messages: 9, think } },
          handler: { work: [20] },
        },
        { shutdownAt: 400, drain: { patience: 20_000 } },
      );
      expect(connection.peer.replies.length, `thinking for ${think} ms`).toBe(10);
      expect(connection.counts.handedBack).toBe(0);
      expect(connection.peer.closedBy!.code).toBe(1012);
      expect(world.report!.outcome).toBe("clean");
    }
  });

  it("that thinks for less than quiet or twice its round trip is never cut before patience; the cut comes then exactly", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          delay: fc.integer({ min: 1, max: 300 }),
          share: fc.double({ min: 0, max: 0.99, noNaN: true }),
        }),
        fc.record({ quiet: fc.integer({ min: 1, max: 800 }), work: fc.nat(100), shutdownAt: fc.nat(2_000) }),
        fc.nat(8),
        async ({ delay, share }, { quiet, work, shutdownAt }, messages) => {
          const wait = Math.max(quiet, 4 * delay);
          const { connection } = await runOne(
            {
              peer: { delay, steps: sends(0), conversation: { messages, think: Math.floor(share * wait) } },
              handler: { work: [work] },
            },
            { shutdownAt, drain: { quiet, patience: 60_000, deadline: 100_000, barrierTimeout: 60_000 } },
          );
          const finished = connection.delivered.at(-1)!.at + work;
          // The conversation, unless it had been over for long when the drain began.
          expect(connection.counts.handedBack).toBe(0);
          expect(connection.counts.served).toBe(messages + 1);
          // Our last reply and the Ping behind it go there, the Pong comes back, and then it is quiet.
          if (finished > shutdownAt + 2 * delay) {
            expect(connection.performedFirst("cut")!.at).toBe(finished + 2 * delay + wait);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("with an inbox that is full when the drain begins", () => {
  it("the barrier is proven all the same, though its Pong lies unread for longer than barrierTimeout", async () => {
    const { connection } = await runOne(
      {
        peer: { steps: sends(...Array.from({ length: 12 }, () => 0)) },
        handler: { work: [400] },
        inboxLimit: 2,
      },
      { shutdownAt: 50, drain: { barrierTimeout: 500, patience: 10_000 } },
    );
    expect(connection.machine!.unproven).toBe(false);
    expect(connection.counts).toMatchObject({ served: 12, handedBack: 0 });
  });

  it("is read again after the cut, to the end of what the peer sent", async () => {
    const { connection } = await runOne(
      {
        peer: { steps: sends(...Array.from({ length: 12 }, () => 0)) },
        handler: { work: [400] },
        inboxLimit: 2,
      },
      { shutdownAt: 50, drain: { patience: 1_000 } },
    );
    expect(connection.received.length).toBe(12);
    expect(connection.counts.handedBack).toBeGreaterThan(0);
    expect(connection.machine!.end).toBe("closed");
  });
});
