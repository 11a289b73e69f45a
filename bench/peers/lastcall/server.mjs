/** lastcall: the server of the README. */
import { createServer } from "../../../dist/index.js";
import { terminationSignals } from "../../../dist/process/index.js";
import { host, port, work } from "../work.mjs";

const server = createServer(async (connection) => {
  for await (const message of connection) {
    connection.send(await work(String(message)));
  }
});

// stop: shutdown
await server.run({ listen: { port, host }, signals: terminationSignals() });
// end of stop
