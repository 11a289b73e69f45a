/** What the kernel holds for a peer, and whether that shows that it reads. */
import { expect, test } from "vitest";
import type { Channel } from "../../src/connection/channel.js";
import { KernelLooks } from "../../src/connection/kernel-looks.js";
import type { Kernel } from "../../src/connection/kernel.js";

/** Looks that see these, one after the other: acknowledged, and not yet. */
function looks(...seen: [acknowledged: number, unacknowledged: number][]): KernelLooks {
  const kernel: Kernel = { unacknowledged: () => {}, forget: () => {} };
  const channel = {
    look: (_kernel: Kernel, tell: (acknowledged: number, unacknowledged: number) => void) =>
      tell(...seen.shift()!),
    forgetLooks: () => {},
  };
  return new KernelLooks(channel as unknown as Channel, kernel);
}

function readAfterEach(kernelLooks: KernelLooks, times: number): boolean[] {
  return Array.from({ length: times }, () => {
    kernelLooks.look(() => {});
    return kernelLooks.takeHasRead();
  });
}

test("a peer reads when what waits for room has become less", () => {
  expect(readAfterEach(looks([10, 500], [10, 500], [60, 450], [60, 700]), 4)).toEqual([
    false,
    false,
    true,
    false,
  ]);
});

test("what has room in the buffer of a process that stands shows nobody who reads", () => {
  expect(readAfterEach(looks([10, 0], [20, 0], [30, 0], [40, 5]), 4)).toEqual([false, false, false, false]);
});

test("whoever looks, a sign of life is kept for the next who asks", () => {
  const seen = looks([10, 500], [60, 450], [60, 450]);
  for (let times = 0; times < 3; times++) seen.look(() => {});
  expect([seen.takeHasRead(), seen.takeHasRead()]).toEqual([true, false]);
});

test("a peer has all when a look shows nothing on the way, which is told once", () => {
  const seen = looks([10, 500], [510, 0], [510, 20]);
  const told = Array.from({ length: 3 }, () => {
    seen.look(() => {});
    return [seen.takeHasAll(), seen.takeHasAll()];
  });
  expect(told).toEqual([
    [false, undefined],
    [true, undefined],
    [false, undefined],
  ]);
});

test("what was held when the socket was destroyed is lost, whatever is seen later", () => {
  const seen = looks([10, 500], [510, 0]);
  seen.look(() => {});
  seen.noteDestroyed();
  seen.end();
  const told: number[] = [];
  seen.look((acknowledged) => told.push(acknowledged));
  expect([seen.lostBytes, told]).toEqual([500, []]);
});
