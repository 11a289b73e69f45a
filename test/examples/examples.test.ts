/** Every file in examples/ runs, does what it says, and goes down clean on SIGTERM. */
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { expect, it } from "vitest";
import { WebSocket } from "ws";
import { startNode, type Running } from "../tools/run-process.js";

interface Client {
  socket: WebSocket;
  messages: string[];
  /** Resolves when there are so many messages. */
  received(count: number): Promise<void>;
  closed: Promise<number>;
}

async function connect(example: Running, path = "", headers: Record<string, string> = {}): Promise<Client> {
  const [url] = await example.printed(/ws:\S+/);
  const socket = new WebSocket(url + path, { headers });
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
