import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyMask, rotateMask } from "../../src/wire/mask.js";

/** RFC 6455 §5.3 word for word: octet i is XORed with octet i modulo 4 of the key. */
function maskNaively(data: Uint8Array, key: readonly number[]): Buffer {
  return Buffer.from(data.map((octet, index) => octet ^ key[index % 4]!));
}

function word(key: readonly number[]): number {
  return Buffer.from(key).readInt32LE(0);
}

const key = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));

describe("masking", () => {
  it("masks the RFC's own example", () => {
    const data = Buffer.from("Hello");
    applyMask(data, 0, data.length, word([0x37, 0xfa, 0x21, 0x3d]));
    expect(data.toString("hex")).toBe("7f9f4d5158");
  });

  // Every key byte differs and has its top bit set once: a sign extension or a swapped byte would show.
  for (const keyBytes of [
    [0x37, 0xfa, 0x21, 0x3d],
    [0x80, 0x01, 0x7f, 0xff],
    [0xff, 0x80, 0x00, 0x81],
  ]) {
    it(`does what the RFC says at every alignment and for every length up to 300, key ${Buffer.from(keyBytes).toString("hex")}`, () => {
      const source = Buffer.from(Array.from({ length: 300 }, (_, index) => (index * 151 + 13) & 0xff));
      for (let alignment = 0; alignment < 8; alignment++) {
        for (let length = 0; length <= 300; length++) {
          const memory = Buffer.from(new ArrayBuffer(320)).fill(0xa5);
          const data = memory.subarray(alignment);
          source.copy(data, 3, 0, length);
          applyMask(data, 3, 3 + length, word(keyBytes));
          const expected = Buffer.alloc(320, 0xa5);
          maskNaively(source.subarray(0, length), keyBytes).copy(expected, alignment + 3);
          // One comparison holds the range and everything around it, which must stay as it was.
          if (!memory.equals(expected))
            expect({ alignment, length, memory }).toEqual({ alignment, length, memory: expected });
        }
      }
    });
  }

  it("undoes itself", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300, size: "max" }), key, (bytes, keyBytes) => {
        const data = Buffer.from(bytes);
        applyMask(data, 0, data.length, word(keyBytes));
        applyMask(data, 0, data.length, word(keyBytes));
        expect(data).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it("can be done piece by piece, with the key rotated by what was masked before", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300, size: "max" }),
        key,
        fc.array(fc.nat(120)),
        (bytes, keyBytes, sizes) => {
          const data = Buffer.from(bytes);
          let position = 0;
          let rotated = word(keyBytes);
          for (const size of [...sizes, data.length]) {
            const end = Math.min(position + size, data.length);
            applyMask(data, position, end, rotated);
            rotated = rotateMask(rotated, end - position);
            position = end;
          }
          expect(data).toEqual(maskNaively(bytes, keyBytes));
        },
      ),
    );
  });

  it("is the same key again after any multiple of four bytes", () => {
    fc.assert(
      fc.property(key, fc.nat(1 << 20), (keyBytes, count) => {
        expect(rotateMask(word(keyBytes), count * 4)).toBe(word(keyBytes));
      }),
    );
  });
});
