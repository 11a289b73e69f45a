import { describe, expect, test } from "vitest";
import { Pulse, type Signs } from "../../src/connection/pulse.js";

const options = { interval: 30, timeout: 10 };
const nothing: Signs = { heard: false, wrote: false, reading: true, acknowledged: undefined, unsent: false };

/** What is found at each of so many looks, 10 ms apart, with these signs. */
function beats(pulse: Pulse, ...signs: Partial<Signs>[]): string[] {
  return signs.map((given) => pulse.beat(10, options, { ...nothing, ...given }));
}

describe("a silent peer", () => {
  test("is asked once after `interval`, and dead when `timeout` is over too", () => {
    expect(beats(new Pulse(), {}, {}, {}, {})).toEqual(["fine", "fine", "ask", "dead"]);
  });

  test("is not asked a second time while the answer may still come", () => {
    const pulse = new Pulse();
    const look = (): string => pulse.beat(1, { interval: 2, timeout: 3 }, nothing);
    expect([look(), look(), look(), look(), look()]).toEqual(["fine", "ask", "wait", "wait", "dead"]);
  });

  test("that is heard of begins anew, and is asked again when it falls silent again", () => {
    const pulse = new Pulse();
    expect(beats(pulse, {}, {}, {}, { heard: true })).toEqual(["fine", "fine", "ask", "fine"]);
    expect(beats(pulse, {}, {}, {})).toEqual(["fine", "ask", "dead"]);
  });

  test("is there, while we do not read its answer, if it has acknowledged the question", () => {
    const deaf = { reading: false };
    const there = { ...deaf, acknowledged: true };
    const away = { ...deaf, acknowledged: false };
    expect(beats(new Pulse(), deaf, deaf, deaf, there, deaf, deaf, there, deaf)).toEqual(
      "fine fine ask fine fine ask fine fine".split(" "),
    );
    // The look that counts is one that began when the time was over.
    expect(beats(new Pulse(), there, there, deaf, away, away)).toEqual("fine fine ask wait dead".split(" "));
    expect(beats(new Pulse(), there, there, deaf, away, there)).toEqual("fine fine ask wait fine".split(" "));
    // Nobody could look yet.
    expect(beats(new Pulse(), deaf, deaf, deaf, deaf, deaf, away)).toEqual(
      "fine fine ask wait wait dead".split(" "),
    );
  });

  test("has to answer when we read: its kernel acknowledges for a process that stands as well", () => {
    const acknowledged = { acknowledged: true };
    expect(beats(new Pulse(), {}, {}, {}, acknowledged)).toEqual("fine fine ask dead".split(" "));
  });
});

describe("what the kernel takes", () => {
  test("is a sign of the peer when it had been stuck", () => {
    const stuck = { unsent: true };
    expect(beats(new Pulse(), stuck, stuck, stuck, { ...stuck, wrote: true }, stuck)).toEqual(
      "fine fine ask fine fine".split(" "),
    );
  });

  test("is none when nothing had been stuck: the kernel has room for who is gone as well", () => {
    const wrote = { wrote: true };
    expect(beats(new Pulse(), wrote, wrote, wrote, wrote)).toEqual(["fine", "fine", "ask", "dead"]);
    const pulse = new Pulse();
    expect(beats(pulse, { unsent: true }, { wrote: true }, wrote, wrote, wrote)).toEqual(
      "fine fine fine ask dead".split(" "),
    );
  });
});
