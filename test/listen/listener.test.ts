/** What listeners share: when a caller's server listens. */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { untilListening } from "../../src/listen/listener.js";

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
