/**
 * socket.io, stopped by a drain that is written by hand, one floor down: socket.io has no Ping that can be sent when it
 * is needed and no close code, but the `ws` below it has. A client that is closed there connects again by itself, which
 * one that `disconnect()` has told to go does not.
 */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { Drain } from "../drain-ws.mjs";
import { host, port, work } from "../work.mjs";

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });
const drain = new Drain(http);

io.engine.on("connection", (connection) => {
  // engine.io passes replies on to `ws` one after the other, and keeps the others.
  const isUnsent = () => connection.writeBuffer.length > 0;
  drain.welcome(connection.transport.socket, connection.request.socket, isUnsent);
});

io.on("connection", (socket) => {
  const client = socket.conn.transport.socket;
  socket.on("request", (request, reply) => drain.serve(client, async () => reply(await work(request))));
});

process.once("SIGTERM", async () => {
  // stop: by hand
  await drain.lastGuests();
  http.close();
  await drain.goodbyes();
  // end of stop
});
http.listen(port, host);
