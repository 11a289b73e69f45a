/**
 * graphql-ws on `ws`, stopped by a drain that is written by hand. A request is in hand from `onSubscribe` until
 * graphql-ws has sent its last message: that is `complete`, or an `error` when the query is refused.
 */
import { createServer } from "node:http";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { Drain, pongs } from "../drain-ws.mjs";
import { host, port } from "../work.mjs";
import { schema } from "./schema.mjs";

const http = createServer();
const wss = new WebSocketServer({ ...pongs, server: http, path: "/graphql" });
const drain = new Drain(http);

const onSubscribe = ({ extra }) => drain.begin(extra.socket);
const onEnd = ({ extra }) => drain.end(extra.socket);
useServer({ schema, onSubscribe, onComplete: onEnd, onError: onEnd }, wss);
wss.on("connection", (client, { socket }) => drain.welcome(client, socket));

process.once("SIGTERM", async () => {
  // stop: by hand
  await drain.lastGuests();
  http.close();
  await drain.goodbyes();
  // end of stop
});
http.listen(port, host);
