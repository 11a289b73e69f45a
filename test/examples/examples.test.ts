/** Every file in examples/ runs, does what it says, and goes down clean on SIGTERM. */
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { startNode, type Running } from "../tools/run-process.js";

interface Client {
  socket: WebSocket;
  messages: string[];
  /** Resolves when there are so many messages. */
  received(count: number): Promise<void>;
  closed: Promise<number>;
}

async function connect(example: Running, path = "", headers: Record<string, string> = {}): Promise<Client> {
  const [url] = await example.printed(/wss?:\S+/);
  const socket = new WebSocket(url + path, { headers, rejectUnauthorized: false });
  const messages: string[] = [];
  socket.on("message", (data: Buffer) => messages.push(data.toString()));
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  await once(socket, "open");
  const received = async (count: number): Promise<void> => {
    while (messages.length < count) await Promise.race([once(socket, "message"), closed]);
  };
  return { socket, messages, received, closed };
}

const cleanShutdown = {
  exit: 0,
  stdout: expect.stringMatching(/^Listening on .*\nClean shutdown in /) as string,
  stderr: "",
};

it("has a test for every example", () => {
  expect(readdirSync(new URL("../../examples", import.meta.url)).sort()).toEqual([
    "chat", // chat.test.ts
    "express.mjs",
    "fastify.mjs",
    "https.mjs",
    "push.mjs",
    "server.mjs",
    "sign-in.mjs",
  ]);
});

it("server.mjs serves every request that it was given before SIGTERM", async () => {
  const example = startNode(["examples/server.mjs", "--port", "0", "--work", "50"]);
  const client = await connect(example);
  for (const request of ["one", "two", "three"]) client.socket.send(request);
  await client.received(1);
  example.child.kill("SIGTERM");
  expect(await client.closed).toBe(1012);
  expect(client.messages).toEqual(["done: one", "done: two", "done: three"]);
  expect(await example.ended).toEqual(cleanShutdown);
});

it("push.mjs pushes until SIGTERM and then says goodbye at once", async () => {
  // An interval that would outlast the test: it is not waited for.
  const example = startNode(["examples/push.mjs", "--port", "0", "--interval", "600000"]);
  const client = await connect(example);
  await client.received(1);
  example.child.kill("SIGTERM");
  expect(await client.closed).toBe(1012);
  expect(client.messages).toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\dT/), "goodbye"]);
  expect(await example.ended).toEqual(cleanShutdown);
});

it("push.mjs ends its work when the client leaves", async () => {
  const example = startNode(["examples/push.mjs", "--port", "0", "--interval", "600000"]);
  const client = await connect(example);
  await client.received(1);
  client.socket.terminate();
  await client.closed;
  example.child.kill("SIGTERM");
  expect(await example.ended).toMatchObject({ exit: 0, stderr: "" });
});

it("sign-in.mjs lets in who is known, and says from where behind a trusted proxy", async () => {
  const example = startNode(["examples/sign-in.mjs", "--port", "0", "--trust-proxy"]);
  const alice = await connect(example, "/chat?token=alice", { "X-Forwarded-For": "10.9.9.9, 192.0.2.7" });
  await alice.received(1);
  const bob = await connect(example, "/chat?token=bob");
  await alice.received(2);
  bob.socket.send("hello");
  await bob.received(2);
  example.child.kill("SIGTERM");
  expect(await Promise.all([alice.closed, bob.closed])).toEqual([1012, 1012]);
  expect(alice.messages).toEqual(["Alice came from 192.0.2.7", "Bob came from 127.0.0.1"]);
  expect(bob.messages).toEqual(["Bob came from 127.0.0.1", "Bob: hello"]);
  expect(await example.ended).toEqual(cleanShutdown);
});

it("sign-in.mjs takes nobody's word for an address when no proxy is trusted", async () => {
  const example = startNode(["examples/sign-in.mjs", "--port", "0"]);
  const alice = await connect(example, "/chat?token=alice", { "X-Forwarded-For": "192.0.2.7" });
  await alice.received(1);
  example.child.kill("SIGTERM");
  await alice.closed;
  expect(alice.messages).toEqual(["Alice came from 127.0.0.1"]);
  expect(await example.ended).toEqual(cleanShutdown);
});

it("sign-in.mjs refuses strangers with 401", async () => {
  const example = startNode(["examples/sign-in.mjs", "--port", "0"]);
  await expect(connect(example, "/chat?token=mallory")).rejects.toThrow("Unexpected server response: 401");
  example.child.kill("SIGTERM");
  expect(await example.ended).toEqual(cleanShutdown);
});

it.each(["express.mjs", "fastify.mjs"])(
  "%s has WebSockets and HTTP on one port, and finishes both",
  async (file) => {
    const example = startNode([`examples/${file}`, "--port", "0", "--work", "100"]);
    const client = await connect(example, "/ws");
    const [, port] = await example.printed(/:(\d+)/);
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect({ status: ready.status, body: await ready.text() }).toEqual({ status: 200, body: "OK" });
    for (const request of ["one", "two", "three"]) client.socket.send(request);
    await client.received(1);
    const slow = fetch(`http://127.0.0.1:${port}/slow`);
    await client.received(2);
    example.child.kill("SIGTERM");
    expect(await client.closed).toBe(1012);
    expect(client.messages).toEqual(["done: one", "done: two", "done: three"]);
    expect(await (await slow).text()).toBe("done");
    expect(await example.ended).toEqual(cleanShutdown);
  },
);

it.skipIf(!hasOpenssl)(
  "https.mjs serves WebSockets over TLS with the key and certificate given",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "lastcall-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const { key, cert } = selfSignedCertificate();
    const files = { key: join(folder, "key.pem"), cert: join(folder, "cert.pem") };
    writeFileSync(files.key, key);
    writeFileSync(files.cert, cert);
    const example = startNode([
      "examples/https.mjs",
      "--port",
      "0",
      "--key",
      files.key,
      "--cert",
      files.cert,
    ]);
    const client = await connect(example);
    client.socket.send("hello");
    await client.received(1);
    example.child.kill("SIGTERM");
    expect(await client.closed).toBe(1012);
    expect(client.messages).toEqual(["done: hello"]);
    expect(await example.ended).toEqual(cleanShutdown);
  },
);
