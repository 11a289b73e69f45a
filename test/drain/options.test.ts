/** How the times of a drain fit into one another. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  drainDefaults,
  LAST_CALL_SHARE,
  layDrainOptions,
  type DrainOptions,
} from "../../src/drain/options.js";

const time = fc.oneof(fc.nat(100), fc.nat(60_000));

const given: fc.Arbitrary<Partial<DrainOptions>> = fc.record(
  {
    deadline: time,
    lastCall: fc.oneof(time, fc.constant(Infinity)),
    patience: fc.oneof(time, fc.constant(Infinity)),
    quiet: fc.oneof(time, fc.constant(Infinity)),
    handshakeGrace: time,
    closeTimeout: time,
    code: fc.constantFrom(1001, 1012, 4000),
  },
  { requiredKeys: [] },
);

describe("the defaults", () => {
  it("are those of the contract, and cannot be changed", () => {
    expect(drainDefaults).toEqual({
      deadline: 25_000,
      lastCall: 20_000,
      patience: 5_000,
      quiet: 100,
      barrierTimeout: 2_000,
      handshakeGrace: 1_000,
      closeTimeout: 3_000,
      lingerTimeout: 1_000,
      lameDuck: 0,
      pace: 5_000,
      spread: 0,
      code: 1012,
      reason: "service restart",
    });
    expect(Object.isFrozen(drainDefaults)).toBe(true);
  });

  it("fit into one another as they are", () => {
    expect(layDrainOptions({}, drainDefaults)).toEqual(drainDefaults);
  });
});

describe("given options", () => {
  it("replace what they lie over, and leave it unchanged", () => {
    const under = layDrainOptions({ quiet: 7, code: 4000 }, drainDefaults);
    const options = layDrainOptions({ quiet: 9 }, under);
    expect(options).toEqual({ ...drainDefaults, quiet: 9, code: 4000 });
    expect(under.quiet).toBe(7);
  });

  it("move last call along with the deadline, at 80 % of it", () => {
    expect(layDrainOptions({ deadline: 10_000 }, drainDefaults).lastCall).toBe(LAST_CALL_SHARE * 10_000);
    expect(layDrainOptions({ deadline: 10_000, lastCall: 3 }, drainDefaults).lastCall).toBe(3);
    expect(layDrainOptions({ lastCall: 3 }, drainDefaults).lastCall).toBe(3);
  });

  it("clamp a last call to the deadline, and patience to last call, since both then mean 'until then'", () => {
    const options = layDrainOptions({ deadline: 1_000, lastCall: Infinity, patience: 90_000 }, drainDefaults);
    expect(options).toMatchObject({ lastCall: 1_000, patience: 1_000 });
  });

  it("leave a patience of Infinity, which means that the peer is to leave by itself", () => {
    expect(layDrainOptions({ patience: Infinity }, drainDefaults).patience).toBe(Infinity);
  });

  it("clamp the handshake's grace to the deadline", () => {
    expect(layDrainOptions({ deadline: 500 }, drainDefaults).handshakeGrace).toBe(500);
  });

  it("always come out as times that fit, and coming out twice changes nothing", () => {
    fc.assert(
      fc.property(given, given, (first, second) => {
        const options = layDrainOptions(second, layDrainOptions(first, drainDefaults));
        expect(options.lastCall).toBeLessThanOrEqual(options.deadline);
        if (options.patience < Infinity) expect(options.patience).toBeLessThanOrEqual(options.lastCall);
        expect(options.handshakeGrace).toBeLessThanOrEqual(options.deadline);
        expect(layDrainOptions({}, options)).toEqual(options);
        for (const [name, value] of Object.entries(second)) {
          // Only ever shortened, and only these.
          const laid = options[name as keyof DrainOptions];
          if (["lastCall", "patience", "handshakeGrace"].includes(name)) expect(laid <= value).toBe(true);
          else expect(laid).toBe(value);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
