import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { MAX_TIMEOUT, now, systemClock } from "../../src/base/clock.js";
import { atLeast, ms } from "../tools/timing.js";

describe("the system's clock", () => {
  test("calls back when the time is over, and not for a call that was taken back", async () => {
    const called: string[] = [];
    const startedAt = performance.now();
    systemClock.after(ms(20), () => called.push("first"));
    const second = systemClock.after(ms(30), () => called.push("second"));
    systemClock.cancel(second);
    systemClock.cancel(undefined);
    await new Promise<void>((resolve) => {
      const third = systemClock.after(ms(40), () => {
        called.push("third");
        systemClock.cancel(third);
        resolve();
      });
    });
    expect(called).toEqual(["first", "third"]);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(atLeast(40));
  });

  test("tells the time of one monotonic clock in milliseconds", () => {
    const [before, during, after] = [performance.now(), [systemClock.now(), now()], performance.now()];
    for (const time of during) {
      expect(time).toBeGreaterThanOrEqual(before);
      expect(time).toBeLessThanOrEqual(after);
    }
  });

  test("looks at the sockets before it acts, and can still be told not to", async () => {
    const order: string[] = [];
    const timer = systemClock.after(1, () => order.push("acted"));
    // Node runs the timers that are due together: in between lies no poll, and so no act.
    const another = new Promise<void>((resolve) => void setTimeout(resolve, 1));
    const due = performance.now() + 5;
    while (performance.now() < due);
    await another;
    systemClock.cancel(timer);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual([]);
  });

  test("calls back after the poll when what lay in the kernel has been read", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [socket] = (await once(server, "connection")) as [Socket];
    server.close();
    onTestFinished(() => {
      client.destroy();
      socket.destroy();
    });
    await once(client, "ready");
    const order: string[] = [];
    socket.on("data", () => order.push("read"));
    // In the phase of timers, before the loop looks at its sockets: as a timer of a drain does.
    await new Promise((resolve) => setTimeout(resolve, 1));
    client.write("on the way already");
    await new Promise<void>((resolve) =>
      systemClock.afterPoll(() => {
        order.push("after the poll");
        resolve();
      }),
    );
    expect(order).toEqual(["read", "after the poll"]);
  });

  test("can wait for as long as MAX_TIMEOUT says, and no longer", () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    onTestFinished(() => warn.mockRestore());
    clearTimeout(setTimeout(() => {}, MAX_TIMEOUT));
    expect(warn).not.toHaveBeenCalled();
    clearTimeout(setTimeout(() => {}, MAX_TIMEOUT + 1));
    expect(warn).toHaveBeenCalledOnce();
  });
});
