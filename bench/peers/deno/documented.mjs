/** Deno.serve, stopped as its documentation does it. The first argument says which way. */
import { host, port, wayOf, work } from "../work.mjs";

const clients = new Set();

const server = Deno.serve({ hostname: host, port, onListen() {} }, (request) => {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket")
    return new Response("Upgrade Required", { status: 426 });
  const { socket, response } = Deno.upgradeWebSocket(request);
  clients.add(socket);
  socket.addEventListener("close", () => clients.delete(socket));
  socket.addEventListener("message", async ({ data }) => {
    const reply = await work(String(data));
    if (socket.readyState === WebSocket.OPEN) socket.send(reply);
  });
  return response;
});

const stops = {
  "server.shutdown": () => {
    // stop: server.shutdown
    server.shutdown();
    // end of stop
  },
  "socket.close": () => {
    // stop: socket.close
    for (const socket of clients) socket.close(1001);
    server.shutdown();
    // end of stop
  },
};

const stop = wayOf(stops);
Deno.addSignalListener("SIGTERM", function once() {
  // It keeps the process alive.
  Deno.removeSignalListener("SIGTERM", once);
  stop();
});
