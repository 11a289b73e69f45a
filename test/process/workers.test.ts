/** Servers in workers of node:cluster and child_process.fork: how they drain, and what lets the worker exit. */
import { describe, expect, test } from "vitest";
import { Forked } from "../tools/fork.js";
import { openRaw, type RawClient } from "../tools/raw-client.js";
import { RESTART } from "../listen/hosts.js";

type Event =
  | { event: "listening"; port: number }
  | { event: "started" }
  | { event: "draining"; address: unknown }
  | { event: "down"; outcome: string; served: number }
  | { event: "exited"; code: number | null; signal: string | null; meant?: boolean };

interface Settings {
  kind: "cluster" | "fork";
  host: boolean;
  stop: "SIGTERM" | "disconnect";
  leaves: boolean;
}

/** A worker that is told to stop while two requests of a client are in its hands. */
async function stopped(settings: Settings): Promise<{ parent: Forked<Event>; client: RawClient }> {
  const parent = new Forked<Event>("worker-server.mjs", settings);
  const { port } = await parent.tells("listening");
  const client = await openRaw(port);
  client.send("one");
  client.send("two");
  await parent.tells("started");
  parent.write("stop\n");
  return { parent, client };
}

describe("a worker", () => {
  test.for<Settings>([
    { kind: "cluster", host: false, stop: "SIGTERM", leaves: true },
    { kind: "cluster", host: true, stop: "SIGTERM", leaves: true },
    { kind: "fork", host: false, stop: "SIGTERM", leaves: true },
    // Node leaves the parent itself when all servers that it has closed are gone.
    { kind: "cluster", host: false, stop: "disconnect", leaves: false },
    { kind: "cluster", host: false, stop: "disconnect", leaves: true },
  ])("serves what it was sent, and exits as soon as it is done: %o", async (settings) => {
    const { parent, client } = await stopped(settings);
    await client.closed();
    expect(client).toMatchObject({ messages: ["done: one", "done: two"], close: RESTART, ended: "FIN" });
    expect(await parent.tells("down")).toMatchObject({ outcome: "clean", served: 2 });
    const meant = settings.kind === "cluster" ? { meant: true } : {};
    expect(await parent.tells("exited")).toMatchObject({ code: 0, signal: null, ...meant });
    expect(await parent.exited()).toMatchObject({ code: 0, stderr: "" });
  });

  test("whose HTTP server is closed by worker.disconnect() says that it listens no more", async () => {
    const { parent, client } = await stopped({
      kind: "cluster",
      host: true,
      stop: "disconnect",
      leaves: false,
    });
    expect(await parent.tells("draining")).toMatchObject({ address: null });
    client.destroy();
  });
});
