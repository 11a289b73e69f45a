/** The machine of one connection's end: each transition a sentence. */
import { describe, expect, it } from "vitest";
import { HEARD_AFTER_CLOSE } from "../../src/drain/ending-machine.js";
import { UNHURRIED } from "../../src/drain/progress.js";
import { Driver } from "./driver.js";

const HANDED_BACK = "drop-queue handed back";
const DRAIN_CLOSE = "close 1012 service restart";

/** A machine in `ending`: drained at 0, proven and quiet at 10, cut at 110. */
function ending(options = {}): Driver {
  const driver = new Driver(options);
  driver.at(0, "drain");
  driver.pong(10);
  driver.at(110, "tick");
  return driver;
}

/** A machine in `closing`: as above, its handler settled at 200. */
function closing(options = {}): Driver {
  const driver = ending(options);
  driver.at(200, { type: "handler-settled", failed: false });
  return driver;
}

describe("open", () => {
  it("begins to drain with a Ping, the barrier", () => {
    const driver = new Driver();
    expect(driver.state).toBe("open");
    expect(driver.machine.wakeAt).toBe(Infinity);
    expect(driver.at(5, "drain")).toEqual(["ping"]);
    expect(driver.state).toBe("draining");
  });

  it("closes with 1000 when its handler returns, outside a shutdown", () => {
    const driver = new Driver();
    expect(driver.at(5, "handler-settled")).toEqual(["cut", HANDED_BACK, "close 1000", "abort"]);
    expect(driver.state).toBe("closing");
  });

  it("closes with 1011 when its handler throws, outside a shutdown and inside", () => {
    for (const before of [[], ["drain"]] as const) {
      const driver = new Driver();
      for (const event of before) driver.at(0, event);
      expect(driver.at(5, { type: "handler-settled", failed: true })).toContain("close 1011 internal error");
    }
  });

  it("closes with the application's code and hands back what waits", () => {
    const driver = new Driver();
    expect(driver.at(5, "close")).toEqual(["cut", HANDED_BACK, "close 3000 moved", "abort"]);
    expect(driver.at(6, "close")).toEqual([]);
  });

  it("is cut when the peer closes, and echoes its code once the handler has settled", () => {
    const driver = new Driver();
    expect(driver.at(5, "peer-close")).toEqual(["cut"]);
    expect(driver.state).toBe("ending");
    expect(driver.at(9, "handler-settled")).toEqual([HANDED_BACK, "close 1001", "abort", "fin"]);
    expect(driver.state).toBe("lingering");
  });

  it("is cut when the stream breaks, and tells why once the handler has settled, with FIN right behind", () => {
    const driver = new Driver();
    expect(driver.at(5, "violation")).toEqual(["cut"]);
    expect(driver.at(9, "handler-settled")).toEqual([
      HANDED_BACK,
      "close 1002 reserved bits are set",
      "abort",
      "fin",
    ]);
    expect(driver.at(9, "violation")).toEqual([]);
  });

  it("is cut when the peer ends TCP, and still sends what the handler makes of it", () => {
    const driver = new Driver();
    expect(driver.at(5, "peer-end")).toEqual(["cut"]);
    expect(driver.at(9, "handler-settled")).toEqual([HANDED_BACK, "close 1000", "abort", "fin"]);
    driver.at(10, "socket-closed");
    expect(driver.machine.end).toBe("left");
    expect(driver.machine.unproven).toBe(false);
  });

  it("is destroyed when its peer is found dead, and ends as forced", () => {
    const driver = new Driver();
    expect(driver.at(5, "fail")).toEqual(["abort", "destroy"]);
    expect(driver.at(5, "fail")).toEqual([]);
    expect(driver.at(6, "socket-closed")).toEqual(["cut"]);
    expect(driver.at(7, "handler-settled")).toEqual([HANDED_BACK, "closed"]);
    expect(driver.machine.end).toBe("forced");
  });

  it("sends no Close into a socket that it has just destroyed", () => {
    const driver = new Driver();
    driver.at(5, "fail");
    expect(driver.at(5, "close")).toEqual([]);
    expect(driver.at(5, "violation")).toEqual([]);
    expect(driver.at(5, "handler-settled")).toEqual(["cut", HANDED_BACK]);
    expect(driver.at(6, "socket-closed")).toEqual(["closed"]);
    expect(driver.machine.end).toBe("forced");
  });

  it("aborts when its socket dies, and is over when its handler has settled", () => {
    const driver = new Driver();
    expect(driver.at(5, { type: "socket-closed", reset: true })).toEqual(["cut", "abort"]);
    expect(driver.machine.reset).toBe(true);
    expect(driver.at(9, "handler-settled")).toEqual([HANDED_BACK, "closed"]);
    expect(driver.machine.end).toBe("left");
    expect(driver.machine.wasClean).toBe(false);
  });

  it("at last call begins to drain and is cut at once, unproven", () => {
    const driver = new Driver();
    expect(driver.at(5, "last-call")).toEqual(["ping", "cut", HANDED_BACK]);
    expect(driver.state).toBe("ending");
    expect(driver.machine.unproven).toBe(true);
  });
});

