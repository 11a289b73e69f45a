/** Echo servers for the Autobahn test suite, in a process of their own: ours, or `ws`, with compression or without. */
import { once } from "node:events";
import { createServer, each } from "lastcall";
import { WebSocketServer } from "ws";

const [name, compression] = [process.argv[2], process.argv[3] === "compressed"];
/** The largest message of the suite. */
const LARGEST = 16 * 1024 * 1024;
const [host, port] = ["127.0.0.1", 0];

async function listenOurs() {
  const limits = {
    maxPayload: LARGEST,
    maxFragments: 100_000,
    outboxLimit: 2 * LARGEST,
    inboxLimit: { bytes: 2 * LARGEST },
  };
  const server = createServer(
    { ...limits, compression },
    each((message) => message),
  );
  return (await server.listen({ host, port })).port;
}

async function listenWs() {
  const limits = { maxPayload: LARGEST, maxFragments: 100_000 };
  const server = new WebSocketServer({ host, port, ...limits, perMessageDeflate: compression });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, "listening");
  return /** @type {import("node:net").AddressInfo} */ (server.address()).port;
}

console.log(await (name === "ws" ? listenWs() : listenOurs()));
