/** Where times lie on the axis of a timeline. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { makeAxis } from "../../../src/drill/report/axis.js";

const times = fc.array(fc.double({ min: -1e4, max: 1e5, noNaN: true }), { maxLength: 30 });

it("keeps every time between its edges and in order, with or without a break", () => {
  fc.assert(
    fc.property(times, (all) => {
      const axis = makeAxis(all, 100, 700);
      const places = [...all].sort((one, other) => one - other).map((time) => axis.x(time));
      expect(places).toEqual([...places].sort((one, other) => one - other));
      for (const x of places) {
        expect(x).toBeGreaterThan(99.999);
        expect(x).toBeLessThan(700.001);
      }
    }),
  );
});

it("writes at most a dozen times, each where it lies, and never one over another", () => {
  fc.assert(
    fc.property(times, (all) => {
      const { ticks, x } = makeAxis(all, 100, 700);
      expect(ticks.length).toBeGreaterThan(0);
      expect(ticks.length).toBeLessThan(12);
      for (const [index, tick] of ticks.entries()) {
        expect(tick.x).toBeCloseTo(x(tick.time), 6);
        expect(tick.x - (ticks[index - 1]?.x ?? -Infinity)).toBeGreaterThan(40);
      }
    }),
  );
});

it("writes round times on both sides of the signal", () => {
  const { ticks } = makeAxis([-53, -49, 0, 52, 451, 484], 150, 650);
  expect(ticks.map(({ time }) => time)).toEqual([0, 100, 200, 300, 400]);
});

it("leaves out a time in which nothing happened when it is most of it, and says how long it was", () => {
  const axis = makeAxis([-50, 0, 452, 30_000, 30_010], 150, 650);
  expect(axis.break).toMatchObject({ from: 452, to: 30_000, width: 44 });
  expect(axis.x(452) - axis.x(0)).toBeGreaterThan(350);
  expect(axis.x(30_010)).toBeCloseTo(650, 6);
  expect(makeAxis([-50, 0, 250, 484], 150, 650).break).toBeUndefined();
});

it("has room for a run in which everything happened at once, or nothing did", () => {
  expect(makeAxis([7, 7, 7], 150, 650).x(7)).toBe(150);
  expect(makeAxis([], 150, 650).ticks.length).toBeGreaterThan(0);
});
