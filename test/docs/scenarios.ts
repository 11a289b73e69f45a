/**
 * How each snippet of the documentation is run: what a reader would have around it, before and after, as JavaScript.
 * `drive` and `assert` are there for all.
 */
export interface Scenario {
  /** What this snippet has and no other. */
  marker: string;
  /** Replaced in the snippet. */
  replace?: readonly [string, string];
  before?: string;
  after?: string;
}

const lastcall = `import { createServer, each } from "lastcall";`;
const server = `${lastcall}
const server = createServer(async (connection) => {
  for await (const message of connection) connection.send(message);
});
const { port } = await server.listen({ port: 0, host: "127.0.0.1" });`;
const listen = `const { port } = await server.listen({ port: 0, host: "127.0.0.1" });`;

export const scenarios: readonly Scenario[] = [
  {
    marker: "  }\n});\n\nconst report = await server.run({ listen: 8080",
    replace: ["8080", "port"],
    before: `const { work } = drive;
const port = await drive.freePort();
const seen = drive.terminateInTheMiddle(port);`,
    after: `assert.deepEqual(await seen, drive.servedInTheMiddle);
assert.equal(report.outcome, "clean");`,
  },
  {
    marker: "concurrency: 4",
    before: `const { work } = drive;`,
    after: `${listen}
assert.deepEqual(await drive.converse(port, ["one", "two"]), ["done: one", "done: two"]);
await server.shutdown();`,
  },
  {
    marker: "drain: { deadline: 20_000, lameDuck: 5_000 }",
    before: `${lastcall}\nconst handler = () => {};`,
    after: `${listen}
void server.shutdown();
assert.notEqual(server.address(), null);
await server.close();`,
  },
  {
    marker: 'app.get("/readyz"',
    before: `${server}
const routes = new Map();
const app = { get: (path, handle) => routes.set(path, handle) };`,
    after: `const readiness = () => {
  let status;
  routes.get("/readyz")({}, { sendStatus: (given) => (status = given) });
  return status;
};
assert.equal(readiness(), 200);
const down = server.shutdown({ lameDuck: 10 });
assert.equal(readiness(), 503);
await down;`,
  },
  {
    marker: "UpgradeRejected(401",
    before: `const findUser = async (credentials) => (credentials === "Bearer a" ? { name: "Alice" } : undefined);`,
    after: `${listen}
const headers = { Authorization: "Bearer a" };
assert.deepEqual(await drive.converse(port, ["hello"], { headers }), ["Alice: hello"]);
await assert.rejects(drive.converse(port, ["hello"]), /401/);
await server.shutdown();`,
  },
  {
    marker: "beforeApplicationShutdown",
    replace: ["8080", "port"],
    before: `import { Module } from "@nestjs/common";
const { work } = drive;
const port = await drive.freePort();
class AppModule {}
Module({})(AppModule);
let seen;
process.once("exit", (code) => assert.deepEqual({ seen, code }, { seen: drive.servedInTheMiddle, code: 0 }));`,
    after: `seen = await drive.terminateInTheMiddle(port);`,
  },
  {
    marker: "createHttpServer",
    replace: ["8080", "0"],
    before: `const handler = async (connection) => {
  for await (const message of connection) connection.send(message);
};`,
    after: `const { port } = http.address();
assert.equal(await (await fetch(\`http://127.0.0.1:\${port}/\`)).text(), "plain HTTP is yours");
assert.deepEqual(await drive.converse(port, ["hello"], { path: "/chat" }), ["hello"]);
await assert.rejects(drive.converse(port, ["hello"]), /404/);
await server.shutdown();
assert.equal(http.listening, false);`,
  },
  {
    marker: "x-forwarded-for",
    after: `const headers = { "x-forwarded-for": "10.9.9.9, 192.0.2.7" };
assert.equal(addressOf({ request: { headers } }), "192.0.2.7");`,
  },
  {
    marker: 'source.on("news"',
    before: `import { EventEmitter } from "node:events";
const source = new EventEmitter();`,
    after: `${listen}
const client = await drive.connect(port);
while (source.listenerCount("news") === 0) await once(source, "newListener");
source.emit("news", "the door opens");
await client.received(1);
const report = await server.shutdown();
assert.deepEqual(client.messages, ["the door opens"]);
assert.equal(await client.closed, 1012);
assert.equal(report.outcome, "clean");
assert.equal(source.listenerCount("news"), 0);`,
  },
  {
    marker: "the shop closes at ten",
    before: `${lastcall}
const server = createServer({ protocols: ["news"] }, async (connection) => { for await (const _ of connection); });
${listen}
const reader = await drive.connect(port, { protocols: ["news"] });
const other = await drive.connect(port);`,
    after: `assert.equal(taken, 1);
await reader.received(1);
await server.shutdown();
await other.closed;
assert.deepEqual([reader.messages, other.messages], [["the shop closes at ten"], []]);`,
  },
  {
    marker: "compression: {",
    before: `${lastcall}
const handler = async (connection) => {
  for await (const message of connection) connection.send(message);
};`,
    after: `${listen}
const client = await drive.connect(port);
assert.equal(client.socket.extensions, "permessage-deflate");
client.socket.send("a".repeat(5_000));
assert.deepEqual(await client.received(1), ["a".repeat(5_000)]);
await server.shutdown();`,
  },
  {
    marker: "connection.waitUntil(",
    before: `${lastcall}\nconst store = drive.work;`,
    after: `${listen}
const client = await drive.connect(port);
client.socket.send("one");
const stored = client.received(1);
await new Promise((resolve) => client.socket.once("pong", resolve).ping());
await server.shutdown();
assert.deepEqual(await stored, ["stored: one"]);`,
  },
  {
    marker: "await connection.flushed()",
    before: `${lastcall}\nasync function* read(name) { yield name; yield "end"; }`,
    after: `${listen}
const client = await drive.connect(port);
client.socket.send("book");
assert.deepEqual(await client.received(2), ["book", "end"]);
await server.shutdown();`,
  },
  {
    marker: "server.shutdown({ deadline: 1_000 })",
    replace: ["// …", 'assert.deepEqual(await drive.converse(port, ["hello"]), ["hello"]);'],
    before: lastcall,
    after: `assert.equal(report.outcome, "clean");`,
  },
  {
    marker: "Promise<User> => findUser",
    before: `async function findUser(credentials = ""): Promise<{ name: string }> {
  return { name: credentials };
}`,
  },
  {
    marker: "you sent ${message.length} bytes",
    replace: ["8080", "port"],
    before: `const port = await drive.freePort();
const printed = [];
const console = { log: (line) => printed.push(line), error: (error) => printed.push(error) };
const seen = (async () => {
  const client = await drive.connect(port);
  client.socket.send("hello");
  client.socket.send(Buffer.alloc(3));
  await client.received(2);
  process.kill(process.pid, "SIGINT");
  return { code: await client.closed, messages: client.messages };
})();`,
    after: `assert.deepEqual(await seen, { code: 1012, messages: ["you said: hello", "you sent 3 bytes", "goodbye"] });
assert.equal(printed[0], "1 came from 127.0.0.1");
assert.match(printed[1], /^Clean shutdown .*: 0 messages served on 1 connection\\.\\nConnections: 1 closed and confirmed\\.$/);
assert.equal(printed.length, 2);`,
  },
  {
    marker: 'socket.onopen = () => socket.send("hello")',
    replace: ['"ws://127.0.0.1:8080"', "`ws://127.0.0.1:${port}`"],
    before: `import { once } from "node:events";
import { WebSocket } from "ws";
${server}
const printed = [];
const console = { log: (...words) => printed.push(words) };`,
    after: `while (printed.length === 0) await once(socket, "message");
const down = server.shutdown();
await once(socket, "close");
await down;
assert.deepEqual(printed, [["hello"], [1012, "service restart"]]);`,
  },
  {
    marker: "${connection.id}: ${await work(message)}",
    before: `const { work } = drive;`,
    after: `${listen}
const [reply] = await drive.converse(port, ["one"]);
assert.match(reply, /^\\d+: done: one$/);
await server.shutdown();`,
  },
  {
    marker: 'report.outcome === "forced" ? 1 : 0',
    replace: ["8080", "port"],
    before: `import { terminationSignals } from "lastcall/process";
${lastcall}
const server = createServer(each(drive.work));
const port = await drive.freePort();
const seen = drive.terminateInTheMiddle(port);`,
    after: `assert.deepEqual(await seen, drive.servedInTheMiddle);
assert.equal(process.exitCode, 0);`,
  },
  {
    marker: "JSON.stringify(report)",
    replace: ["8080", "port"],
    before: `import { terminationSignals } from "lastcall/process";
${lastcall}
const server = createServer({ drain: { deadline: 50 } }, () => new Promise(() => {}));
const port = await drive.freePort();
const printed = [];
const console = { log: (line) => printed.push(line) };
const left = drive.connect(port).then(({ closed }) => {
  process.kill(process.pid, "SIGTERM");
  return closed;
});`,
    after: `assert.equal(await left, 1006);
assert.equal(JSON.parse(printed[0]).troubled[0].reason, "handler");
assert.equal(process.exitCode, 1);
process.exitCode = 0;`,
  },
  {
    marker: "{ deadline: 500, closeTimeout: 200 }",
    before: `${lastcall}
const handler = async (connection) => {
  for await (const message of connection) connection.send(message);
};`,
    after: `${listen}
const client = await drive.connect(port);
const chatter = setInterval(() => client.socket.send("and another thing"), 10);
await client.received(1);
const began = performance.now();
await server.shutdown();
clearInterval(chatter);
assert.ok(performance.now() - began < 1_500);
assert.equal(await client.closed, 1012);`,
  },
  {
    marker: "maxConnections: 10_000",
    before: `${lastcall}\nconst handler = each((message) => message);`,
    after: `${listen}
assert.deepEqual(await drive.converse(port, ["hello"], { path: "/chat" }), ["hello"]);
await assert.rejects(drive.converse(port, ["hello"]), /404/);
await server.shutdown();`,
  },
  {
    marker: "server.shutdown({ deadline: 5_000 })",
    before: server,
    after: `assert.equal(server.state, "closed");`,
  },
  {
    marker: 'connection.close(1003, "text only")',
    before: lastcall,
    after: `${listen}
const client = await drive.connect(port, { path: "/?room=7" });
client.socket.send("hello");
assert.deepEqual(await client.received(2), ["1 from 127.0.0.1 entered 7", "HELLO"]);
client.socket.send(Buffer.alloc(1));
assert.equal(await client.closed, 1003);
await server.shutdown();`,
  },
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
  {
    marker: 'error: "not JSON"',
    before: `${lastcall}\nconst { work } = drive;`,
    after: `${listen}
const replies = await drive.converse(port, ['{"id":7,"question":"why"}', "{", "null"]);
assert.deepEqual(replies, ['{"id":7,"result":"done: why"}', '{"error":"not JSON"}', '{"result":"done: undefined"}']);
await server.shutdown();`,
  },
  {
    marker: "room.delete(connection)",
    before: lastcall,
    after: `${listen}
const [ann, bob, eve] = await Promise.all(
  ["a", "a", "b"].map((room) => drive.connect(port, { path: \`/?room=\${room}\` })),
);
ann.socket.send("hello");
await bob.received(1);
const report = await server.shutdown();
await Promise.all([ann, bob, eve].map(({ closed }) => closed));
assert.deepEqual([ann, bob, eve].map(({ messages }) => messages), [[], ["hello"], []]);
assert.equal(report.outcome, "clean");
assert.equal(rooms.size, 0);`,
  },
  {
    marker: "bus.publish(message)",
    before: `import { EventEmitter } from "node:events";
${lastcall}
const bus = new EventEmitter();
bus.publish = (message) => bus.emit("message", message);`,
    after: `${listen}
const reader = await drive.connect(port);
assert.deepEqual(await drive.converse(port, ["news"]), ["news"]);
assert.deepEqual(await reader.received(1), ["news"]);
await server.shutdown();`,
  },
  {
    marker: "const PER_SECOND = 20",
    before: `${lastcall}\nconst work = (message) => message;`,
    after: `${listen}
const began = performance.now();
const messages = Array.from({ length: 10 }, (_, index) => String(index));
assert.deepEqual(await drive.converse(port, messages), messages);
assert.ok(performance.now() - began >= 440);
await server.shutdown();`,
  },
  {
    marker: 'const OURS = "chat.v2"',
    before: `const handler = async (connection) => { for await (const message of connection) connection.send(connection.protocol); };`,
    after: `${listen}
assert.deepEqual(await drive.converse(port, ["hello"], { protocols: ["chat.v1", "chat.v2"] }), ["chat.v2"]);
await assert.rejects(drive.converse(port, ["hello"], { protocols: ["chat.v1"] }), /400/);
await assert.rejects(drive.converse(port, ["hello"]), /400/);
await server.shutdown();`,
  },
  {
    marker: "/weather/",
    replace: ["createServer(", "createServer({ onError: (error) => errors.push(error.name) }, "],
    before: `import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
${lastcall}
const errors = [];
let cancelled;
const weather = createHttpServer((request, response) => {
  if (request.url === "/weather/Bonn") return response.end("rain");
  cancelled = once(response, "close");
  weather.emit("asked");
});
await once(weather.listen(0, "127.0.0.1"), "listening");
const service = \`http://127.0.0.1:\${weather.address().port}\`;`,
    after: `${listen}
assert.deepEqual(await drive.converse(port, ["Bonn"]), ["rain"]);
const client = await drive.connect(port);
client.socket.send("Rome");
await once(weather, "asked");
client.socket._socket.resetAndDestroy();
await cancelled;
await server.shutdown();
assert.deepEqual(errors, ["ConnectionGoneError"]);
weather.close();
weather.closeAllConnections();`,
  },
  {
    marker: "it is ${new Date().toISOString()}",
    before: `import { setTimeout as sleep } from "node:timers/promises";\n${lastcall}`,
    after: `${listen}
const client = await drive.connect(port);
await client.received(1);
const report = await server.shutdown();
assert.equal(await client.closed, 1012);
assert.equal(client.messages.at(-1), "goodbye");
assert.equal(report.outcome, "clean");
assert.ok(report.duration < 900);`,
  },
  {
    marker: "listen: app.listen(8080)",
    replace: ["8080", "port"],
    before: `const { work } = drive;
const handler = async (connection) => { for await (const message of connection) connection.send(await work(message)); };
const port = await drive.freePort();
const seen = (async () => {
  const client = await drive.connect(port, { path: "/chat" });
  const page = await fetch(\`http://127.0.0.1:\${port}/\`);
  for (const message of ["one", "two"]) client.socket.send(message);
  await client.received(1);
  process.kill(process.pid, "SIGTERM");
  return { page: await page.text(), code: await client.closed, messages: client.messages };
})();`,
    after: `const messages = ["done: one", "done: two"];
assert.deepEqual(await seen, { page: "plain HTTP is Express'", code: 1012, messages });
assert.equal(report.outcome, "clean");`,
  },
  {
    marker: 'test("answers in capitals"',
    replace: [
      'import { handler } from "./handler.js";',
      "const handler = async (connection) => { for await (const message of connection) connection.send(message.toUpperCase()); };",
    ],
  },
  {
    marker: 'connection.send("welcome")',
    before: `${lastcall}
const { work } = drive;
const printed = [];
const console = { log: (line) => printed.push(line) };`,
    after: `${listen}
const client = await drive.connect(port, { path: "/chat" });
client.socket.send("one");
assert.deepEqual(await client.received(2), ["welcome", "done: one"]);
client.socket.close();
await client.closed;
await server.shutdown();
assert.deepEqual(printed, ["left"]);`,
  },
  {
    marker: "const chains = new Map()",
    before: `import { createServer as createHttpServer } from "node:http";
import { WebSocketServer } from "ws";
const { work } = drive;
const http = createHttpServer();
const wss = new WebSocketServer({ server: http });
await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));`,
    after: `assert.deepEqual(await drive.terminateInTheMiddle(http.address().port), drive.servedInTheMiddle);`,
  },
  {
    marker: 'subscribe("lastcall:connection"',
    before: `${lastcall}
const logged = [];
const console = { log: (...words) => logged.push(words[0]), error: ({ message }) => logged.push(message) };
const server = createServer(() => { throw new Error("on purpose"); });
${listen}`,
    after: `const client = await drive.connect(port);
assert.equal(await client.closed, 1011);
await server.shutdown();
assert.deepEqual(logged, ["opened", "on purpose", "closed"]);`,
  },
  {
    marker: 'subscribe("lastcall:drain"',
    before: `${server}
const logged = [];
const console = { log: (line) => logged.push(line) };`,
    after: `await server.shutdown();
assert.deepEqual(logged.slice(0, 2), ["draining 0 connections", "door closed"]);
assert.match(logged[2], /^Clean shutdown/);`,
  },
  {
    marker: "export const ack =",
    after: `assert.equal(ack('{"type":"connection_ack"}'), true);
const asked = JSON.parse(request(12, { id: "lc-7f3a-12", connection: 3, number: 2, size: 64 }));
assert.equal(asked.id, "lc-7f3a-12");
assert.deepEqual(["next", "complete"].map((type) => match(JSON.stringify({ id: asked.id, type }))), [asked.id, undefined]);
assert.equal(typeof open, "string");`,
  },
  {
    marker: "function executed(message)",
    before: `import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
const folder = mkdtempSync(join(tmpdir(), "lastcall-snippet-"));
process.env.LASTCALL_EFFECTS = join(folder, "effects");`,
    after: `executed("lc-7f3a-12 xxx");
assert.equal(readFileSync(effects, "utf8"), "lc-7f3a-12 xxx\\n");
rmSync(folder, { recursive: true });`,
  },
  {
    marker: 'from "lastcall/drill"',
    after: `assert.equal(result.runs.length, 2);`,
  },
];
