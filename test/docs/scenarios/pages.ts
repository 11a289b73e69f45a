/** How the snippets of the other pages are run. */
import { lastcall, listen, server, type Scenario } from "./scenario.js";

export const others: readonly Scenario[] = [
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
    marker: 'addHook("preClose"',
    before: `import fastify from "fastify";
const { work } = drive;
${lastcall}
const server = createServer(each(work));
const app = fastify();`,
    after: `await app.listen({ port: 0, host: "127.0.0.1" });
await server.listen(app.server);
const { port } = app.server.address();
process.once("SIGTERM", () => void app.close());
assert.deepEqual(await drive.terminateInTheMiddle(port), drive.servedInTheMiddle);`,
  },
  {
    marker: "plain HTTP is yours",
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
const down = server.shutdown({ lameDuck: 100 });
assert.equal(readiness(), 503);
await down;`,
  },
  {
    marker: "JSON.stringify(report)",
    replace: ["8080", "port"],
    before: `import { terminationSignals } from "lastcall/process";
${lastcall}
const server = createServer({ drain: { deadline: 100 } }, () => new Promise(() => {}));
const port = await drive.freePort();
const printed = [];
const console = { log: (line) => printed.push(line) };
void drive.connect(port).then(() => process.kill(process.pid, "SIGTERM"));
process.once("exit", (code) => {
  assert.equal(JSON.parse(printed[0]).troubled[0].reason, "handler");
  assert.equal(code, 1);
  process.exitCode = 0;
});`,
  },
  {
    marker: "cluster.worker.disconnect()",
    replace: ["8080", "port"],
    before: `import { once } from "node:events";
import { terminationSignals } from "lastcall/process";
${lastcall}
if (cluster.isPrimary) {
  const worker = cluster.fork({ PORT: await drive.freePort() });
  const [code, signal] = await once(worker, "exit");
  assert.deepEqual([code, signal, worker.exitedAfterDisconnect], [0, null, true]);
  process.exit();
}
const server = createServer(each(drive.work));
// Not looked for here: the primary would listen on it, and let go of it too late.
const port = Number(process.env.PORT);
const seen = drive.terminateInTheMiddle(port);`,
    after: `assert.equal(report.outcome, "clean");
assert.deepEqual(await seen, drive.servedInTheMiddle);`,
  },
  {
    marker: "worker.process.kill(signal)",
    replace: ['"worker.js"', "worker"],
    before: `import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
process.env.PORT = await drive.freePort();
const folder = mkdtempSync(fileURLToPath(new URL("cluster-", import.meta.url)));
const worker = folder + "/worker.mjs";
writeFileSync(worker, \`import cluster from "node:cluster";
import { createServer, each } from "lastcall";
import { terminationSignals } from "lastcall/process";
const server = createServer(each(async (message) => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  return "done: " + message;
}));
await server.run({ listen: Number(process.env.PORT), signals: terminationSignals() });
cluster.worker.disconnect();\`);`,
    after: `const workers = Object.values(cluster.workers);
assert.equal(workers.length, 2);
const ends = workers.map((each) => once(each, "exit"));
await Promise.all(workers.map((each) => once(each, "listening")));
assert.deepEqual(await drive.terminateInTheMiddle(Number(process.env.PORT)), drive.servedInTheMiddle);
assert.deepEqual(await Promise.all(ends), [[0, null], [0, null]]);
rmSync(folder, { recursive: true });`,
  },
  {
    marker: "patience: 3_000, closeTimeout: 2_000",
    before: `${lastcall}\nconst handler = () => {};`,
    after: `${listen}
assert.equal((await server.shutdown()).outcome, "clean");`,
  },
  {
    marker: 'subscribe("lastcall:connection", ({',
    before: `${lastcall}
const logged = [];
const console = { log: (...words) => logged.push(words[0]), error: ({ message }) => logged.push(message) };
const server = createServer({ onError: () => {} }, () => { throw new Error("on purpose"); });
${listen}`,
    after: `const client = await drive.connect(port);
assert.equal(await client.closed, 1011);
await server.shutdown();
assert.deepEqual(logged, ["opened", "on purpose", "closed"]);`,
  },
  {
    marker: "message as DrainProgressEvent",
    before: `import { createServer } from "lastcall";
const logged: string[] = [];
const console = { log: (...words: string[]) => logged.push(words[0]!) };`,
    after: `const server = createServer(() => {});
await server.listen({ port: 0, host: "127.0.0.1" });
await server.shutdown();
if (!/^Clean shutdown/.test(logged.join())) throw new Error(logged.join());`,
  },
  {
    marker: "console.log(`draining ${connections}",
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
    after: `assert.equal(readFileSync(effects, "utf8"), "");
executed("lc-7f3a-12 xxx");
assert.equal(readFileSync(effects, "utf8"), "lc-7f3a-12 xxx\\n");
rmSync(folder, { recursive: true });`,
  },
  {
    marker: 'from "lastcall/drill"',
    after: `assert.equal(result.runs.length, 2);`,
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
];
