/** graphql-ws on `ws`, stopped by `dispose()`: it closes every client with 1001, and then the server. */
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { host, port } from "../work.mjs";
import { schema } from "./schema.mjs";

const wss = new WebSocketServer({ host, port, path: "/graphql" });
const server = useServer({ schema }, wss);

process.once("SIGTERM", async () => {
  // stop: dispose
  await server.dispose();
  // end of stop
});
