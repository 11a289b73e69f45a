import { describe, expect, test } from "vitest";
import { Pulse, type Signs } from "../../src/connection/pulse.js";

const options = { interval: 30, timeout: 10 };
const nothing: Signs = { heard: false, wrote: false, reading: true, unsent: false };

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

  test("is given no time of ours: while we do not read its clock stands", () => {
    const pulse = new Pulse();
    const deaf = { reading: false };
    expect(beats(pulse, {}, {}, deaf, deaf, deaf, deaf, {}, {})).toEqual(
      "fine fine fine fine fine fine ask dead".split(" "),
    );
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
