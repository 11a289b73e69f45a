import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Assembly } from "../../src/wire/assembly.js";

/** The pieces that a message arrives in. */
const pieces = fc.array(
  fc
    .tuple(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 9000 })), fc.nat(255))
    .map(([length, octet]) => new Uint8Array(length).fill(octet)),
  { maxLength: 30, size: "max" },
);

/** Bytes that are announced but never come. */
const unsent = fc.oneof(fc.constant(0), fc.nat(20_000), fc.constant(Infinity));

/** Appends the pieces; `expected` starts with what they have together and `unsent` more. */
function appendAll(
  assembly: Assembly,
  pieces: Uint8Array[],
  unsent: number,
  afterEach = (_expected: number) => {},
): void {
  let expected = pieces.reduce((sum, piece) => sum + piece.length, unsent);
  for (const piece of pieces) {
    assembly.append(Buffer.from(piece), 0, piece.length, expected);
    expected -= piece.length;
    afterEach(expected);
  }
}

describe("an assembly", () => {
  it("is empty at first and gives an empty message", () => {
    const assembly = new Assembly();
    expect(assembly.length).toBe(0);
    expect(assembly.take()).toEqual(Buffer.alloc(0));
  });

  it("gives back what was appended, in order", () => {
    fc.assert(
      fc.property(pieces, unsent, (pieces, unsent) => {
        const assembly = new Assembly();
        appendAll(assembly, pieces, unsent);
        expect(assembly.take().equals(Buffer.concat(pieces))).toBe(true);
      }),
    );
  });

  it("never holds more than twice what was received and 4 KiB, nor more than what is expected will fill", () => {
    fc.assert(
      fc.property(pieces, unsent, (pieces, unsent) => {
        const assembly = new Assembly();
        appendAll(assembly, pieces, unsent, (expected) => {
          expect(assembly.buffer.length).toBeLessThanOrEqual(2 * assembly.length + 4096);
          expect(assembly.buffer.length).toBeLessThanOrEqual(assembly.length + expected);
        });
      }),
    );
  });

  it("makes 4 KiB of room for the first byte of a message that is declared to be huge", () => {
    const assembly = new Assembly();
    assembly.append(Buffer.from("x"), 0, 1, 2 ** 53 - 1);
    expect(assembly.buffer.length).toBe(4096);
  });

  it("makes no more room than what is expected will fill", () => {
    const assembly = new Assembly();
    assembly.append(Buffer.from("abc"), 0, 3, 10);
    expect(assembly.buffer.length).toBe(10);
    assembly.append(Buffer.from("defghij"), 0, 7, 7);
    expect(assembly.buffer.length).toBe(10);
    assembly.append(Buffer.from("k"), 0, 1, 3);
    expect(assembly.buffer.length).toBe(13);
    expect(assembly.take().toString()).toBe("abcdefghijk");
  });

  it("grows by doubling, so that a message of single bytes costs a copy or two for each of them", () => {
    const assembly = new Assembly();
    const capacities = new Set<number>();
    const total = 1 << 20;
    for (let count = 0; count < total; count++) {
      assembly.append(Buffer.from([count & 0xff]), 0, 1, total - count);
      capacities.add(assembly.buffer.length);
    }
    expect(capacities.size).toBeLessThan(12);
    expect(assembly.buffer.length).toBe(total);
  });

  it("appends a part of the source, and says where that part begins", () => {
    const assembly = new Assembly();
    expect(assembly.append(Buffer.from("..one.."), 2, 5, 3)).toBe(0);
    expect(assembly.append(Buffer.from("..two.."), 2, 5, 3)).toBe(3);
    expect(assembly.length).toBe(6);
    expect(assembly.take().toString()).toBe("onetwo");
  });

  it("copies: the source may be overwritten afterwards", () => {
    const assembly = new Assembly();
    const source = Buffer.from("kept");
    assembly.append(source, 0, 4, 4);
    source.fill(0);
    expect(assembly.take().toString()).toBe("kept");
  });
});
