/**
 * `ws`, stopped by what its documentation offers (doc/ws.md). `server.close()` stops the listening; of the clients it
 * says that they are not closed automatically, which leaves `close()` or `terminate()` for each.
 */
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { host, port, wayOf, work } from "../work.mjs";

// What is no WebSocket gets the answer that the server has which `ws` makes itself.
const http = createServer((_request, response) => response.writeHead(426).end());
const wss = new WebSocketServer({ server: http });

wss.on("connection", (client) => {
  client.on("error", console.error);
  client.on("message", async (data) => client.send(await work(String(data))));
});

const stop = wayOf({
  "http.close"() {
    // stop: http.close
    http.close();
    // end of stop
  },
  "wss.close"() {
    // stop: wss.close
    wss.close();
    http.close();
    // end of stop
  },
  "client.close"() {
    // stop: client.close
    for (const client of wss.clients) client.close(1001);
    wss.close();
    http.close();
    // end of stop
  },
  "client.terminate"() {
    // stop: client.terminate
    for (const client of wss.clients) client.terminate();
    wss.close();
    http.close();
    // end of stop
  },
});

process.once("SIGTERM", stop);
http.listen(port, host);
