/** What drives a snippet: clients for the servers that it makes, and stand-ins for what a reader would bring. */
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";

/** Work as in the snippets. @param {unknown} message */
export async function work(message) {
  await sleep(20);
  return `done: ${message}`;
}

export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (probe.address());
  probe.close();
  await once(probe, "close");
  return port;
}

/**
 * Connects, also to a server that does not listen yet.
 *
 * @param {number} port
 * @param {{ headers?: Record<string, string>, protocols?: string[], path?: string }} [options]
 */
export async function connect(port, { headers = {}, protocols = [], path = "" } = {}) {
  for (;;) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers });
    /** @type {string[]} */
    const messages = [];
    socket.on("message", (data) => messages.push(String(data)));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    /** @type {(Error & { code?: string }) | undefined} */
    const error = await new Promise((resolve) => socket.once("open", resolve).once("error", resolve));
    if (error?.code === "ECONNREFUSED") {
      await sleep(10);
      continue;
    }
    if (error !== undefined) throw error;
    const received = async (/** @type {number} */ count) => {
      while (messages.length < count) await Promise.race([once(socket, "message"), closed]);
      return messages;
    };
    return { socket, messages, received, closed };
  }
}

/**
 * Sends the messages, waits for as many replies, leaves, and returns the replies.
 *
 * @param {number} port
 * @param {string[]} messages
 * @param {Parameters<typeof connect>[1]} [options]
 */
export async function converse(port, messages, options) {
  const client = await connect(port, options);
  for (const message of messages) client.socket.send(message);
  const replies = await client.received(messages.length);
  client.socket.close();
  await client.closed;
  return replies;
}

/**
 * Sends three messages and, with the first reply, SIGTERM to this process; returns what came and how it ended.
 *
 * @param {number} port
 */
export async function terminateInTheMiddle(port) {
  const client = await connect(port);
  for (const message of ["one", "two", "three"]) client.socket.send(message);
  await client.received(1);
  process.kill(process.pid, "SIGTERM");
  const code = await client.closed;
  return { code, messages: client.messages };
}

export const servedInTheMiddle = { code: 1012, messages: ["done: one", "done: two", "done: three"] };
