/**
 * A server that works a while on each message and answers it. Stop it with SIGTERM (or Ctrl-C) in the middle: every
 * request is still served, and it prints the account of its shutdown.
 *
 *   node examples/server.mjs --port 8080 --work 100 --deadline 25000
 */
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createServer } from "lastcall";
import { terminationSignals } from "lastcall/process";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8080" }, // 0: any free one
    work: { type: "string", default: "100" }, // ms for each message
    deadline: { type: "string", default: "25000" }, // ms that a shutdown may take
  },
});

// `npm start` drills this server and asks which requests were executed: one id a line, the first word of a message.
const effects = process.env["LASTCALL_EFFECTS"];

const server = createServer(
  {
    drain: { deadline: Number(values.deadline) },
    onError: (error) => console.error(error),
  },
  async (connection) => {
    for await (const message of connection) {
      await sleep(Number(values.work));
      if (effects !== undefined) appendFileSync(effects, `${message}`.split(" ", 1) + "\n");
      connection.send(`done: ${message}`);
    }
  },
);

const signals = terminationSignals();
const { port } = await server.listen({ port: Number(values.port), host: "127.0.0.1" });
console.log(`Listening on ws://127.0.0.1:${port}`);

const report = await server.run({ signals });
console.log(String(report));
