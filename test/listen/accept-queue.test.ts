/** Who waits to be accepted when the door closes. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { untilNobodyComes, waitingToBeAccepted } from "../../src/listen/accept-queue.js";
import { atLeast, bound, ms } from "../tools/timing.js";

vi.mock("../../src/base/real-timers.js", () => import("../tools/fakeable-timers.js"));

const never = (): boolean => false;
const nobody = (): number => 0;

describe("closing the door", () => {
  test("waits while somebody comes in each turn, and for one turn without", async () => {
    let accepted = 0;
    let turns = 0;
    const come = (): void => {
      turns++;
      if (turns > 20) return;
      accepted++;
      setImmediate(come);
    };
    setImmediate(come);
    await untilNobodyComes(() => accepted, nobody, 1_000, never);
    expect(accepted).toBe(20);
  });

  test("waits for who has come in a turn in which nobody was accepted", async () => {
    let [accepted, waiting] = [0, 1];
    setTimeout(() => ([accepted, waiting] = [1, 0]), 20);
    await untilNobodyComes(
      () => accepted,
      () => waiting,
      60_000,
      never,
    );
    expect(accepted).toBe(1);
  });

  test("does not wait longer than was allowed for who is never accepted", async () => {
    const began = performance.now();
    await untilNobodyComes(nobody, () => 1, ms(50), never);
    expect(performance.now() - began).toBeGreaterThanOrEqual(atLeast(50));
    expect(performance.now() - began).toBeLessThan(bound(200));
  });

  test("lies a whole look at the sockets after it was asked for", async () => {
    const order: string[] = [];
    setImmediate(() => setImmediate(() => order.push("a whole turn")));
    await untilNobodyComes(nobody, nobody, 1_000, never);
    expect(order).toEqual(["a whole turn"]);
  });

  test("lets in as many as the queue may have held, however long that takes", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    let accepted = 0;
    const come = (): void => {
      // A sign-in that stops the loop.
      vi.advanceTimersByTime(100);
      if (accepted === 500) return;
      accepted++;
      setImmediate(come);
    };
    setImmediate(come);
    await untilNobodyComes(() => accepted, nobody, 1_000, never);
    expect(accepted).toBe(500);
  });

  test("is put off by those who keep coming behind them for as long as was allowed", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    let accepted = 0;
    let fullAt = Infinity;
    const count = (): number => {
      vi.advanceTimersByTime(10);
      accepted++;
      if (accepted >= 512) fullAt = Math.min(fullAt, performance.now());
      return accepted;
    };
    await untilNobodyComes(count, nobody, 1_000, never);
    expect(performance.now() - fullAt).toBeGreaterThanOrEqual(950);
    expect(performance.now() - fullAt).toBeLessThan(1_100);
  });

  test("ends when somebody else has closed it", async () => {
    let accepted = 0;
    await untilNobodyComes(
      () => ++accepted,
      nobody,
      Infinity,
      () => accepted >= 10,
    );
    expect(accepted).toBeGreaterThanOrEqual(10);
  });

  test("the kernel tells who waits to be accepted, where it tells anything", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    expect(waitingToBeAccepted(server)).toBe(0);
    const { port } = server.address() as AddressInfo;
    // In this turn nobody is accepted: they are connected by the kernel.
    const source = `const net = require("node:net"); let n = 0;
      for (let i = 0; i < 3; i++) net.connect(${port}, "127.0.0.1", () => ++n === 3 && process.exit());`;
    spawnSync(process.execPath, ["-e", source]);
    expect(waitingToBeAccepted(server)).toBe(process.platform === "linux" ? 3 : 0);
  });
});
