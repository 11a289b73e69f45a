import { createServer } from "../../dist/index.js";
import { listening } from "./listening.mjs";

/**
 * @param {import("../../dist/index.js").Handler} handler
 * @param {typeof createServer} [create] of another build
 */
export async function startLastcall(handler, create = createServer) {
  const server = create(handler);
  const { port } = await server.listen(listening);
  return {
    port,
    broadcast: (message) => server.broadcast(message),
    async drain(options) {
      await server.shutdown(options);
    },
  };
}
