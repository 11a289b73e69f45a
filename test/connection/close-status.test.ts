import { describe, expect, test } from "vitest";
import { checkCloseCode, checkCloseReason } from "../../src/connection/close-status.js";

function refusal(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return "accepted";
}

describe("a Close of ours", () => {
  test.for([1000, 1003, 1007, 1012, 1014, 3000, 4999])("may carry the code %d", (code) => {
    expect(refusal(() => checkCloseCode("code", code))).toBe("accepted");
  });

  test.for([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, NaN, "1000", 1000n, null, undefined])(
    "may not carry the code %s, and says which option gave it",
    (code) => {
      const error = refusal(() => checkCloseCode("drain.code", code));
      expect(error).toMatchObject({ code: "LASTCALL_INVALID_OPTION", option: "drain.code" });
    },
  );

  test("may carry 123 bytes of reason, counted as UTF-8", () => {
    for (const reason of ["", "r".repeat(123), "ä".repeat(61)]) {
      expect(refusal(() => checkCloseReason("reason", reason))).toBe("accepted");
    }
    for (const reason of ["r".repeat(124), "ä".repeat(62), 7, Buffer.from("bye"), null]) {
      expect(refusal(() => checkCloseReason("drain.reason", reason))).toMatchObject({
        code: "LASTCALL_INVALID_OPTION",
        option: "drain.reason",
      });
    }
  });
});