describe("draining", () => {
  it("takes the options that come with the drain", () => {
    const driver = new Driver({ code: 1012, quiet: 1_000 });
    const options = { patience: 50, quiet: 10, barrierTimeout: 20, closeTimeout: 1, lingerTimeout: 1 };
    driver.at(0, {
      type: "drain",
      options: { ...options, code: 4000, reason: "bye", closeReplyTimeout: 1, goneTimeout: 1 },
    });
    expect(driver.machine.wakeAt).toBe(20);
    driver.at(5, "handler-settled");
    expect(driver.machine.wakeAt).toBe(6);
  });

  it("does not begin a second time", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    expect(driver.at(1, "drain")).toEqual([]);
    expect(driver.machine.wakeAt).toBe(2_000);
  });

  it("is cut when the peer closes, which proves the barrier", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    expect(driver.at(5, "peer-close")).toEqual(["cut"]);
    expect(driver.machine.unproven).toBe(false);
  });

  it("is cut when the peer ends TCP, which proves nothing", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    expect(driver.at(5, "peer-end")).toEqual(["cut"]);
    expect(driver.machine.unproven).toBe(true);
  });

  it("closes at once when its handler returns", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    expect(driver.at(5, "handler-settled")).toEqual(["cut", HANDED_BACK, DRAIN_CLOSE, "abort"]);
    expect(driver.machine.unproven).toBe(false);
  });

  it("is cut at last call, unproven if no Pong had come", () => {
    const unanswered = new Driver();
    unanswered.at(0, "drain");
    expect(unanswered.at(9, "last-call")).toEqual(["cut", HANDED_BACK]);
    expect(unanswered.machine.unproven).toBe(true);
    const answered = new Driver();
    answered.at(0, "drain");
    answered.pong(5);
    answered.at(9, "last-call");
    expect(answered.machine.unproven).toBe(false);
  });
});

describe("ending", () => {
  it("waits for its handler without end, as long as nothing is unsent", () => {
    const driver = ending();
    expect(driver.state).toBe("ending");
    expect(driver.machine.wakeAt).toBe(Infinity);
  });

  it("hands back what waits at last call", () => {
    expect(ending().at(500, "last-call")).toEqual([HANDED_BACK]);
  });

  it("closes with the drain's code and reason when its handler has settled", () => {
    expect(ending().at(200, "handler-settled")).toEqual([HANDED_BACK, DRAIN_CLOSE, "abort"]);
  });

  it("is unproven when it had ended without Close before the drain reached it", () => {
    const driver = new Driver();
    driver.at(0, "peer-end");
    expect(driver.at(1, "drain")).toEqual([]);
    expect(driver.machine.unproven).toBe(true);
  });

  it("needs no proof when the peer had closed, or broken the stream, before the drain reached it", () => {
    for (const event of ["peer-close", "violation"] as const) {
      const driver = new Driver();
      driver.at(0, event);
      expect(driver.at(1, "drain")).toEqual([]);
      expect(driver.machine.unproven).toBe(false);
    }
  });

  it("destroys a peer that reads nothing for closeTimeout, but only during a drain", () => {
    const drained = ending();
    drained.at(150, "unsent");
    drained.at(160, "progress");
    expect(drained.wake()).toEqual({ at: 3_160, actions: ["abort", "destroy"] });
    expect(drained.machine.wakeAt).toBe(Infinity);
    const unhurried = new Driver();
    unhurried.at(0, "unsent");
    unhurried.at(0, "peer-end");
    unhurried.at(20_000, "tick");
    // Its goneTimeout.
    expect(unhurried.machine.wakeAt).toBe(30_000);
  });
});

