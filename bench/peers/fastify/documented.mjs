/** Fastify with `@fastify/websocket`, stopped by `fastify.close()`: by default it closes all WebSockets. */
import websocket from "@fastify/websocket";
import Fastify from "fastify";
import { host, port, work } from "../work.mjs";

const fastify = Fastify();
await fastify.register(websocket);

fastify.get("/", { websocket: true }, (client) => {
  client.on("message", async (data) => client.send(await work(String(data))));
});

process.once("SIGTERM", async () => {
  // stop: fastify.close
  await fastify.close();
  // end of stop
});
await fastify.listen({ port, host });
