import { describe, expect, test } from "vitest";
import { nearest } from "../../src/base/nearest.js";

const names = ["path", "maxPayload", "maxFragments", "onError", "deadline", "code", "lastCall"];

describe("the name that was meant", () => {
  test.for([
    ["maxPayLoad", "maxPayload"],
    ["maxpayload", "maxPayload"],
    ["maxPaylod", "maxPayload"],
    ["maxPyaload", "maxPayload"],
    ["deadine", "deadline"],
    ["daedline", "deadline"],
    ["deadlines", "deadline"],
    ["onErorr", "onError"],
    ["onerror", "onError"],
    ["pathh", "path"],
    ["lastcall", "lastCall"],
  ] as const)("by %s is %s", ([written, meant]) => {
    expect(nearest(written, names)).toBe(meant);
  });

  test.for(["timeout", "server", "perMessageDeflate", "more", "p", "", "x".repeat(100_000)])(
    "by another word is not guessed: %#",
    (written) => {
      expect(nearest(written, names)).toBe(undefined);
    },
  );

  test("is the nearest of several", () => {
    expect(nearest("pings", ["pin", "ping", "rings"])).toBe("ping");
  });
});
