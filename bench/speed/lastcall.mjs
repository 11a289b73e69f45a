import { createServer } from "../../dist/index.js";
import { listening } from "./listening.mjs";

/** @param {import("../../dist/index.js").Handler} handler */
export async function startLastcall(handler) {
  const server = createServer(handler);
  const { port } = await server.listen(listening);
  return {
    port,
    broadcast: (message) => server.broadcast(message),
    async drain(options) {
      await server.shutdown(options);
    },
  };
}
