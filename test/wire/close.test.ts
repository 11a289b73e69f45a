import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CloseCode,
  MAX_CLOSE_REASON,
  decodeClosePayload,
  encodeClosePayload,
  isSendableCloseCode,
} from "../../src/wire/close.js";
import { MAX_CONTROL_PAYLOAD } from "../../src/wire/frame.js";
import { closePayload } from "./raw-frame.js";

describe("close codes", () => {
  it("may be sent exactly when RFC 6455 §7.4 and the IANA registry assign them or leave them to applications", () => {
    const assigned = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
    const sendable: number[] = [];
    for (let code = 0; code <= 0xffff; code++) if (isSendableCloseCode(code)) sendable.push(code);
    expect(sendable).toEqual([...assigned, ...Array.from({ length: 2000 }, (_, index) => 3000 + index)]);
  });

  it("that stand for the absence of a Close frame or of a code may not be sent", () => {
    expect(isSendableCloseCode(CloseCode.noStatus)).toBe(false);
    expect(isSendableCloseCode(CloseCode.abnormal)).toBe(false);
  });

  it("that this library sends may be sent", () => {
    const { noStatus: _noStatus, abnormal: _abnormal, ...sent } = CloseCode;
    for (const code of Object.values(sent)) expect(isSendableCloseCode(code), String(code)).toBe(true);
  });
});

describe("the payload of a Close frame", () => {
  it("comes back as it was encoded, for every code and reason that fit", () => {
    const code = fc
      .oneof(fc.integer({ min: 1000, max: 1014 }), fc.integer({ min: 3000, max: 4999 }))
      .filter(isSendableCloseCode);
    // A character has four bytes at most.
    const reason = fc.string({ unit: "binary", maxLength: Math.floor(MAX_CLOSE_REASON / 4), size: "max" });
    fc.assert(
      fc.property(code, reason, (code, reason) => {
        const payload = encodeClosePayload(code, reason);
        expect(payload.length).toBeLessThanOrEqual(MAX_CONTROL_PAYLOAD);
        expect(payload).toEqual(closePayload(code, reason));
        expect(decodeClosePayload(payload)).toEqual({ code, reason });
      }),
    );
  });

  it("fills a control frame with the longest reason", () => {
    expect(encodeClosePayload(1000, "x".repeat(MAX_CLOSE_REASON)).length).toBe(MAX_CONTROL_PAYLOAD);
  });

  it("is empty when there is no code, and the other way round", () => {
    expect(encodeClosePayload(CloseCode.noStatus, "never sent").length).toBe(0);
    expect(decodeClosePayload(Buffer.alloc(0))).toEqual({ code: 1005, reason: "" });
  });

  it("keeps a byte order mark in the reason", () => {
    expect(decodeClosePayload(closePayload(1000, "\uFEFFbye"))).toEqual({ code: 1000, reason: "\uFEFFbye" });
  });

  it("of one byte is a protocol error", () => {
    expect(decodeClosePayload(Buffer.from([3]))).toMatchObject({ violated: 1002 });
  });

  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535]) {
    it(`with the code ${code} is a protocol error, and the explanation names the code`, () => {
      const status = decodeClosePayload(closePayload(code, "reason"));
      expect(status).toMatchObject({ violated: 1002, explanation: expect.stringContaining(String(code)) });
    });
  }

  for (const [what, reason] of [
    ["an overlong form", [0xc0, 0x80]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["a character cut short", [0x6f, 0x6b, 0xe2, 0x82]],
  ] as const) {
    it(`with ${what} in the reason is invalid payload data`, () => {
      expect(decodeClosePayload(closePayload(1000, Uint8Array.from(reason)))).toMatchObject({
        violated: 1007,
      });
    });
  }

  it("with a bad code and a bad reason is a protocol error: the code is looked at first", () => {
    expect(decodeClosePayload(closePayload(1005, Uint8Array.of(0xff)))).toMatchObject({ violated: 1002 });
  });

  it("is read without an exception, whatever is in it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 125, size: "max" }), (bytes) => {
        const status = decodeClosePayload(Buffer.from(bytes));
        if ("violated" in status)
          expect(Buffer.byteLength(status.explanation)).toBeLessThanOrEqual(MAX_CLOSE_REASON);
        else expect(encodeClosePayload(status.code, status.reason)).toEqual(Buffer.from(bytes));
      }),
    );
  });
});
