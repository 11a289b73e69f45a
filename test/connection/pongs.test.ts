import { expect, test } from "vitest";
import { Pongs } from "../../src/connection/pongs.js";

const pong = (index: number): Buffer => Buffer.from(String(index).padStart(100, "0"));

function taken(pongs: Pongs): number[] {
  const bytes = Buffer.concat(pongs.take());
  return Array.from({ length: bytes.length / 100 }, (_, index) =>
    Number(bytes.subarray(100 * index, 100 * index + 100).toString()),
  );
}

test("Pongs that wait are sent in order, and each once", () => {
  const pongs = new Pongs();
  expect([pongs.wait, pongs.take()]).toEqual([false, []]);
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 10; index++) pongs.add(pong(index));
    expect(pongs.wait).toBe(true);
    expect(taken(pongs)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(pongs.wait).toBe(false);
  }
});

test("a lone Pong is sent from where it is, without a copy", () => {
  const pongs = new Pongs();
  const frame = pong(1);
  pongs.add(frame);
  expect(pongs.take()[0]!.buffer).toBe(frame.buffer);
});

test("of Pongs beyond 4 KiB only the latest is kept", () => {
  const pongs = new Pongs();
  for (let index = 0; index < 100_000; index++) pongs.add(pong(index));
  expect(taken(pongs)).toEqual([...Array.from({ length: 40 }, (_, index) => index), 99_999]);
});
