/** How the snippets of docs/clients.md are run. */
import { blocksIn } from "../pages.js";
import { lastcall, server, type Scenario } from "./scenario.js";

/** The page's own: what is said of requests goes on with it. */
const stayConnected = blocksIn("js").find(({ code }) => code.includes("function stayConnected("))?.code;

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
    after: `const greetings = [];
const onMessage = (message) => greetings.push(String(message));
const waiting = connectPatiently(address, onMessage);
const server = createServer(
  { maxConnections: 2, authenticate: ({ url }) => {
    if (url !== "/") throw new UpgradeRejected(401);
    return true;
  } },
  async (connection) => {
    connection.send("welcome");
    for await (const _ of connection);
  },
);
await server.listen({ port, host: "127.0.0.1" });
const first = await waiting;
await assert.rejects(connectPatiently(address + "/secret", onMessage), /refused with 401/);
const { socket } = await drive.connect(port);
const began = performance.now();
const second = connectPatiently(address, onMessage);
setTimeout(() => first.close(), 300);
(await second).close();
socket.close();
assert.ok(performance.now() - began >= 900, "Retry-After was heard");
assert.deepEqual(greetings, ["welcome", "welcome"]);
await server.shutdown();`,
  },
  {
    marker: "const waiting = new Map();",
    // The server is away until two attempts to come back have failed; then it is back, and then it crashes.
    before: `import { setTimeout as sleep } from "node:timers/promises";
import * as ws from "ws";
${lastcall}
const started = [];
const make = () => createServer(each(async (message) => {
  const { id, question } = JSON.parse(message);
  started.push(id);
  await sleep(question === "never" ? 60_000 : 10, undefined, { ref: question !== "never" });
  return JSON.stringify({ id, answer: question });
}));
const first = make();
const { port } = await first.listen({ port: 0, host: "127.0.0.1" });
const url = \`ws://127.0.0.1:\${port}\`;
const ends = [];
class WebSocket extends ws.WebSocket {
  constructor(address) {
    super(address);
    this.on("close", (code) => ends.push(code));
  }
}
Math.random = () => 0.02; // pauses of 10, 20, 40 ms
const shown = [];
const asked = [];
const show = (answer) => shown.push(answer);
const askTheUser = (question) => asked.push(question);
${stayConnected}`,
    after: `while (socket?.readyState !== WebSocket.OPEN) await sleep(5);
const numbers = Array.from({ length: 30 }, (_, index) => index + 1);
for (const each of numbers.slice(0, 25)) ask(each);
while (shown.length < 3) await sleep(5);
const report = await first.shutdown({ lastCall: 0 });
assert.ok(report.messages.handedBack > 10);
while (ends.length < 3) await sleep(1);
assert.deepEqual(ends.slice(0, 3), [1012, 1006, 1006]);
for (const each of numbers.slice(25)) ask(each); // while nobody is there
const next = make();
await next.listen({ port, host: "127.0.0.1" });
while (waiting.size > 0) await sleep(10);
assert.deepEqual(started, numbers, "each was executed once");
assert.deepEqual(shown, numbers, "each was answered");
assert.deepEqual(asked, []);
ask("never");
while (started.length < 31) await sleep(5);
await next.close();
while (asked.length === 0) await sleep(5);
assert.deepEqual([asked, waiting.size], [["never"], 0]);
leave();`,
  },
];
