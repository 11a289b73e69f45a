import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Assembly } from "../../src/wire/assembly.js";

/** Frames of a message, each as the pieces that it arrives in. */
const frames = fc.array(
  fc.array(fc.uint8Array({ minLength: 1, maxLength: 9000 }), { minLength: 1, maxLength: 5 }),
  {
    maxLength: 6,
  },
);

function appendFrames(
  assembly: Assembly,
  message: Uint8Array[][],
  afterEach: (stillExpected: number) => void,
): void {
  for (const pieces of message) {
    let expected = pieces.reduce((sum, piece) => sum + piece.length, 0);
    for (const piece of pieces) {
      assembly.append(Buffer.from(piece), 0, piece.length, expected);
      expected -= piece.length;
      afterEach(expected);
    }
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
      fc.property(frames, (message) => {
        const assembly = new Assembly();
        appendFrames(assembly, message, () => {});
        expect(assembly.take().equals(Buffer.concat(message.flat()))).toBe(true);
      }),
    );
  });

  it("never holds more than twice what was received and 4 KiB, nor more than the current frame will fill", () => {
    fc.assert(
      fc.property(frames, (message) => {
        const assembly = new Assembly();
        appendFrames(assembly, message, (stillExpected) => {
          expect(assembly.buffer.length).toBeLessThanOrEqual(2 * assembly.length + 4096);
          expect(assembly.buffer.length).toBeGreaterThanOrEqual(assembly.length);
          // An earlier, larger frame may have left room; what is made now is never more than needed.
          if (stillExpected === 0) expect(assembly.take().length).toBe(assembly.length);
        });
      }),
    );
  });

  it("makes 4 KiB of room for the first byte of a message that is declared to be huge", () => {
    const assembly = new Assembly();
    assembly.append(Buffer.from("x"), 0, 1, 2 ** 53 - 1);
    expect(assembly.buffer.length).toBe(4096);
  });

  it("makes no more room than the frame will fill", () => {
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
