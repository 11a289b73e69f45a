import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { listening } from "./listening.mjs";

/**
 * An echo on `ws`, as its README has it.
 *
 * @param {(client: import("ws").WebSocket, request: import("node:http").IncomingMessage) => void} [welcome] done first
 *   for each client
 */
export async function startWs(welcome) {
  const http = createServer();
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  server.on("connection", (client, request) => {
    welcome?.(client, request);
    // A text is handed over as a string, as it is by the others.
    client.on("message", (data, isBinary) => client.send(isBinary ? data : data.toString()));
  });
  await new Promise((resolve) => http.listen(listening, resolve));
  return {
    port: http.address().port,
    broadcast(message) {
      for (const client of server.clients) client.send(message);
    },
    drain() {
      http.close();
      return new Promise((resolve) => {
        let open = server.clients.size;
        for (const client of server.clients) {
          client.on("close", () => {
            if (--open === 0) resolve();
          });
          client.close(1012);
        }
      });
    },
  };
}
