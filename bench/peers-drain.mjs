/**
 * What is lost when a WebSocket server is stopped in the middle of its work, by library and by way of stopping it.
 *
 *   npm ci && npm run build && npm ci --prefix bench && node bench/peers-drain.mjs
 *
 * 5 clients with 5 requests each; a request takes 100 ms, one after the other on each connection; the stop comes
 * 50 ms in. In two ways of asking:
 *
 *   pipelined    all 5 requests are sent at once
 *   closed loop  the next request is sent when the reply to the last one has come
 *
 * What counts: `answered`, of the requests that were sent; `executed, unanswered`: the work was done and nobody was
 * told, so that a client which asks again has it done twice; `dropped`: sent and never started. And whether the stop
 * came to an end by itself, while the clients stayed.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Server as SocketIoServer } from "socket.io";
import { io } from "socket.io-client";
import { WebSocket, WebSocketServer } from "ws";
import { createServer, each } from "../dist/index.js";

const CONNECTIONS = 5;
const REQUESTS = 5;
const WORK = 100;
const STOP_AT = 50;
/** A stop that has not ended by now waits for clients that stay. */
const NEVER = 3_000;

/** One server, counted: the ids that it has executed. */
class Work {
  executed = new Set();

  async do(id) {
    await sleep(WORK);
    this.executed.add(id);
    return id;
  }
}

// The servers. Each is `{ port, stop, destroy }`.

async function listen(http) {
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return http.address().port;
}

/** `ws`, with one promise chain for each client: its requests are served in order. */
function onWs(stop) {
  return async (work) => {
    const http = createHttpServer();
    const wss = new WebSocketServer({ server: http });
    const chains = new Map();
    wss.on("connection", (client) => {
      chains.set(client, Promise.resolve());
      client.on("error", () => {});
      client.on("message", (data) => {
        // Said goodbye already: nobody can be answered any more, so nothing is started either.
        if (client.readyState !== WebSocket.OPEN) return;
        const served = chains.get(client).then(async () => {
          const reply = await work.do(String(data));
          if (client.readyState === WebSocket.OPEN) client.send(reply);
        });
        chains.set(client, served);
      });
    });
    const port = await listen(http);
    return {
      port,
      stop: () => stop({ http, wss, chains }),
      destroy() {
        for (const client of wss.clients) client.terminate();
        http.close();
      },
    };
  };
}

const closed = (server) => new Promise((resolve) => server.close(() => resolve()));

const wsClose = ({ wss }) => closed(wss);

const httpClose = ({ http }) => closed(http);

function closeAll({ http, wss }) {
  for (const client of wss.clients) client.close(1001);
  wss.close();
  return closed(http);
}

function terminateAll({ http, wss }) {
  for (const client of wss.clients) client.terminate();
  wss.close();
  return closed(http);
}

/** The drain that one writes by hand: wait until a client's requests are served, then say goodbye. */
async function drainByHand({ http, wss, chains }) {
  const down = closed(http);
  const goodbyes = [...wss.clients].map(async (client) => {
    let chain;
    do {
      chain = chains.get(client);
      await chain;
    } while (chain !== chains.get(client));
    client.close(1012);
  });
  await Promise.all(goodbyes);
  await down;
}

async function onSocketIo(work) {
  const http = createHttpServer();
  const server = new SocketIoServer(http);
  server.on("connection", (socket) => {
    let chain = Promise.resolve();
    socket.on("request", (id, reply) => {
      chain = chain.then(async () => reply(await work.do(id)));
    });
  });
  const port = await listen(http);
  return { port, stop: () => server.close(), destroy: () => http.closeAllConnections() };
}

async function onLastcall(work) {
  const server = createServer(each((message) => work.do(message)));
  const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
  return { port, stop: () => server.shutdown(), destroy: () => server.close() };
}

// The clients. Each resolves to `{ send(id), onReply, ended, leave() }` once it is connected.