describe("the peer's Close and its handler", () => {
  it("is answered after closeReplyTimeout while serving goes on", () => {
    const driver = new Driver();
    driver.at(100, "peer-close");
    driver.at(600, "tick");
    expect(driver.wake()).toEqual({ at: 5_100, actions: ["close 1001", "fin"] });
    expect(driver.at(9_000, "handler-settled")).toEqual([HANDED_BACK]);
  });

  it("is heard for half a second behind its Close: then whoever works for it is told", () => {
    const driver = new Driver();
    driver.at(100, "peer-close");
    expect(driver.wake()).toEqual({ at: 100 + HEARD_AFTER_CLOSE, actions: ["abort"] });
    expect(driver.machine.why?.cause).toBe("client-closed");
  });

  it("is not answered into a socket that is gone, and nobody is woken for it", () => {
    const driver = new Driver();
    driver.at(100, "peer-close");
    driver.at(200, "socket-closed");
    expect(driver.machine.wakeAt).toBe(30_100);
    expect(driver.at(5_100, "tick")).toEqual([]);
  });

  it("after last call hands back what still waits behind the answer", () => {
    const driver = new Driver();
    driver.at(100, "peer-close");
    driver.at(5_100, "tick");
    expect(driver.at(6_000, "last-call")).toEqual([HANDED_BACK]);
  });

  it("makes way for an application that closes with a code of its own", () => {
    const driver = new Driver();
    driver.at(100, "peer-close");
    expect(driver.at(200, "close")).toEqual([HANDED_BACK, "close 3000 moved", "abort", "fin"]);
  });
});

describe("a peer that is gone", () => {
  it("is served for goneTimeout, counted from its first sign of leaving", () => {
    const driver = new Driver({ closeReplyTimeout: 60_000 });
    driver.at(100, "peer-close");
    driver.at(2_000, "peer-end");
    driver.at(3_000, "socket-closed");
    expect(driver.machine.gaveUp).toBe(false);
    expect(driver.wake()).toEqual({ at: 30_100, actions: [HANDED_BACK] });
    expect(driver.machine.gaveUp).toBe(true);
    expect(driver.machine.wakeAt).toBe(Infinity);
  });

  it("aborts the signal of a handler that still works for it", () => {
    const driver = new Driver({ closeReplyTimeout: 60_000 });
    driver.at(100, "peer-end");
    expect(driver.at(30_100, "tick")).toEqual([HANDED_BACK, "abort", "close 1000", "fin"]);
  });

  it("is closed when nothing of its is in hand any more, though its handler goes on", () => {
    const driver = new Driver({ closeReplyTimeout: 60_000 });
    driver.at(50, "busy");
    driver.at(100, "peer-end");
    expect(driver.at(30_100, "tick")).toEqual([HANDED_BACK, "abort"]);
    expect(driver.machine.wakeAt).toBe(Infinity);
    expect(driver.machine.awaitsHandler).toBe(true);
    expect(driver.at(45_000, "idle")).toEqual(["close 1000", "fin"]);
    expect(driver.machine.awaitsHandler).toBe(false);
  });

  it("is answered within closeReplyTimeout, and no sooner, when it had closed or broken the stream", () => {
    for (const event of ["peer-close", "violation"] as const) {
      const driver = new Driver({ closeReplyTimeout: 5_000, goneTimeout: 1_000 });
      driver.at(0, event);
      driver.at(10, "peer-end");
      expect(driver.at(1_010, "tick")).not.toContain("close 1000");
      expect(driver.state).toBe("ending");
      driver.at(5_000, "tick");
      expect(driver.state).toBe("lingering");
    }
  });

  it("is given up as well when our Close for a broken stream came before it left", () => {
    const driver = new Driver({ closeReplyTimeout: 10, goneTimeout: 500 });
    driver.at(100, "violation");
    driver.at(110, "tick");
    driver.at(120, "peer-end");
    driver.at(130, "socket-closed");
    expect(driver.wake()).toEqual({ at: 620, actions: [HANDED_BACK] });
  });

  it("is nobody to wait for once the handler has settled", () => {
    const driver = new Driver();
    driver.at(100, "peer-end");
    driver.at(200, "handler-settled");
    expect(driver.at(201, "socket-closed")).toEqual(["closed"]);
    expect(driver.machine.wakeAt).toBe(Infinity);
  });
});

