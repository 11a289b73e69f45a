/** Numbers that look random and come again. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomFrom } from "../../src/drill/random.js";

function sequence(seed: number, length: number): number[] {
  const random = randomFrom(seed);
  return Array.from({ length }, random);
}

describe("random numbers", () => {
  it("are the same for the same seed", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        expect(sequence(seed, 20)).toEqual(sequence(seed, 20));
      }),
    );
  });

  it("are the same in every version: a seed in a report plays a drill again", () => {
    expect(sequence(1, 3).map((each) => each.toFixed(9))).toEqual([
      "0.627073941",
      "0.002735721",
      "0.527447040",
    ]);
  });

  it("differ for neighbouring seeds, as those of repeats are", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        expect(sequence(seed, 5)).not.toEqual(sequence(seed + 1, 5));
      }),
    );
  });

  it("are from 0 up to, not including, 1, and spread evenly", () => {
    const tenths = Array.from({ length: 10 }, () => 0);
    for (const each of sequence(7, 10_000)) {
      expect(each).toBeGreaterThanOrEqual(0);
      expect(each).toBeLessThan(1);
      tenths[Math.floor(each * 10)]!++;
    }
    for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});
