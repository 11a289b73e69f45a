/**
 * uWebSockets.js, stopped by a drain that is written by hand: the steps of ../drain-ws.mjs. Two of them cannot be taken:
 * there is no telling whether sockets are in the middle of a handshake, so the door just stays open for a moment; and
 * `end()` forgets the socket, so whether the client has answered its Close is not to be known either.
 */
import { setTimeout as sleep } from "node:timers/promises";
import uWS from "@trufflesuite/uws-js-unofficial";
import { listen } from "./app.mjs";

// stop: by hand
const ACCEPT = 250;
const PONG = 2_000;
const QUIET = 200;
const PATIENCE = 5_000;
const CLOSE = 3_000;
const DEADLINE = 15_000;

const states = new Map();
let goodbyes;

const server = listen({
  open(ws) {
    states.set(ws, { pending: 0, activeAt: performance.now() });
    // One whose handshake was under way when the door closed.
    goodbyes?.push(goodbye(ws));
  },
  async served(ws, task) {
    const state = states.get(ws);
    if (state === undefined || state.isCut) return;
    state.pending++;
    state.activeAt = performance.now();
    await task();
    state.pending--;
    state.activeAt = performance.now();
  },
  pong(ws) {
    states.get(ws).onPong?.();
  },
  close(ws) {
    states.get(ws).onPong?.();
    states.delete(ws);
  },
});

process.once("SIGTERM", async () => {
  // Sockets that stay behind `end()` are left to uWebSockets.js' own time-outs, and those are longer than this.
  setTimeout(() => process.exit(0), DEADLINE).unref();
  await sleep(ACCEPT);
  uWS.us_listen_socket_close(server.listenSocket);
  goodbyes = [...server.clients].map(goodbye);
  for (const each of goodbyes) await each;
  setTimeout(() => process.exit(0), CLOSE).unref();
});

async function goodbye(ws) {
  const { clients } = server;
  const state = states.get(ws);
  const begun = performance.now();
  const ponged = new Promise((resolve) => {
    state.onPong = () => resolve(performance.now() - begun);
  });
  ws.ping("last call");
  const roundTrip = await Promise.race([ponged, sleep(PONG, undefined, { ref: false })]);
  const quiet = Math.max(QUIET, 2 * (roundTrip ?? 0));
  const isQuiet = () => state.pending === 0 && performance.now() - state.activeAt > quiet;
  while (clients.has(ws) && !isQuiet() && performance.now() - begun < PATIENCE) await sleep(10);

  // What comes now is not started.
  state.isCut = true;
  const isUnsent = () => state.pending > 0 || ws.getBufferedAmount() > 0;
  while (clients.has(ws) && isUnsent() && performance.now() - begun < DEADLINE - 2 * CLOSE) await sleep(10);
  if (clients.has(ws)) ws.end(1012, "service restart");
}
// end of stop