async function wsClient(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  const client = {
    send: (id) => socket.send(id),
    isOpen: () => socket.readyState === WebSocket.OPEN,
    onReply: () => {},
    ended: new Promise((resolve) => socket.once("close", resolve)),
    leave: () => socket.terminate(),
  };
  socket.on("message", (data) => client.onReply(String(data)));
  socket.on("error", () => {});
  await once(socket, "open");
  return client;
}

async function socketIoClient(port) {
  const socket = io(`ws://127.0.0.1:${port}`, {
    transports: ["websocket"],
    reconnection: false,
    forceNew: true,
  });
  const client = {
    send: (id) => socket.emit("request", id, (reply) => client.onReply(reply)),
    isOpen: () => socket.connected,
    onReply: () => {},
    ended: new Promise((resolve) => socket.once("disconnect", resolve)),
    leave: () => socket.disconnect(),
  };
  await new Promise((resolve) => socket.once("connect", resolve));
  return client;
}

/** Sends this client's requests; notes what is sent and what is answered. */
function converse(client, number, pipelined, sent, answered) {
  let next = 0;
  const ask = () => {
    if (next === REQUESTS || !client.isOpen()) return;
    const id = `${number}-${next++}`;
    sent.add(id);
    client.send(id);
  };
  client.onReply = (id) => {
    answered.add(id);
    if (!pipelined) ask();
  };
  ask();
  while (pipelined && next < REQUESTS) ask();
}

async function trial({ start, connect }, pipelined) {
  const work = new Work();
  const server = await start(work);
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(server.port)));
  const sent = new Set();
  const answered = new Set();
  clients.forEach((client, number) => converse(client, number, pipelined, sent, answered));
  await sleep(STOP_AT);

  const stoppedAt = performance.now();
  const returned = await Promise.race([
    server.stop().then(() => performance.now() - stoppedAt),
    sleep(NEVER).then(() => undefined),
  ]);
  if (returned !== undefined)
    await Promise.race([Promise.all(clients.map((client) => client.ended)), sleep(NEVER)]);
  // Whatever is still being worked on comes to an end, so that it is counted as executed.
  await sleep(REQUESTS * WORK + 100);
  for (const client of clients) client.leave();
  await server.destroy();

  const unanswered = [...sent].filter((id) => !answered.has(id));
  const executed = unanswered.filter((id) => work.executed.has(id)).length;
  return {
    answered: `${answered.size} of ${sent.size}`,
    "executed, unanswered": executed,
    dropped: unanswered.length - executed,
    "stop ended after": returned === undefined ? "never" : `${Math.round(returned)} ms`,
  };
}

const contestants = {
  "ws: wss.close()": { start: onWs(wsClose), connect: wsClient },
  "ws: http.close()": { start: onWs(httpClose), connect: wsClient },
  "ws: client.close(1001) for all": { start: onWs(closeAll), connect: wsClient },
  "ws: client.terminate() for all": { start: onWs(terminateAll), connect: wsClient },
  "ws: a drain written by hand": { start: onWs(drainByHand), connect: wsClient },
  "socket.io: io.close()": { start: onSocketIo, connect: socketIoClient },
  "lastcall: server.shutdown()": { start: onLastcall, connect: wsClient },
};

const versionOf = (folder) =>
  JSON.parse(readFileSync(new URL(`${folder}/package.json`, import.meta.url), "utf8")).version;

console.log(
  `${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ws ${versionOf("node_modules/ws")}, ` +
    `socket.io ${versionOf("node_modules/socket.io")}, lastcall ${versionOf("..")}`,
);
for (const pipelined of [true, false]) {
  console.log(`\n${pipelined ? "pipelined" : "closed loop"}`);
  const rows = {};
  for (const [name, contestant] of Object.entries(contestants))
    rows[name] = await trial(contestant, pipelined);
  console.table(rows);
}
