/** An application's tests that fake their timers: what waits in the library goes on. */
import { mock } from "node:test";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { createServer, type Server } from "../../src/index.js";
import { once } from "node:events";

interface Fake {
  name: string;
  fake: () => void;
  real: () => void;
}

const fakes: Fake[] = [
  { name: "vitest", fake: () => void vi.useFakeTimers(), real: () => void vi.useRealTimers() },
  {
    // As jest does, which fakes them for the code under test alone. Node's own streams need the real ones.
    name: "jest",
    fake: () => {
      vi.useFakeTimers();
      vi.stubGlobal("queueMicrotask", () => {});
    },
    real: () => {
      vi.unstubAllGlobals();
      vi.useRealTimers();
    },
  },
  { name: "node:test", fake: () => mock.timers.enable(), real: () => mock.timers.reset() },
];

async function served(): Promise<{ server: Server; client: WebSocket }> {
  const server = createServer(
    { authenticate: () => Promise.resolve("somebody"), heartbeat: { interval: 1_000, timeout: 1_000 } },
    async (connection) => {
      for await (const message of connection) connection.send(message);
    },
  );
  const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(client, "open");
  return { server, client };
}

test.for(fakes)(
  "with the fake timers of $name, a client is served and shutdown() settles",
  async ({ fake, real }) => {
    fake();
    onTestFinished(real);
    const { server, client } = await served();
    client.send("hello");
    const [answer] = (await once(client, "message")) as [Buffer];
    expect(String(answer)).toBe("hello");
    const closed = once(client, "close");
    expect((await server.shutdown()).outcome).toBe("clean");
    expect((await closed)[0]).toBe(1012);
  },
);

test.for(fakes)(
  "with the fake timers of $name, the deadline of a shutdown still comes",
  async ({ fake, real }) => {
    fake();
    onTestFinished(real);
    let started: (() => void) | undefined;
    const running = new Promise<void>((resolve) => (started = resolve));
    const server = createServer(async ({ signal }) => {
      started!();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    });
    const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    client.on("error", () => {});
    await running;
    expect((await server.shutdown({ deadline: 100 })).outcome).toBe("forced");
  },
);

test("with globals that were faked before the library was loaded, too", async () => {
  const names = ["setTimeout", "setInterval", "setImmediate"] as const;
  for (const name of names) vi.stubGlobal(name, () => {});
  onTestFinished(() => void vi.unstubAllGlobals());
  vi.resetModules();
  const { createServer } = await import("../../src/index.js");
  const server = createServer(() => {});
  await server.listen({ port: 0, host: "127.0.0.1" });
  expect((await server.shutdown()).outcome).toBe("clean");
});
