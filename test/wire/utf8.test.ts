/** UTF-8 in pieces, beside Node's check of the whole. */
import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkUtf8 } from "../../src/wire/utf8.js";
import { cut } from "./recording.js";

/** One of these completes any beginning of a character that can be completed. */
const COMPLETIONS = [[], [0x80], [0x90], [0xa0]]
  .flatMap((bytes) => [bytes, [...bytes, 0x80], [...bytes, 0x80, 0x80]])
  .map((bytes) => Buffer.from(bytes));

/** Whether something could follow that makes it UTF-8, by trying. */
function canBecomeUtf8(bytes: Buffer): boolean {
  return COMPLETIONS.some((completion) => isUtf8(Buffer.concat([bytes, completion])));
}

/** The pieces one after the other, each as soon as it is there. Returns how many bytes were there when one was refused. */
function refusedAfter(pieces: readonly Buffer[]): number | undefined {
  const bytes = Buffer.concat(pieces);
  let checked = 0;
  let end = 0;
  for (const piece of pieces) {
    end += piece.length;
    checked = checkUtf8(bytes, checked, end);
    if (checked === -1) return end;
    expect(end - checked).toBeLessThanOrEqual(3);
    expect(isUtf8(bytes.subarray(0, checked))).toBe(true);
  }
  return undefined;
}

/** The first of the places that the pieces end at, at which what is there cannot become UTF-8. */
function brokenAfter(pieces: readonly Buffer[]): number | undefined {
  return pieces
    .map((_, index) => Buffer.concat(pieces.slice(0, index + 1)))
    .find((there) => !canBecomeUtf8(there))?.length;
}

const valid = fc.string({ unit: "binary", maxLength: 30, size: "max" }).map((text) => Buffer.from(text));
// Those bytes on which the rules turn.
const EDGES = [
  0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
  0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
];
const garbage = fc.array(fc.constantFrom(...EDGES), { maxLength: 5 }).map((bytes) => Buffer.from(bytes));
const bytes = fc.tuple(valid, garbage, valid).map((parts) => Buffer.concat(parts));
const places = fc.array(fc.nat(150), { maxLength: 6 });

describe("UTF-8 that comes in pieces", () => {
  it("is refused with the first piece that nothing could complete, and not before", () => {
    fc.assert(
      fc.property(bytes, places, (bytes, places) => {
        const pieces = cut(bytes, places);
        expect(refusedAfter(pieces)).toBe(brokenAfter(pieces));
      }),
      { numRuns: 2000 },
    );
  });

  it("is refused at the very byte when it comes byte by byte, whatever byte begins it", () => {
    for (let first = 0; first < 256; first++) {
      for (const second of EDGES) {
        const pieces = [Buffer.from([first]), Buffer.from([second])];
        const found = refusedAfter(pieces);
        if (found !== brokenAfter(pieces)) expect({ first, second, found }).toBe("as by trying");
      }
    }
  });

  it("carries at most the 3 bytes of a character that is not whole", () => {
    const text = Buffer.from("a👋");
    expect([1, 2, 3, 4, 5].map((end) => checkUtf8(text, 0, end))).toEqual([1, 1, 1, 1, 5]);
  });
});
