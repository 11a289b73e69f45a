import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  MAX_HEADER_LENGTH,
  Opcode,
  encodeFrame,
  frameHeaderLength,
  writeFrameHeader,
} from "../../src/wire/frame.js";
import { rawFrame } from "./raw-frame.js";

const opcode = fc.constantFrom(...Object.values(Opcode));
/** Lengths around the places where the header changes its form, and any other. */
const length = fc.oneof(
  fc.constantFrom(0, 1, 125, 126, 127, 65_534, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
  fc.nat({ max: 70_000 }),
  fc.maxSafeNat(),
);

describe("a frame header", () => {
  it("is what RFC 6455 §5.2 draws, in the shortest of its three forms", () => {
    fc.assert(
      fc.property(opcode, length, fc.boolean(), fc.nat(5), (opcode, length, final, offset) => {
        const expected = rawFrame({ opcode, final, mask: undefined, declaredLength: length });
        const target = Buffer.alloc(offset + MAX_HEADER_LENGTH + 1, 0xa5);
        const end = writeFrameHeader(target, offset, opcode, length, final);
        expect(end - offset).toBe(frameHeaderLength(length));
        expect(target.subarray(offset, end)).toEqual(expected);
        // Nothing outside of it is touched.
        expect(target.subarray(0, offset)).toEqual(Buffer.alloc(offset, 0xa5));
        expect(target.subarray(end)).toEqual(Buffer.alloc(target.length - end, 0xa5));
      }),
    );
  });

  it("takes 2, 4 or 10 bytes", () => {
    expect([0, 125, 126, 65_535, 65_536, 2 ** 40].map(frameHeaderLength)).toEqual([2, 2, 4, 4, 10, 10]);
  });

  it("is a final frame's unless told otherwise", () => {
    const target = Buffer.alloc(2);
    writeFrameHeader(target, 0, Opcode.text, 0);
    expect(target[0]).toBe(0x81);
  });
});

describe("an encoded frame", () => {
  it("says by RSV1 that its message is compressed (RFC 7692 §7.2.3.1)", () => {
    const hello = Buffer.from("f248cdc9c90700", "hex");
    expect(encodeFrame(Opcode.text, hello, { compressed: true }).toString("hex")).toBe("c107f248cdc9c90700");
    const first = encodeFrame(Opcode.text, hello.subarray(0, 3), { compressed: true, final: false });
    expect(first.toString("hex")).toBe("4103f248cd");
    const mask = Uint8Array.of(0, 0, 0, 0);
    expect(encodeFrame(Opcode.text, "", { compressed: true, mask }).toString("hex")).toBe("c18000000000");
  });

  it("is the RFC's own example, unmasked and masked (§5.7)", () => {
    expect(encodeFrame(Opcode.text, "Hello").toString("hex")).toBe("810548656c6c6f");
    expect(
      encodeFrame(Opcode.text, "Hello", { mask: Uint8Array.of(0x37, 0xfa, 0x21, 0x3d) }).toString("hex"),
    ).toBe("818537fa213d7f9f4d5158");
    expect(encodeFrame(Opcode.text, "Hel", { final: false }).toString("hex")).toBe("010348656c");
    expect(encodeFrame(Opcode.continuation, "lo").toString("hex")).toBe("80026c6f");
  });

  it("is header, mask and payload, whatever they are", () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 300, size: "max" }),
      fc.constantFrom(126, 65_535, 65_536).map((size) => new Uint8Array(size).fill(0x5a)),
    );
    const mask = fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }), { nil: undefined });
    fc.assert(
      fc.property(opcode, payload, fc.boolean(), mask, (opcode, payload, final, mask) => {
        const frame = encodeFrame(opcode, payload, mask === undefined ? { final } : { final, mask });
        expect(frame.equals(rawFrame({ opcode, payload, final, mask: mask && [...mask] }))).toBe(true);
      }),
    );
  });

  it("has an empty payload when none is given", () => {
    expect(encodeFrame(Opcode.close)).toEqual(Buffer.from([0x88, 0x00]));
  });

  it("counts the bytes of a string, not its characters", () => {
    expect(encodeFrame(Opcode.text, "€".repeat(42))).toEqual(
      rawFrame({ opcode: Opcode.text, payload: "€".repeat(42), mask: undefined }),
    );
  });

  it("is a copy: neither the payload nor the mask given is changed or kept", () => {
    const payload = Uint8Array.from([1, 2, 3, 4, 5]);
    const mask = Uint8Array.from([9, 8, 7, 6]);
    const frame = encodeFrame(Opcode.binary, payload, { mask });
    expect([...payload, ...mask]).toEqual([1, 2, 3, 4, 5, 9, 8, 7, 6]);
    const before = Buffer.from(frame);
    payload.fill(0);
    mask.fill(0);
    expect(frame).toEqual(before);
  });
});
