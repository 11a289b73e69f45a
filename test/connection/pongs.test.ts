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
    for (let index = 0; index < 10; index++) pongs.add(pong(index), true);
    expect(pongs.wait).toBe(true);
    expect(taken(pongs)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(pongs.wait).toBe(false);
  }
});

test("a lone Pong is sent from where it is, without a copy", () => {
  const pongs = new Pongs();
  const frame = pong(1);
  pongs.add(frame, false);
  expect(pongs.take()[0]!.buffer).toBe(frame.buffer);
});

test.for([
  ["4 KiB", true, 40],
  ["64 KiB, more than one chunk can ask for,", false, 655],
] as const)("of Pongs beyond %s only the latest is kept: busy is %s", ([, busy, kept]) => {
  const pongs = new Pongs();
  for (let index = 0; index < 100_000; index++) pongs.add(pong(index), busy);
  expect(taken(pongs)).toEqual([...Array.from({ length: kept }, (_, index) => index), 99_999]);
});

test("what one chunk asks while the socket is not busy is answered whole, and a busy one gets no more", () => {
  const pongs = new Pongs();
  for (let index = 0; index < 300; index++) pongs.add(pong(index), false);
  pongs.add(pong(300), true);
  pongs.add(pong(301), true);
  expect(taken(pongs)).toEqual([...Array.from({ length: 300 }, (_, index) => index), 301]);
});
