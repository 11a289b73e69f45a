/** What whoever watches sees of those who come in, and of those who do not. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createServer, UpgradeRejected, type UpgradeEvent } from "../../src/index.js";
import { connectRaw } from "../tools/raw-client.js";
import { eventually, serve } from "../tools/serve.js";

function upgrades(): UpgradeEvent[] {
  const events: UpgradeEvent[] = [];
  const listener = (event: unknown): void => void events.push(event as UpgradeEvent);
  subscribe("lastcall:upgrade", listener);
  onTestFinished(() => void unsubscribe("lastcall:upgrade", listener));
  return events;
}

async function ask(port: number, path: string, headers: Record<string, string> = {}): Promise<void> {
  const client = await connectRaw(port, { path, headers });
  client.sendHandshake();
  await client.until(() => client.response !== undefined);
  client.destroy();
}

test("whoever is refused is seen with status, reason, URL and origin", async () => {
  const events = upgrades();
  const authenticate = (): never => {
    throw new UpgradeRejected(429, "Not so fast.");
  };
  const { port } = await serve<never>(() => {}, { path: "/chat", authenticate });
  await ask(port, "/other?room=1");
  await ask(port, "/chat", { Origin: "https://evil.example" });
  await ask(port, "/chat", { "Sec-WebSocket-Version": "8" });
  await ask(port, "/chat");
  const remoteAddress = "127.0.0.1";
  const none = { event: "refused", remoteAddress, origin: undefined, url: "/chat" };
  expect(events).toEqual([
    { ...none, status: 404, reason: "There is no WebSocket at this path.", url: "/other?room=1" },
    {
      ...none,
      status: 403,
      reason: "Pages from this origin may not connect.",
      origin: "https://evil.example",
    },
    { ...none, status: 426, reason: expect.stringContaining("must be 13") as string },
    { ...none, status: 429, reason: "Not so fast." },
  ]);
});

test("so is whoever sends what is no request, or asks for a page", async () => {
  const events = upgrades();
  const { port } = await serve(() => {});
  for (const text of ["nonsense\r\n\r\n", "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"]) {
    const client = await connectRaw(port);
    client.write(text);
    await client.closed();
  }
  expect(events).toMatchObject([
    { status: 400, reason: "This is not HTTP.", url: undefined },
    { status: 426, url: "/page" },
  ]);
});

test("so is whoever asks an HTTP server of the caller's for a path that nobody serves", async () => {
  const events = upgrades();
  const server = createServer({ path: "/chat" }, () => {});
  onTestFinished(async () => void (await server.close()));
  const { port } = (await server.listen(createHttpServer().listen(0, "127.0.0.1"))) as AddressInfo;
  await ask(port, "/other");
  expect(events).toMatchObject([{ event: "refused", status: 404, url: "/other" }]);
});

test("a client whose subprotocols nobody knows is seen: it will fail by itself, and say that there was none", async () => {
  const events = upgrades();
  const { port } = await serve((connection) => connection.closed);
  await ask(port, "/", { "Sec-WebSocket-Protocol": "chat.v1, chat.v2", Origin: "http://localhost" });
  await ask(port, "/");
  await eventually(() => events.length > 0);
  expect(events).toEqual([
    {
      event: "no subprotocol",
      offered: ["chat.v1", "chat.v2"],
      remoteAddress: "127.0.0.1",
      url: "/",
      origin: "http://localhost",
    },
  ]);
});
