/** From Close to the last byte: who is waited for, for how long, and what counts as progress. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Driver } from "./driver.js";
import type { PeerStep } from "../virtual/virtual-peer.js";
import { runOne, sends } from "../virtual/world.js";

const burst = (messages: number): PeerStep[] => sends(...Array.from({ length: messages }, () => 0));

function closing(): Driver {
  const driver = new Driver();
  driver.at(0, "drain");
  driver.at(0, "handler-settled");
  driver.at(0, "unsent");
  return driver;
}

describe("progress", () => {
  it("restarts closeTimeout: a write callback, the end of what waited, the Pong of a Ping in bulk", () => {
    const driver = closing();
    expect(driver.machine.wakeAt).toBe(3_000);
    driver.at(2_000, "progress");
    expect(driver.machine.wakeAt).toBe(5_000);
    driver.pong(4_000);
    expect(driver.machine.wakeAt).toBe(7_000);
    driver.at(6_000, "sent");
    expect(driver.machine.wakeAt).toBe(9_000);
  });

  it("is what the peer's side has acknowledged since the kernel was looked at last", () => {
    const driver = closing();
    driver.at(0, "sent");
    driver.kernel = { acknowledged: 1_000, unacknowledged: 9_000 };
    expect(driver.at(2_900, "tick")).toEqual([]);
    expect(driver.machine.wakeAt).toBe(5_900);
    driver.kernel = { acknowledged: 1_001, unacknowledged: 8_999 };
    expect(driver.wake()).toEqual({ at: 5_900, actions: [] });
    // The same again, or less, is none.
    driver.kernel = { acknowledged: 900, unacknowledged: 10_000 };
    expect(driver.wake()).toEqual({ at: 8_900, actions: ["fin"] });
    expect(driver.wake()).toEqual({ at: 9_900, actions: ["destroy"] });
    driver.at(9_901, "socket-closed");
    expect(driver.machine.end).toBe("forced");
  });

  it("is not what the peer sends after Close", () => {
    const driver = closing();
    for (const event of ["busy", "idle", "paused", "resumed"] as const) driver.at(2_000, event);
    driver.pong(2_000);
    driver.pong(2_500); // the same again says nothing
    expect(driver.machine.wakeAt).toBe(5_000);
  });

  it("holds a peer that sends through our Close, and reads nothing, for closeTimeout and not longer", async () => {
    const chatter = Array.from({ length: 100 }, (_, index) => ({ at: 100 * index, what: "send" as const }));
    const { connection } = await runOne(
      {
        peer: { steps: chatter, sendsThroughClose: true, readTime: Infinity, answersPing: false },
        handler: { work: [0] },
      },
      { drain: { patience: 1_000 } },
    );
    const close = connection.performedFirst("close")!;
    // All of it fits into the kernel, so FIN follows Close before the socket is given up.
    expect(connection.performedFirst("destroy")!.at).toBe(close.at + 3_000 + 1_000);
    expect(connection.received.length).toBe(connection.counts.served + connection.counts.handedBack);
    expect(connection.counts.handedBack).toBeGreaterThan(30);
  });
});

describe("a slow reader", () => {
  it("that lives is not cut off before the deadline, however long it takes", async () => {
    const { connection, world } = await runOne(
      { peer: { steps: burst(60), readTime: 250 }, kernelBuffer: 4 },
      { shutdownAt: 50, drain: { patience: 500 } },
    );
    expect(connection.peer.replies.length).toBe(60);
    expect(connection.closedAt).toBeGreaterThan(15_000);
    expect(connection.performedFirst("destroy")).toBeUndefined();
    expect(world.report!.outcome).toBe("clean");
  });

  it("whose kernel holds everything is seen to live by what it acknowledges", async () => {
    const { connection } = await runOne(
      { peer: { steps: burst(60), readTime: 200 }, kernelBuffer: 20 },
      { shutdownAt: 0, drain: { patience: 500, closeTimeout: 2_500 } },
    );
    const sentAt = connection.events.findLast(({ type }) => type === "sent")!.at;
    expect(connection.closedAt).toBeGreaterThan(sentAt + 2_500);
    expect(connection.peer.replies.length).toBe(60);
    expect(connection.machine!.end).toBe("closed");
  });

  it("that stops reading holds us for closeTimeout, and is told as unsent", async () => {
    const { connection, world } = await runOne(
      { peer: { steps: burst(10), readTime: Infinity }, kernelBuffer: 4, handler: { work: [0] } },
      { shutdownAt: 50, drain: { patience: 500 } },
    );
    expect(connection.settledAt).toBe(550);
    expect(connection.performedFirst("destroy")!.at).toBe(3_550);
    const report = world.report!;
    expect(report.outcome).toBe("forced");
    expect(connection.counts).toMatchObject({ served: 10, undelivered: 10 });
    expect(report.messages).toMatchObject({ served: 0, undelivered: 10 });
    expect(report.troubled[0]).toMatchObject({ reason: "unsent", queued: 0, running: 0 });
  });
});

describe("a peer that misbehaves at the end", () => {
  it("silent to Close gets FIN after closeTimeout and is destroyed lingerTimeout later", async () => {
    const { connection } = await runOne({ peer: { answersClose: false, endsTcp: false } });
    const close = connection.performedFirst("close")!;
    expect(connection.performedFirst("fin")!.at).toBe(close.at + 3_000);
    expect(connection.performedFirst("destroy")!.at).toBe(close.at + 4_000);
    expect(connection.machine!.end).toBe("unconfirmed");
  });

  it("that answers Close and never ends TCP lingers for lingerTimeout", async () => {
    const { connection } = await runOne({ peer: { endsTcp: false } });
    const fin = connection.performedFirst("fin")!;
    expect(connection.performedFirst("destroy")!.at).toBe(fin.at + 1_000);
    expect(connection.machine!.end).toBe("closed");
  });

  it("that leaves by Close, by FIN or by both with requests pipelined has them all served", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.subarray(["close", "fin"] as const, { minLength: 1 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(150),
        fc.nat(2_000),
        async (leaves, messages, work, shutdownAt) => {
          const steps: PeerStep[] = [...burst(messages), ...leaves.map((what) => ({ at: 0, what }))];
          const { connection, world } = await runOne(
            { peer: { steps }, handler: { work: [work] } },
            { shutdownAt },
          );
          expect(connection.counts).toEqual({
            served: messages,
            handedBack: 0,
            undelivered: 0,
            abandoned: 0,
          });
          expect(connection.peer.replies.length).toBe(messages);
          expect(connection.machine!.end).toBe("left");
          expect(world.report!.outcome).toBe("clean");
        },
      ),
      { numRuns: 300 },
    );
  });

  it("that resets has what was received served, and is told as reset", async () => {
    const { connection, world } = await runOne(
      { peer: { steps: [...burst(5), { at: 1, what: "reset" }] }, handler: { work: [100] } },
      { shutdownAt: 50 },
    );
    expect(connection.counts).toEqual({ served: 5, handedBack: 0, undelivered: 5, abandoned: 0 });
    expect(world.report!.troubled).toMatchObject([{ reason: "reset" }]);
  });

  it("that closes and vanishes while it is served for long wakes nobody until goneTimeout", async () => {
    const { connection } = await runOne(
      {
        peer: { steps: [...burst(3), { at: 0, what: "close" }, { at: 0, what: "leave" }] },
        handler: { work: [8_000] },
      },
      { shutdownAt: Infinity },
    );
    expect(connection.counts.served).toBe(3);
    expect(connection.events.filter(({ type }) => type === "tick").length).toBeLessThan(4);
  });
});

describe("forced at the deadline", () => {
  it("sends what waits without Close, aborts, destroys 200 ms later, and names what was held", async () => {
    const { connection, world } = await runOne(
      { peer: { steps: burst(5), readTime: 1_000 }, kernelBuffer: 1, handler: { work: [0, 0, Infinity] } },
      { shutdownAt: 50, drain: { deadline: 1_000, lastCall: 1_000, patience: 500 } },
    );
    expect(connection.performed.filter(({ at }) => at >= 1_050).map(({ type }) => type)).toEqual([
      "abort",
      "drop-queue",
      "flush",
      "look",
      "destroy",
    ]);
    expect(connection.socketClosedAt).toBe(1_250);
    expect(connection.peer.closedBy).toBeUndefined();
    expect(connection.counts.served).toBe(2);
    expect(world.report!).toMatchObject({
      outcome: "forced",
      messages: { served: 0, handedBack: 0, abandoned: 3 },
      troubled: [{ id: "1", reason: "handler", queued: 2, running: 1 }],
    });
  });
});
