/** socket.io, stopped by `io.close()`: it disconnects every client, and closes the HTTP server. */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { host, port, work } from "../work.mjs";

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });

io.on("connection", (socket) => {
  socket.on("request", async (request, reply) => reply(await work(request)));
});

process.once("SIGTERM", async () => {
  // stop: io.close
  await io.close();
  // end of stop
});
http.listen(port, host);
