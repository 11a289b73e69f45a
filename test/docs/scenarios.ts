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
    marker: "listen: 8080",
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
    marker: '"/readyz"',
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
    marker: "server.broadcast(",
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
