/**
 * WebSockets and Express on one port. Stop it with SIGTERM (or Ctrl-C): what is under way, of either kind, is finished,
 * and the process ends. Nobody has to close Express' HTTP server: it goes down with ours.
 *
 *   node examples/express.mjs --port 8080 --work 100
 *   (then connect to ws://127.0.0.1:8080/ws)
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import express from "express";
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

const app = express();
app.get("/readyz", (_request, response) => {
  response.sendStatus(server.state === "listening" ? 200 : 503);
});
app.get("/slow", async (_request, response) => {
  await sleep(Number(values.work));
  response.send("done");
});

const signals = terminationSignals();
const address = await server.listen(app.listen(Number(values.port), "127.0.0.1"));
const { port } = /** @type {import("node:net").AddressInfo} */ (address);
console.log(`Listening on ws://127.0.0.1:${port}`);

const report = await server.run({ signals });
console.log(String(report));
