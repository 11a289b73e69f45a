/** What listeners share: when nobody comes any more, and when a caller's server listens. */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { untilListening, untilNobodyComes } from "../../src/listen/listener.js";

const closedError = expect.objectContaining({ code: "LASTCALL_SERVER_STATE" }) as Error;
const never = new AbortController().signal;

async function listening(): Promise<Server> {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return server;
}

/** Whether nothing of ours is left on the server. */
function listeners(server: Server): number {
  return ["listening", "close", "error"].reduce((sum, event) => sum + server.listenerCount(event), 0);
}

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
    await untilNobodyComes(() => accepted);
    expect(accepted).toBe(20);
  });

  test("lies a whole look at the sockets after it was asked for", async () => {
    const order: string[] = [];
    setImmediate(() => setImmediate(() => order.push("a whole turn")));
    await untilNobodyComes(() => 0);
    expect(order).toEqual(["a whole turn"]);
  });

  test("is not put off for longer than a quarter of a second by those who keep coming", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const startedAt = performance.now();
    let accepted = 0;
    await untilNobodyComes(() => {
      vi.advanceTimersByTime(10);
      return accepted++;
    });
    const lasted = performance.now() - startedAt;
    expect(lasted).toBeGreaterThanOrEqual(250);
    expect(lasted).toBeLessThan(300);
  });
});

describe("a caller's server", () => {
  test("that listens is not waited for, and one that does not is until it does", async () => {
    await untilListening(await listening(), never);
    const later = createServer();
    onTestFinished(() => void later.close());
    let resolved = false;
    const wait = untilListening(later, never).then(() => (resolved = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(resolved).toBe(false);
    later.listen(0, "127.0.0.1");
    await wait;
    expect(listeners(later)).toBe(0);
  });

  test("that was closed is an error at once, and so is one that is closed while it is waited for", async () => {
    const server = await listening();
    server.close();
    await once(server, "close");
    await expect(untilListening(server, never)).rejects.toEqual(closedError);
    const meanwhile = createServer();
    const wait = untilListening(meanwhile, never);
    meanwhile.emit("close");
    await expect(wait).rejects.toEqual(closedError);
    expect(listeners(meanwhile)).toBe(0);
  });

  test("that cannot listen rejects with Node's error", async () => {
    const taken = await listening();
    const server = createServer();
    const wait = untilListening(server, never);
    server.listen(taken.address());
    await expect(wait).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(listeners(server)).toBe(0);
  });

  test("is waited for no longer when the wait is called off", async () => {
    const server = createServer();
    const abort = new AbortController();
    const wait = untilListening(server, abort.signal);
    abort.abort();
    await expect(wait).rejects.toMatchObject({ name: "AbortError" });
    expect(listeners(server)).toBe(0);
  });

  test("is listened to once, however many wait for it, and by nobody when the last one is gone", async () => {
    const warnings: Error[] = [];
    const hear = (warning: Error): void => void warnings.push(warning);
    process.on("warning", hear);
    onTestFinished(() => void process.off("warning", hear));
    const server = createServer();
    const before = listeners(server);
    const leaving = Array.from({ length: 20 }, () => new AbortController());
    const left = leaving.map(async ({ signal }) => untilListening(server, signal));
    const one = listeners(server);
    const stays = untilListening(server, never);
    expect(listeners(server)).toBe(one);
    for (const controller of leaving) controller.abort();
    for (const gone of left) await expect(gone).rejects.toMatchObject({ name: "AbortError" });
    expect(listeners(server)).toBe(one);
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await stays;
    expect(listeners(server)).toBe(before);
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([]);
  });
});