describe("a peer that ended TCP while something of its is in hand", () => {
  it("is asked whether it is there, each time after twice as long, until it is known to be gone", () => {
    const driver = new Driver();
    driver.at(1_000, "peer-end");
    const asked = [driver.wake(), driver.wake(), driver.wake(), driver.wake()];
    expect(asked.map(({ at }) => at)).toEqual([1_100, 1_200, 1_400, 1_800]);
    expect(asked.flatMap(({ actions }) => actions)).toEqual(Array.from({ length: 4 }, () => "probe"));
    expect(driver.at(1_810, { type: "socket-closed", reset: true, detail: "EPIPE" })).toEqual(["abort"]);
    expect(driver.machine.wakeAt).toBe(31_000);
    expect(driver.machine.why).toEqual({ cause: "client-left", detail: "" });
  });

  it("is asked nothing once its handler is done, nor when our Close had been sent before", () => {
    const quick = new Driver();
    quick.at(0, "peer-end");
    quick.at(10, "handler-settled");
    expect(quick.at(100, "tick")).toEqual([]);
    const closed = new Driver();
    closed.at(0, "close");
    closed.at(10, "peer-end");
    expect(closed.at(110, "tick")).toEqual([]);
  });
});

describe("closing", () => {
  it("sends FIN when the peer's Close has come, and is clean", () => {
    const driver = closing();
    expect(driver.machine.wasClean).toBe(false);
    expect(driver.at(250, "peer-close")).toEqual(["fin"]);
    expect(driver.state).toBe("lingering");
    expect(driver.at(260, "socket-closed")).toEqual(["closed"]);
    expect(driver.machine.wasClean).toBe(true);
    expect(driver.machine.end).toBe("closed");
  });

  it("sends FIN when the peer ends TCP without Close, and is not confirmed", () => {
    const driver = closing();
    expect(driver.at(250, "peer-end")).toEqual(["fin"]);
    driver.at(260, "socket-closed");
    expect(driver.machine.end).toBe("unconfirmed");
  });

  it("is not confirmed when the socket dies", () => {
    const driver = closing();
    expect(driver.at(250, { type: "socket-closed", reset: true })).toEqual(["closed"]);
    expect(driver.machine.end).toBe("unconfirmed");
    expect(driver.machine.reset).toBe(true);
  });

  it("sends FIN after closeTimeout when everything is sent and no Close comes, and confirms a late one", () => {
    const driver = closing();
    expect(driver.wake()).toEqual({ at: 3_200, actions: ["fin"] });
    expect(driver.at(3_300, "peer-close")).toEqual([]);
    driver.at(3_301, "socket-closed");
    expect(driver.machine.end).toBe("closed");
  });

  it("destroys after closeTimeout when the peer reads nothing", () => {
    const driver = closing();
    driver.at(200, "unsent");
    expect(driver.wake()).toEqual({ at: 3_200, actions: ["destroy"] });
    driver.at(3_200, "socket-closed");
    expect(driver.machine.end).toBe("forced");
  });

  it("gives peers 30 s outside a shutdown, and the drain's time from the moment that one begins", () => {
    const driver = new Driver();
    driver.at(100, "handler-settled");
    expect(driver.machine.wakeAt).toBe(100 + UNHURRIED.closeTimeout);
    expect(driver.at(20_000, "drain")).toEqual([]);
    expect(driver.machine.wakeAt).toBe(23_000);
  });

  it("drains no further: neither drain nor last call changes it", () => {
    const driver = closing();
    expect(driver.at(210, "drain")).toEqual([]);
    expect(driver.at(220, "last-call")).toEqual([HANDED_BACK]);
    expect(driver.state).toBe("closing");
  });
});

