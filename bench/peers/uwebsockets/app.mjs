/**
 * What both servers on uWebSockets.js share. npm has it only as the unofficial build @trufflesuite/uws-js-unofficial of
 * 20.30 (2023); its authors distribute it by GitHub, and are further by now. Of what is used here, later versions have
 * added `app.close()`: it closes the listen sockets and cuts all connections off.
 */
import uWS from "@trufflesuite/uws-js-unofficial";
import { host, port, work } from "../work.mjs";

/**
 * Listens. `served(ws, task)` runs what serves one message, `open`, `pong` and `close` are told of clients. The
 * server that it returns has the clients that are connected, and the listen socket.
 */
export function listen({ served = (_ws, task) => task(), open, pong, close }) {
  const clients = new Set();
  const server = { clients, listenSocket: undefined };
  const app = uWS.App().ws("/*", {
    maxPayloadLength: 1024 * 1024, // By default 16 KiB, and a longer message cuts the connection off.
    maxBackpressure: 16 * 1024 * 1024, // By default 64 KiB, and what is sent beyond that is dropped.
    open(ws) {
      clients.add(ws);
      open?.(ws);
    },
    message(ws, data) {
      // The bytes are uWebSockets.js' own again when this returns.
      const request = Buffer.from(data).toString();
      void served(ws, async () => {
        const reply = await work(request);
        // One that has closed must not be touched: it throws.
        if (clients.has(ws)) ws.send(reply);
      });
    },
    pong,
    close(ws) {
      clients.delete(ws);
      close?.(ws);
    },
  });
  app.listen(host, port, (socket) => {
    if (!socket) throw new Error(`Cannot listen on ${host}:${port}.`);
    server.listenSocket = socket;
  });
  return server;
}
