/**
 * What compression costs in memory: 300 connections, each of which has echoed one message, and the server's resident
 * memory for each. Run with --expose-gc.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createServer } from "../dist/index.js";
import { WebSocket } from "ws";

const CONNECTIONS = 300;
const MESSAGE = "a few words again; ".repeat(100);

/** The clients, in a process of their own: their memory is not the server's. @param {string} port */
async function connectClients(port) {
  const echoes = Array.from({ length: CONNECTIONS }, async () => {
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    await once(client, "open");
    client.send(MESSAGE);
    await once(client, "message");
  });
  await Promise.all(echoes);
  process.send?.("done");
}

/** @param {NonNullable<Parameters<typeof createServer>[1]>["compression"]} compression */
async function measure(compression) {
  const server = createServer({ compression }, async (connection) => {
    for await (const message of connection) connection.send(message);
  });
  const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const clients = fork(fileURLToPath(import.meta.url), [String(port)], { execArgv: [] });
  await once(clients, "message");
  globalThis.gc?.();
  const each = (process.memoryUsage().rss - before) / CONNECTIONS / 1024;
  console.log(`compression ${JSON.stringify(compression)}: ${each.toFixed(0)} KiB for each connection`);
  clients.kill();
  await server.close();
}

const [port] = process.argv.slice(2);
if (port !== undefined) {
  await connectClients(port);
} else {
  await measure(false);
  await measure(true);
  await measure({ serverNoContextTakeover: true, clientNoContextTakeover: true });
}
