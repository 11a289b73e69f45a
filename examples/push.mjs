/**
 * A server that only pushes: it tells every client the time until the client leaves or the server is stopped, and then
 * says goodbye.
 *
 *   node examples/push.mjs --port 8080 --interval 1000
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createServer } from "lastcall";
import { terminationSignals } from "lastcall/process";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8080" }, // 0: any free one
    interval: { type: "string", default: "1000" }, // ms between two messages
  },
});

const server = createServer({ onError: (error) => console.error(error) }, async (connection) => {
  // Aborted when a shutdown reaches this connection, and when its client has closed or is gone.
  const over = connection.draining;
  while (!over.aborted) {
    connection.send(new Date().toISOString());
    // Rejects when `over` aborts: nobody wants to wait for the rest of the interval then.
    await sleep(Number(values.interval), undefined, { signal: over }).catch(() => {});
  }
  // Still sent before Close; to a client that is gone it is not, and `send` returns false.
  connection.send("goodbye");
});

const signals = terminationSignals();
const { port } = await server.listen({ port: Number(values.port), host: "127.0.0.1" });
console.log(`Listening on ws://127.0.0.1:${port}`);

const report = await server.run({ signals });
console.log(String(report));
