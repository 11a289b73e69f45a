import fc from "fast-check";
import { expect, test } from "vitest";
import { TakenLog } from "../../src/connection/taken-log.js";

/** Writes of one message each. */
function logOf(lengths: readonly number[]): TakenLog {
  const log = new TakenLog();
  for (const length of lengths) log.add(length, 1);
  return log;
}

test("nothing is lost with nothing, and everything with everything", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 100 }), (lengths) => {
      const log = logOf(lengths);
      expect(log.bytes).toBe(lengths.reduce((sum, length) => sum + length, 0));
      expect(log.messagesWithin(0)).toBe(0);
      expect(log.messagesWithin(log.bytes)).toBe(lengths.length);
    }),
  );
});

test("messages of one length are counted exactly, a torn one as lost", () => {
  const log = logOf(Array.from({ length: 10_000 }, () => 100));
  expect(log.messagesWithin(1)).toBe(1);
  expect(log.messagesWithin(100)).toBe(1);
  expect(log.messagesWithin(101)).toBe(2);
  expect(log.messagesWithin(500_000)).toBeGreaterThanOrEqual(5_000);
  expect(log.messagesWithin(500_000)).toBeLessThanOrEqual(5_001);
});

test("writes of 64 KiB or more are remembered one by one", () => {
  const log = new TakenLog();
  for (let piece = 0; piece < 3; piece++) {
    log.add(65_536, 0);
    log.add(65_536, 1);
  }
  expect([1, 65_536, 65_537, 131_072, 131_073].map((bytes) => log.messagesWithin(bytes))).toEqual([
    1, 1, 1, 1, 2,
  ]);
});

test("more than a kernel holds is forgotten: the log stays small", () => {
  const log = logOf(Array.from({ length: 100_000 }, () => 65_536));
  expect(log.messagesWithin(4 * 1024 * 1024)).toBe(64);
  expect(log.messagesWithin(Infinity)).toBe(129);
});
