import { describe, expect, it } from "vitest";
import { CauseKeeper, causeOfViolation, describeWhy } from "../../src/drain/cause.js";
import { SLOW_CONSUMER_TIMEOUT } from "../../src/drain/ending-machine.js";
import type { EndingEvent } from "../../src/drain/events.js";
import { Driver } from "./driver.js";

describe("which of several causes counts", () => {
  it("is the first that begins to end the connection", () => {
    const keeper = new CauseKeeper();
    expect(keeper.why).toBeUndefined();
    keeper.begin("returned");
    keeper.begin("client-closed", "later");
    expect(keeper.why).toEqual({ cause: "returned", detail: "" });
  });

  it("is what breaks it off before that is done, and of several such things the first", () => {
    const keeper = new CauseKeeper();
    keeper.begin("shutdown");
    keeper.breakOff("stalled", "nothing read");
    keeper.breakOff("forced");
    keeper.begin("closed");
    expect(keeper.why).toEqual({ cause: "stalled", detail: "nothing read" });
  });
});

describe("the machine knows why a connection ends", () => {
  /** The word after these events, a millisecond apart, each of them by its name or in full. */
  function causeAfter(...events: (EndingEvent | EndingEvent["type"])[]): string | undefined {
    const driver = new Driver();
    for (const [index, event] of events.entries()) driver.at(index, event);
    const { why } = driver.machine;
    return why === undefined ? undefined : [why.cause, why.detail].filter(Boolean).join(": ");
  }
  const reset: EndingEvent = { type: "socket-closed", reset: true, detail: "ECONNRESET" };
  const failed: EndingEvent = { type: "handler-settled", failed: true };
  const violation = (code: number): EndingEvent => ({ type: "violation", code, reason: "too much" });

  it.each<[string, (EndingEvent | EndingEvent["type"])[], string | undefined]>([
    ["nothing yet: it drains", ["drain"], undefined],
    ["the client's Close", ["drain", "peer-close", "handler-settled", reset], "client-closed"],
    ["the client's FIN, and its reset behind that", ["peer-end", reset], "client-left"],
    ["a reset", [reset], "reset: ECONNRESET"],
    ["a reset before our Close is answered", ["close", reset], "reset: ECONNRESET"],
    ["a socket that somebody destroyed", ["socket-closed"], "destroyed"],
    ["a broken frame, and a reset behind that", [violation(1002), reset], "protocol-error: too much"],
    ["what is not UTF-8", [violation(1007)], "invalid-payload: too much"],
    ["too many fragments", [violation(1008)], "too-many-fragments: too much"],
    ["too long a message", [violation(1009)], "message-too-big: too much"],
    ["a slow consumer", ["slow-consumer", "force"], "slow-consumer: 9 bytes waited"],
    ["a dead peer", ["fail", "socket-closed"], "heartbeat: silent"],
    ["the application", ["close", "peer-close", "force"], "closed"],
    ["its handler's return", ["handler-settled"], "returned"],
    ["its handler's failure, in a drain as well", ["drain", failed], "failed"],
    ["a drain", ["drain", "handler-settled", "peer-close", "fail"], "shutdown"],
    ["a forced stop", ["drain", "peer-close", "force", "fail"], "forced"],
  ])("%s", (_what, events, cause) => {
    expect(causeAfter(...events)).toBe(cause);
  });

  it("a client that reads nothing of what waits for it while it is ended", () => {
    const driver = new Driver();
    driver.at(0, "drain");
    driver.at(1, "handler-settled");
    driver.at(1, "unsent");
    expect(driver.wake()).toEqual({ at: 3_001, actions: ["destroy"] });
    expect(driver.machine.why).toEqual({ cause: "stalled", detail: "" });
  });
});

describe("a slow consumer", () => {
  it("gets what waits for it and then Close, and is destroyed when it has not read them in time", () => {
    const driver = new Driver();
    driver.at(0, "unsent");
    expect(driver.at(10, "slow-consumer")).toEqual([
      "cut",
      "drop-queue handed back",
      "close 1008 too slow",
      "abort",
    ]);
    driver.at(4_000, "progress");
    expect(driver.wake()).toEqual({ at: 10 + SLOW_CONSUMER_TIMEOUT, actions: ["destroy"] });
    driver.at(5_011, "socket-closed");
    expect(driver.machine.end).toBe("forced");
  });

  it("has that time from when our compressor is done with what waits for it", () => {
    const driver = new Driver();
    driver.at(0, "unsent");
    driver.at(10, "slow-consumer");
    driver.at(4_000, "compressing");
    expect(driver.wake()).toEqual({ at: 4_000 + SLOW_CONSUMER_TIMEOUT, actions: ["destroy"] });
  });

  it("is ended like anyone else once it has been sent all", () => {
    const driver = new Driver();
    driver.at(0, "unsent");
    driver.at(10, "slow-consumer");
    driver.at(2_000, "sent");
    expect(driver.machine.wakeAt).toBe(32_000);
    expect(driver.at(2_010, "peer-close")).toEqual(["fin"]);
    expect(driver.at(2_020, "slow-consumer")).toEqual([]);
    expect(driver.machine.why?.cause).toBe("slow-consumer");
  });
});

describe("the prose", () => {
  it("says what there is to say beyond the word", () => {
    expect(describeWhy({ cause: "returned", detail: "" })).toBe("its handler has returned");
    expect(describeWhy({ cause: "reset", detail: "EPIPE" })).toBe("the connection was reset (EPIPE)");
  });

  it("takes a code that no peer is refused with for a broken protocol", () => {
    expect(causeOfViolation(1003)).toBe("protocol-error");
  });
});
