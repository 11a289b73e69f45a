/** The server of a row: it answers each request with as many bytes as it asks for, after as much time. */
import { createServer } from "../../dist/index.js";
import { answerCalls, HOST, PORT } from "./calls.mjs";

/** @type {string[]} The requests that were executed, in their order. */
const executed = [];
/** @type {ReturnType<typeof createServer>} */
let server;

answerCalls({
  /** @param {{ deadline: number, lameDuck?: number }} drain */
  async listen(drain) {
    server = createServer({ drain }, async (connection) => {
      for await (const message of connection) {
        const { id, work, bytes } = JSON.parse(String(message));
        executed.push(id);
        await new Promise((resolve) => setTimeout(resolve, work));
        connection.send(JSON.stringify({ id }).padEnd(bytes));
      }
    });
    await server.listen({ host: HOST, port: PORT });
  },
  async shutdown() {
    return { report: await server.shutdown(), executed };
  },
});
