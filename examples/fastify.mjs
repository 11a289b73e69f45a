/**
 * WebSockets and Fastify on one port. Stop it with SIGTERM (or Ctrl-C): what is under way, of either kind, is finished,
 * and the process ends.
 *
 *   node examples/fastify.mjs --port 8080 --work 100
 *   (then connect to ws://127.0.0.1:8080/ws)
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import fastify from "fastify";
import { createServer } from "lastcall";
import { terminationSignals } from "lastcall/process";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8080" }, // 0: any free one
    work: { type: "string", default: "100" }, // ms for each message and each slow request
  },
});

const server = createServer({ path: "/ws", onError: (error) => console.error(error) }, async (connection) => {
  for await (const message of connection) {
    await sleep(Number(values.work));
    connection.send(`done: ${message}`);
  }
});

const app = fastify();
app.get("/readyz", (_request, reply) => {
  const isReady = server.state === "listening";
  return reply.code(isReady ? 200 : 503).send(isReady ? "OK" : "Service Unavailable");
});
app.get("/slow", async () => {
  await sleep(Number(values.work));
  return "done";
});

const signals = terminationSignals();
// With `localhost`, the default, Fastify may open a server for each of its addresses; `app.server` is only the first.
await app.listen({ port: Number(values.port), host: "127.0.0.1" });
const address = await server.listen(app.server);
const { port } = /** @type {import("node:net").AddressInfo} */ (address);
console.log(`Listening on ws://127.0.0.1:${port}`);

const report = await server.run({ signals });
// The HTTP server is down already; this runs the `onClose` hooks of plugins.
await app.close();
console.log(String(report));
