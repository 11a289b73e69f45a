/**
 * The API on another runtime than Node, from the build, against that runtime's own `WebSocket` and `fetch`: what the
 * drill's server does not use. Prints a line for each thing that holds; throws at the first that does not.
 */
import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { createServer, UpgradeRejected } from "../dist/index.js";

const host = "127.0.0.1";

/** @param {string} what @param {() => Promise<void>} check */
async function holds(what, check) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("it took longer than 10 s")), 10_000);
  });
  try {
    await Promise.race([check(), late]);
    console.log(`ok: ${what}`);
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** @param {EventTarget} target @param {string} name @returns {Promise<any>} */
const event = (target, name) =>
  new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));

/** An open client. @param {number} port @param {string[]} [protocols] */
async function connect(port, protocols = []) {
  const client = new WebSocket(`ws://${host}:${port}/`, protocols);
  client.binaryType = "arraybuffer";
  await event(client, "open");
  return client;
}

/** @param {WebSocket} client @param {string | Uint8Array} message */
async function ask(client, message) {
  const answered = event(client, "message");
  client.send(message);
  return (await answered).data;
}

/** @param {import("../dist/index.js").Connection} connection */
async function echo(connection) {
  for await (const message of connection) connection.send(message);
}

await holds("text and binary messages come back, of 0 bytes to 1 MB", async () => {
  const server = createServer(echo);
  const { port } = await server.listen({ port: 0, host });
  const client = await connect(port);
  for (const length of [0, 1, 125, 126, 65_536, 1_000_000]) {
    assert.equal(await ask(client, "ö".repeat(length / 2)), "ö".repeat(length / 2));
    const bytes = new Uint8Array(length).fill(7);
    assert.deepEqual(new Uint8Array(await ask(client, bytes)), bytes);
  }
  const report = await server.shutdown();
  assert.equal(report.outcome, "clean");
});

// Bun gives its own in the place of the package `ws`, and that has no permessage-deflate to share.
if (!("Bun" in globalThis))
  await holds("messages are compressed where that is agreed", async () => {
    const server = createServer({ compression: true }, echo);
    const { port } = await server.listen({ port: 0, host });
    const client = await connect(port);
    assert.equal(await ask(client, "again ".repeat(10_000)), "again ".repeat(10_000));
    await server.shutdown();
  });

await holds("a subprotocol is agreed, and a client that says Close is answered", async () => {
  const server = createServer({ protocols: ["v2", "v1"] }, echo);
  const { port } = await server.listen({ port: 0, host });
  const client = await connect(port, ["v1"]);
  assert.equal(client.protocol, "v1");
  const closed = event(client, "close");
  client.close(3000, "done");
  const { code, wasClean } = await closed;
  assert.deepEqual({ code, wasClean }, { code: 3000, wasClean: true });
  await server.shutdown();
});

await holds("who is not let in gets an answer of HTTP", async () => {
  const server = createServer(
    {
      authenticate() {
        throw new UpgradeRejected(403, "not you");
      },
    },
    echo,
  );
  const { port } = await server.listen({ port: 0, host });
  const client = new WebSocket(`ws://${host}:${port}/`);
  const opened = event(client, "open").then(() => "open");
  assert.equal(await Promise.race([opened, event(client, "error").then(() => "refused")]), "refused");
  await server.shutdown();
});

await holds("an HTTP server of the app is shared", async () => {
  const app = createHttpServer((_, response) => response.end("hello"));
  const server = createServer(echo);
  const listening = server.listen(app);
  app.listen(0, host);
  await listening;
  const { port } = /** @type {import("node:net").AddressInfo} */ (app.address());
  assert.equal(await (await fetch(`http://${host}:${port}/`)).text(), "hello");
  const client = await connect(port);
  assert.equal(await ask(client, "ws"), "ws");
  await server.shutdown();
  app.close();
});

await holds("a shutdown answers what was sent, and says 1012", async () => {
  const server = createServer(async (connection) => {
    for await (const message of connection) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      connection.send(message);
    }
  });
  const { port } = await server.listen({ port: 0, host });
  const client = await connect(port);
  /** @type {string[]} */
  const replies = [];
  client.addEventListener("message", ({ data }) => replies.push(data));
  const closed = event(client, "close");
  for (const each of ["1", "2", "3", "4", "5"]) client.send(each);
  const { outcome } = await server.shutdown();
  const { code, wasClean } = await closed;
  assert.deepEqual(
    { outcome, replies, code, wasClean },
    { outcome: "clean", replies: ["1", "2", "3", "4", "5"], code: 1012, wasClean: true },
  );
});