describe("lingering", () => {
  it("goes on for closeTimeout behind each sign that the peer still reads what the kernel holds", () => {
    const driver = closing();
    driver.at(250, "peer-close");
    driver.at(1_000, "progress");
    expect(driver.machine.wakeAt).toBe(4_000);
    driver.at(3_900, "progress");
    expect(driver.wake()).toEqual({ at: 6_900, actions: ["destroy"] });
  });

  it("waits for the peer's FIN for lingerTimeout, then destroys", () => {
    const driver = closing();
    driver.at(250, "peer-close");
    expect(driver.wake()).toEqual({ at: 1_250, actions: ["destroy"] });
    driver.at(1_250, "socket-closed");
    expect(driver.machine.end).toBe("closed");
  });

  it("waits for 30 s outside a shutdown", () => {
    const driver = new Driver();
    driver.at(100, "peer-close");
    driver.at(100, "handler-settled");
    expect(driver.wake()).toEqual({ at: 100 + UNHURRIED.closeTimeout, actions: ["destroy"] });
    driver.at(30_101, "socket-closed");
    expect(driver.machine.end).toBe("left");
  });

  it("counts from the last byte sent, and gives up on a peer that reads nothing after closeTimeout", () => {
    const driver = closing();
    driver.at(200, "unsent");
    driver.at(250, "peer-close");
    expect(driver.machine.wakeAt).toBe(3_200);
    driver.at(2_000, "sent");
    expect(driver.wake()).toEqual({ at: 3_000, actions: ["destroy"] });
  });

  it("ends as forced when the peer closed first and then read nothing", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.at(1, "unsent");
    driver.at(2, "peer-close");
    driver.at(3, "handler-settled");
    expect(driver.wake()).toEqual({ at: 3_003, actions: ["destroy"] });
    driver.at(3_004, "socket-closed");
    expect(driver.machine.end).toBe("forced");
  });

  it("takes a reset behind the peer's FIN for what it is: an answer from someone who had left", () => {
    const driver = new Driver();
    driver.at(1, "peer-end");
    driver.at(2, "handler-settled");
    driver.at(3, { type: "socket-closed", reset: true });
    expect(driver.machine.reset).toBe(false);
    expect(driver.machine.end).toBe("left");
  });

  it("needs its handler to be over, when the application closed while it ran", () => {
    const driver = new Driver();
    driver.at(1, "close");
    driver.at(2, "peer-close");
    expect(driver.at(3, "socket-closed")).toEqual([]);
    expect(driver.state).toBe("lingering");
    expect(driver.at(9, "handler-settled")).toEqual([HANDED_BACK, "closed"]);
    expect(driver.machine.end).toBe("closed");
  });
});

describe("forced", () => {
  it("flushes without Close, and destroys 200 ms later", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    expect(driver.at(10, "force")).toEqual(["abort", "cut", "drop-queue abandoned", "flush"]);
    expect(driver.state).toBe("forced");
    expect(driver.wake()).toEqual({ at: 210, actions: ["destroy"] });
    expect(driver.at(211, "socket-closed")).toEqual([]);
    expect(driver.at(250, "handler-settled")).toEqual(["closed"]);
    expect(driver.machine.end).toBe("forced");
  });

  it("cuts nothing twice, and has no socket to flush when that is gone", () => {
    const driver = ending();
    driver.at(150, "socket-closed");
    expect(driver.at(200, "force")).toEqual(["drop-queue abandoned"]);
    expect(driver.machine.wakeAt).toBe(Infinity);
  });

  it("sends no Close for anything that happens now", () => {
    const driver = ending();
    driver.at(200, "force");
    for (const event of [
      "peer-close",
      "close",
      "violation",
      "peer-end",
      "last-call",
      "drain",
      "force",
    ] as const) {
      expect(driver.at(210, event), event).toEqual([]);
    }
    expect(driver.at(220, "handler-settled")).toEqual([]);
    expect(driver.at(230, "socket-closed")).toEqual(["closed"]);
    expect(driver.machine.end).toBe("forced");
  });

  it("gives no more time to a peer that was about to be given up, and is not told twice", () => {
    const driver = closing();
    driver.at(300, "force");
    driver.at(400, "force");
    driver.at(450, "progress");
    expect(driver.machine.wakeAt).toBe(500);
  });

  it("leaves what was already clean counted as that, and only stops waiting for TCP", () => {
    const driver = closing();
    driver.at(250, "peer-close");
    expect(driver.at(300, "force")).toEqual(["drop-queue abandoned", "flush"]);
    expect(driver.at(350, "force")).toEqual([]);
    expect(driver.wake()).toEqual({ at: 500, actions: ["destroy"] });
    driver.at(501, "socket-closed");
    expect(driver.machine.end).toBe("closed");
  });
});

describe("closed", () => {
  it("takes nothing any more", () => {
    const driver = closing();
    driver.at(250, "peer-close");
    driver.at(260, "socket-closed");
    expect(driver.state).toBe("closed");
    for (const event of [
      "drain",
      "idle",
      "busy",
      "force",
      "fail",
      "tick",
      "socket-closed",
      "last-call",
    ] as const) {
      expect(driver.at(300, event), event).toEqual([]);
    }
    expect(driver.machine.wakeAt).toBe(Infinity);
  });
});
