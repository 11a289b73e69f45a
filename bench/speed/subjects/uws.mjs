/** uWebSockets.js, as its examples have it; the limits are wide enough for the messages of this bench. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { listening } from "../listening.mjs";

const MEGABYTE = 1024 * 1024;

const require = createRequire(import.meta.url);
const build = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
const source = require.resolve("@trufflesuite/uws-js-unofficial");
// Where it has no build it goes on with JavaScript, which is not what is to be measured.
if (!existsSync(new URL(`../binaries/${build}`, `file://${source}`)))
  throw new Error(`uWebSockets.js has no build for Node ${process.version}.`);
const uws = require(source);

export default async () => {
  const clients = new Set();
  let onGone;
  const app = uws.App().ws("/*", {
    maxPayloadLength: 2 * MEGABYTE,
    maxBackpressure: 16 * MEGABYTE,
    open(client) {
      clients.add(client);
      client.subscribe("all");
    },
    // A text is handed over as a string, as it is by the others.
    message(client, data, isBinary) {
      if (isBinary) client.send(data, true);
      else client.send(Buffer.from(data).toString());
    },
    close(client) {
      clients.delete(client);
      if (clients.size === 0) onGone?.();
    },
  });
  let door;
  await new Promise((resolve) => app.listen(listening.host, 0, (socket) => resolve((door = socket))));
  return {
    port: uws.us_socket_local_port(door),
    broadcast: (message) => app.publish("all", message, true),
    drain() {
      uws.us_listen_socket_close(door);
      return new Promise((resolve) => {
        onGone = resolve;
        for (const client of clients) client.end(1012);
      });
    },
  };
};
