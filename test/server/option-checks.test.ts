/** What the checks make of options that are allowed. What they refuse, and how: options.test.ts. */
import { describe, expect, test } from "vitest";
import { CompressionNegotiator } from "../../src/listen/compression-offer.js";
import { checkDrainOptions, completeDrainOptions, resolveOptions } from "../../src/server/option-checks.js";
import type { ServerOptions } from "../../src/server/options.js";

describe("options that are allowed", () => {
  test("become what connections decode by, which clients must mask", () => {
    const { decoding } = resolveOptions({ maxPayload: 5, maxFragments: 3 });
    expect(decoding).toEqual({ maxPayload: 5, maxFragments: 3, masked: true, compression: false });
  });

  test("are taken at the edges of what is allowed", () => {
    const edges: ServerOptions[] = [
      { path: "/" },
      { path: "/a/b.c" },
      { maxPayload: 1, maxFragments: Infinity, maxConnections: 1 },
      { highWaterMark: 1, outboxLimit: 1 },
      { highWaterMark: 2 ** 31, outboxLimit: 2 ** 31 },
      { handshakeTimeout: 1, closeReplyTimeout: 0, goneTimeout: 2 ** 31 - 1 },
      { compression: { threshold: Infinity, serverMaxWindowBits: 9, clientMaxWindowBits: 15 } },
      { drain: { deadline: 1, pace: 1, lastCall: 0, quiet: 0, code: 4999, reason: "ä".repeat(61) } },
    ];
    for (const options of edges) expect(() => resolveOptions(options)).not.toThrow();
  });

  test("compare origins as browsers send them", () => {
    const { origins } = resolveOptions({ origins: ["HTTPS://App.Example:443", "http://localhost:8080/"] });
    expect(origins).toEqual(["https://app.example", "http://localhost:8080"]);
    expect(resolveOptions({ origins: "*" }).origins).toBe("*");
    expect(resolveOptions({ origins: [] }).origins).toEqual([]);
    expect(resolveOptions().origins).toBe(undefined);
  });

  test("load a compressor only when one is wanted", () => {
    for (const compression of [undefined, false] as const) {
      expect(resolveOptions({ compression }).compression).toBe(undefined);
    }
    for (const compression of [true, {}, { threshold: 5 }]) {
      expect(resolveOptions({ compression }).compression).toBeInstanceOf(CompressionNegotiator);
    }
    const agreed = resolveOptions({ compression: { threshold: 5 } }).compression!.negotiate(
      "permessage-deflate",
    );
    expect(agreed).toMatchObject({ compression: { threshold: 5 } });
  });

  test("keep the function that chooses, and copy the list", () => {
    const choose = (): undefined => undefined;
    expect(resolveOptions({ protocols: choose }).protocols).toBe(choose);
    const given = { protocols: ["a"], inboxLimit: { bytes: 7 }, drain: { deadline: 900 } };
    const resolved = resolveOptions(given);
    given.inboxLimit.bytes = 8;
    given.drain.deadline = 1;
    expect(resolved.inboxLimit.bytes).toBe(7);
    expect([resolved.drain.deadline, resolved.givenDrain.deadline]).toEqual([900, 900]);
  });

  test("for the drain are kept as given too, so that a later call is laid over them and not over what they came to", () => {
    const { givenDrain, drain } = resolveOptions({ drain: { deadline: 10_000, code: undefined } as never });
    expect(givenDrain).toEqual({ deadline: 10_000 });
    expect(drain.lastCall).toBe(8_000);
    expect(completeDrainOptions({ deadline: 1_000 }, "", givenDrain).lastCall).toBe(800);
  });
});

describe("the options of a later call", () => {
  test("are those that were given, and a part of them is enough", () => {
    expect(checkDrainOptions({ quiet: 0, deadline: undefined } as never)).toEqual({ quiet: 0 });
    expect(checkDrainOptions({})).toEqual({});
  });

  test("are named as they are called there: with `drain.` before them only in the server's options", () => {
    const refusal = (act: () => unknown): unknown => {
      try {
        return act();
      } catch (error) {
        return (error as { option: string }).option;
      }
    };
    expect(refusal(() => checkDrainOptions({ pace: 0 }))).toBe("pace");
    expect(refusal(() => checkDrainOptions({ pace: 0 }, "drain."))).toBe("drain.pace");
    expect(refusal(() => checkDrainOptions([] as never))).toBe("The options");
    expect(refusal(() => checkDrainOptions(null as never, "drain."))).toBe("drain");
    expect(refusal(() => completeDrainOptions({ lameDuck: 50, deadline: 50 }))).toBe("lameDuck");
    expect(refusal(() => completeDrainOptions({ lameDuck: 50, deadline: 50 }, "drain."))).toBe(
      "drain.lameDuck",
    );
  });
});
