/**
 * Fastify with `@fastify/websocket`, stopped by a drain that is written by hand, in the hook that the plugin has for it.
 * From `fastify.close()` on Fastify answers every upgrade with 503, so the last guests are let in before.
 */
import websocket from "@fastify/websocket";
import Fastify from "fastify";
import { Drain, pongs } from "../drain-ws.mjs";
import { host, port, work } from "../work.mjs";

// By default Fastify ends the process, with 1, when closing takes longer than 10 s.
const fastify = Fastify({ pluginTimeout: 20_000 });
const drain = new Drain(fastify.server);
await fastify.register(websocket, { options: pongs, preClose: () => drain.goodbyes() });

fastify.get("/", { websocket: true }, (client, { raw }) => {
  drain.welcome(client, raw.socket);
  client.on("message", (data) => drain.serve(client, async () => client.send(await work(String(data)))));
});

process.once("SIGTERM", async () => {
  // stop: by hand
  await drain.lastGuests();
  await fastify.close();
  // end of stop
});
await fastify.listen({ port, host });
