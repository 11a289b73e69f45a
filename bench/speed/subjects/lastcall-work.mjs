/** lastcall, with 100 ms of work for each request, one after the other on each connection. */
import { setTimeout as sleep } from "node:timers/promises";
import { createServer } from "../../../dist/index.js";
import { listening } from "../listening.mjs";

const WORK = 100;

export default async () => {
  let served = 0;
  let lastEnd = 0;
  const server = createServer(async (connection) => {
    for await (const request of connection) {
      await sleep(WORK);
      connection.send(request);
      served++;
      lastEnd = performance.now();
    }
  });
  const { port } = await server.listen(listening);
  return {
    port,
    async drain(options) {
      await server.shutdown(options);
      return { served, over: (performance.now() - lastEnd) * 1000 };
    },
  };
};
