import { describe, expect, test } from "vitest";
import { SentPings } from "../../src/connection/sent-pings.js";
import type { OnSent } from "../../src/connection/outbox.js";
import { VirtualTime } from "../virtual/virtual-time.js";

const atOnce = (onSent: OnSent): void => onSent();

describe("Pings that are waited for", () => {
  test("take from their sending to their Pong, each its own time", async () => {
    const time = new VirtualTime();
    const pings = new SentPings(time.clock);
    const answers: Record<string, Promise<number>> = {};
    time.at(0, () => (answers["one"] = pings.wait(1, atOnce)));
    time.at(5, () => (answers["two"] = pings.wait(2, atOnce)));
    time.at(20, () => pings.onPong(1));
    time.at(30, () => pings.onPong(2));
    await time.run();
    await expect(answers["one"]).resolves.toBe(20);
    await expect(answers["two"]).resolves.toBe(25);
  });

  test("do not take the time that they wait behind what is sent before them", async () => {
    const time = new VirtualTime();
    const pings = new SentPings(time.clock);
    let sent: OnSent | undefined;
    const answered = pings.wait(1, (onSent) => (sent = onSent));
    time.at(300, () => sent!());
    time.at(310, () => pings.onPong(1));
    await time.run();
    await expect(answered).resolves.toBe(10);
  });

  test("are answered by a Pong for a later one too, and none behind it is", async () => {
    const time = new VirtualTime();
    const pings = new SentPings(time.clock);
    const settled: number[] = [];
    for (const nonce of [3, 7, 8]) void pings.wait(nonce, atOnce).then(() => settled.push(nonce));
    time.at(10, () => pings.onPong(2));
    await time.run();
    expect(settled).toEqual([]);
    time.at(20, () => pings.onPong(7));
    await time.run();
    expect(settled).toEqual([3, 7]);
    time.at(30, () => pings.onPong(8));
    await time.run();
    expect(settled).toEqual([3, 7, 8]);
  });

  test("fail with the connection, those that wait then and no others", async () => {
    const pings = new SentPings(new VirtualTime().clock);
    const error = new Error("gone");
    const answered = pings.wait(1, atOnce);
    const waiting = [pings.wait(2, atOnce), pings.wait(3, atOnce)];
    pings.onPong(1);
    pings.fail(error);
    await expect(answered).resolves.toBe(0);
    for (const ping of waiting) await expect(ping).rejects.toBe(error);
    const later = pings.wait(4, atOnce);
    pings.onPong(4);
    await expect(later).resolves.toBe(0);
  });
});
