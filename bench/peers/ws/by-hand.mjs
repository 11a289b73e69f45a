/** `ws`, stopped by a drain that is written by hand. */
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { Drain, pongs } from "../drain-ws.mjs";
import { host, port, work } from "../work.mjs";

const http = createServer();
const wss = new WebSocketServer({ ...pongs, server: http });
const drain = new Drain(http);

wss.on("connection", (client, { socket }) => {
  drain.welcome(client, socket);
  client.on("error", console.error);
  client.on("message", (data) => drain.serve(client, async () => client.send(await work(String(data)))));
});

process.once("SIGTERM", async () => {
  // stop: by hand
  await drain.lastGuests();
  http.close();
  await drain.goodbyes();
  // end of stop
});
http.listen(port, host);
