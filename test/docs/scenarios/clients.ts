/** How the snippets of docs/clients.md are run. */
import { lastcall, server, type Scenario } from "./scenario.js";

export const clients: readonly Scenario[] = [
  {
    marker: "function stayConnected(",
    before: `import { once, EventEmitter } from "node:events";
import { WebSocket } from "ws";
${server}`,
    after: `const said = new EventEmitter();
const ends = [];
const leave = stayConnected(\`ws://127.0.0.1:\${port}\`, {
  onOpen: (socket) => socket.send("here I am"),
  onMessage: ({ data }) => said.emit("message", data),
  onState: (state, { code }) => (ends.push([state, code]), said.emit(state)),
});
assert.deepEqual(await once(said, "message"), ["here I am"]);
await server.shutdown();
const next = createServer(async (connection) => {
  for await (const message of connection) {
    connection.send(message);
    if (ends.length < 5) return;
    connection.close(1008);
  }
});
await next.listen({ port, host: "127.0.0.1" });
assert.deepEqual(await once(said, "message"), ["here I am"]);
while (ends.length < 5) await once(said, "waiting");
await once(said, "refused");
leave();
assert.deepEqual(ends[0], ["waiting", 1012]);
assert.deepEqual(ends.at(-1), ["refused", 1008]);
await next.shutdown();`,
  },
  {
    marker: "async function connectPatiently(",
    before: `import { createServer, UpgradeRejected } from "lastcall";
const port = await drive.freePort();
const address = \`ws://127.0.0.1:\${port}\`;`,
    after: `const waiting = connectPatiently(address);
const server = createServer(
  { maxConnections: 2, authenticate: ({ url }) => {
    if (url !== "/") throw new UpgradeRejected(401);
  } },
  async (connection) => { for await (const _ of connection); },
);
await server.listen({ port, host: "127.0.0.1" });
const first = await waiting;
await assert.rejects(connectPatiently(address + "/secret"), /refused with 401/);
const { socket } = await drive.connect(port);
const began = performance.now();
const second = connectPatiently(address);
setTimeout(() => first.close(), 300);
(await second).close();
socket.close();
assert.ok(performance.now() - began >= 900, "Retry-After was heard");
await server.shutdown();`,
  },
  {
    marker: "const waiting = new Map();",
    before: `import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
${lastcall}
const started = [];
const make = () => createServer(each(async (message) => {
  started.push(JSON.parse(message).id);
  await sleep(50);
  return JSON.stringify({ id: JSON.parse(message).id });
}));
const first = make();
const { port } = await first.listen({ port: 0, host: "127.0.0.1" });
const url = \`ws://127.0.0.1:\${port}\`;
let socket;
let isOver = false;
function stayConnected(url, { onOpen, onMessage, onState }) {
  socket = new WebSocket(url);
  const own = socket;
  own.onopen = () => onOpen(own);
  own.onmessage = onMessage;
  own.onerror = () => {};
  own.onclose = ({ code }) => {
    onState("waiting", { code });
    if (!isOver) setTimeout(() => stayConnected(url, { onOpen, onMessage, onState }), 20);
  };
  return () => (isOver = true, socket.close());
}`,
    after: `while (socket.readyState !== WebSocket.OPEN) await sleep(5);
for (const question of ["a", "b", "c", "d"]) ask(socket, question);
while (started.length === 0) await sleep(5);
const report = await first.shutdown({ lastCall: 1 });
assert.ok(report.messages.handedBack > 0);
const next = make();
await next.listen({ port, host: "127.0.0.1" });
while (waiting.size > 0) await sleep(10);
assert.deepEqual(started, [1, 2, 3, 4]);
leave();
await next.shutdown();`,
  },
];
