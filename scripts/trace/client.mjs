/** A WebSocket client (the package `ws`) in a thread of its own: what it calls is not the server's doing. */
import { parentPort } from "node:worker_threads";
import { WebSocket } from "ws";

const port = /** @type {import("node:worker_threads").MessagePort} */ (parentPort);

/** @type {WebSocket} */
let socket;

/** @param {"open" | "message" | "close"} event */
function tell(event) {
  port.postMessage(event);
}

port.on("message", (/** @type {{ connect: number } | { send: string }} */ order) => {
  if ("send" in order) return socket.send(order.send);
  socket = new WebSocket(`ws://127.0.0.1:${order.connect}`, { perMessageDeflate: false });
  socket.on("open", () => tell("open"));
  socket.on("message", () => tell("message"));
  socket.on("close", () => tell("close"));
});
