/** How the snippets of docs/recipes.md are run. */
import { blocksIn } from "../pages.js";
import { lastcall, listen, type Scenario } from "./scenario.js";

/** A client that closes politely is answered, with the last words, and not after `closeReplyTimeout`. */
const leavesAtOnce = `const began = performance.now();
client.socket.close(1000);
assert.equal(await client.closed, 1000);
assert.ok(performance.now() - began < 900, "its Close was read");
assert.equal(client.messages.at(-1), "goodbye");`;

/** What the other snippets of streams need of the first one. */
const streamPrices = blocksIn("js")
  .map(({ code }) => /const viewers =[^]*?(?=\nconst app)/.exec(code)?.[0] ?? "")
  .join("");

/**
 * Reads a stream of events to its end, with SIGTERM behind the first, and then one more on the same connection. Ten
 * others look on: Node would warn of eleven listeners.
 */
const readPrices = `async function readPrices(port) {
  const read = () => fetch(\`http://127.0.0.1:\${port}/prices\`);
  const others = await Promise.all(Array.from({ length: 10 }, read));
  const response = await read();
  let text = "";
  source.emit("price", 1);
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (!text.includes("data: 2")) source.emit("price", 2);
    else process.kill(process.pid, "SIGTERM");
  }
  const again = await read().then((late) => late.text());
  for (const other of others) assert.equal(await other.text(), text);
  return [response.headers.get("content-type"), text, again, viewers.size];
}
const expected = ["text/event-stream", "data: 1\\n\\ndata: 2\\n\\nretry: 1000\\n\\n", "retry: 1000\\n\\n", 0];`;

/** A server of WebSockets beside streams of events, which goes down with them. */
const besideStreams = `const server = createServer({ path: "/chat" }, async (connection) => { for await (const _ of connection); });`;

export const recipes: readonly Scenario[] = [
  {
    marker: "return findUser(request.headers.authorization, signal)",
    before: `const findUser = async (credentials) => (credentials === "Bearer a" ? { name: "Alice" } : undefined);`,
    after: `${listen}
const headers = { Authorization: "Bearer a" };
assert.deepEqual(await drive.converse(port, ["hello"], { headers }), ["Alice: hello"]);
await assert.rejects(drive.converse(port, ["hello"]), /401/);
await server.shutdown();`,
  },
  {
    marker: "tls?.authorized &&",
    after: `const certificate = { subject: "CN=alice" };
const verdicts = [undefined, { authorized: false, certificate }, { authorized: true, certificate }];
assert.deepEqual(
  verdicts.map((tls) => authenticate({}, { tls })),
  [undefined, false, "CN=alice"],
);`,
  },
  {
    marker: "const fromProtocol =",
    before: `${lastcall}
const findUser = async (token) => (token === "abc" ? { name: "Alice" } : undefined);
const handler = async (connection) => {
  for await (const message of connection) connection.send(connection.protocol + ", " + connection.principal.name);
};`,
    after: `${listen}
const ways = [
  { headers: { Cookie: "theme=dark; session=abc" } },
  { path: "/?token=abc" },
  { protocols: ["chat.v1", "token.abc"] },
];
for (const way of ways) {
  const [reply] = await drive.converse(port, ["hello"], way);
  assert.equal(reply, way.protocols === undefined ? ", Alice" : "chat.v1, Alice");
}
for (const path of ["", "/?token", "/?token=", "/?token=other"]) {
  await assert.rejects(drive.connect(port, { path }), /401/);
}
await server.shutdown();`,
  },
  {
    marker: "connection.bufferedAmount < 64 * 1024",
    before: `import { EventEmitter, once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
${lastcall}
const source = new EventEmitter();`,
    after: `${listen}
const [slow] = await Promise.all([drive.connect(port), once(source, "newListener")]);
slow.socket.pause();
const PRICES = 2_000;
for (let price = 1; price <= PRICES; price++) {
  source.emit("price", String(price).padEnd(16_384));
  await turn();
}
const [connection] = server.connections;
assert.ok(connection.bufferedAmount > 0, "it is behind");
slow.socket.resume();
while (connection.bufferedAmount > 0) await turn();
source.emit("price", "the last");
while (slow.messages.at(-1) !== "the last") await once(slow.socket, "message");
assert.ok(slow.messages.length < PRICES, "it has missed some");
const report = await server.shutdown();
assert.equal(report.outcome, "clean");
assert.equal(await slow.closed, 1012);`,
  },
  {
    marker: "x-forwarded-for",
    after: `const headers = { "x-forwarded-for": "10.9.9.9, 192.0.2.7" };
assert.equal(addressOf({ request: { headers } }), "192.0.2.7");`,
  },
  {
    marker: "const signOut = async",
    before: `${lastcall}
const authenticate = ({ url }) => ({ name: url.slice(1) });
const server = createServer({ authenticate }, async (connection) => {
  for await (const message of connection) connection.send(await drive.work(message));
});
${listen}
const [alice, bob] = [await drive.connect(port, { path: "/alice" }), await drive.connect(port, { path: "/bob" })];
alice.socket.send("one");`,
    after: `const [report, ...others] = await signOut("alice");
assert.deepEqual([report.outcome, report.messages.served, others], ["clean", 1, []]);
assert.equal(await alice.closed, 4001);
assert.equal(alice.messages.length, 1);
assert.equal(server.connections.size, 1);
await server.shutdown();
assert.equal(await bob.closed, 1012);`,
  },
  {
    marker: 'source.on("news"',
    before: `import { EventEmitter } from "node:events";
const source = new EventEmitter();`,
    after: `${listen}
const open = async () => {
  const [client] = await Promise.all([drive.connect(port), once(source, "newListener")]);
  return client;
};
const client = await open();
source.emit("news", "the door opens");
await client.received(1);
${leavesAtOnce}
const other = await open();
const report = await server.shutdown();
assert.equal(await other.closed, 1012);
assert.deepEqual(other.messages, ["goodbye"]);
assert.equal(report.outcome, "clean");
assert.equal(source.listenerCount("news"), 0);`,
  },
  {
    marker: "const discard = async",
    before: `${lastcall}
import { EventEmitter, once } from "node:events";
const source = new EventEmitter();`,
    after: `${listen}
const open = async () => {
  const [client] = await Promise.all([drive.connect(port), once(source, "newListener")]);
  client.socket.send("what nobody wants");
  source.emit("tick", "tick");
  await client.received(1);
  return client;
};
const leaver = await open();
const began = performance.now();
leaver.socket.close(1000);
assert.equal(await leaver.closed, 1000);
const stayer = await open();
const report = await server.shutdown();
assert.ok(performance.now() - began < 3_000, "nothing waits for what nobody reads");
assert.equal(await stayer.closed, 1012);
assert.equal(report.outcome, "clean");
assert.equal(source.listenerCount("tick"), 0);`,
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
    marker: "while (await serveNext())",
    before: `${lastcall}\nconst { work } = drive;`,
    after: `${listen}
assert.deepEqual(await drive.converse(port, ["one", "two"]), ["done: one", "done: two"]);
const report = await server.shutdown();
assert.equal(report.outcome, "clean");`,
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
    before: `let done = () => {};
async function* read(name) {
  yield name;
  if (name !== "book") await new Promise((resolve) => (done = resolve));
  yield "end";
}`,
    after: `${listen}
const client = await drive.connect(port);
client.socket.send("book");
assert.deepEqual(await client.received(2), ["book", "end"]);
client.socket.send("one that it leaves in the middle of");
await client.received(3);
const [connection] = server.connections;
client.socket.terminate();
while (!connection.signal.aborted) await drive.work("a while");
process.once("warning", (warning) => assert.fail(warning));
done();
assert.equal((await server.shutdown()).connections.forced, 0);`,
  },
  {
    marker: "Promise<User> => findUser",
    before: `async function findUser(credentials = ""): Promise<{ name: string }> {
  return { name: credentials };
}`,
  },
  {
    marker: 'error: "not JSON"',
    before: `${lastcall}\nconst { work } = drive;`,
    after: `${listen}
const replies = await drive.converse(port, ['{"id":7,"question":"why"}', "{", "null", "5"]);
const none = '{"error":"no question"}';
assert.deepEqual(replies, ['{"id":7,"result":"done: why"}', '{"error":"not JSON"}', none, none]);
await server.shutdown();`,
  },
  {
    marker: "rooms.delete(name)",
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
assert.deepEqual(errors, []);
weather.close();
weather.closeAllConnections();`,
  },
  {
    marker: "it is ${new Date().toISOString()}",
    before: `import { setTimeout as sleep } from "node:timers/promises";\n${lastcall}`,
    after: `${listen}
const client = await drive.connect(port);
await client.received(1);
${leavesAtOnce}
const other = await drive.connect(port);
await other.received(1);
const report = await server.shutdown();
assert.equal(await other.closed, 1012);
assert.equal(other.messages.at(-1), "goodbye");
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
    marker: "function streamPrices",
    replace: ["8080", "port"],
    before: `import { EventEmitter } from "node:events";
const source = new EventEmitter();
const handler = async (connection) => { for await (const _ of connection); };
const port = await drive.freePort();
${readPrices}
const seen = drive.connect(port, { path: "/chat" }).then(() => readPrices(port));`,
    after: `assert.deepEqual(await seen, expected);
assert.deepEqual([report.outcome, report.requests.cut], ["clean", 0]);`,
  },
  {
    marker: "reply.hijack()",
    before: `import { EventEmitter } from "node:events";
import fastify from "fastify";
import { terminationSignals } from "lastcall/process";
${lastcall}
const source = new EventEmitter();
const signals = terminationSignals();
${streamPrices}
const app = fastify();`,
    after: `await app.listen({ port: 0, host: "127.0.0.1" });
const { port } = app.server.address();
${readPrices}
${besideStreams}
const [seen, report] = await Promise.all([readPrices(port), server.run({ listen: app.server, signals })]);
assert.deepEqual(seen, expected);
assert.deepEqual([report.outcome, report.requests.cut], ["clean", 0]);
await app.close();`,
  },
  {
    marker: "context.respond = false",
    before: `import { EventEmitter, once } from "node:events";
import Koa from "koa";
import { terminationSignals } from "lastcall/process";
${lastcall}
const source = new EventEmitter();
const signals = terminationSignals();
${streamPrices}
const app = new Koa();`,
    after: `const http = app.listen(0, "127.0.0.1");
await once(http, "listening");
const { port } = http.address();
${readPrices}
${besideStreams}
const [seen, report] = await Promise.all([readPrices(port), server.run({ listen: http, signals })]);
assert.deepEqual(seen, expected);
assert.deepEqual([report.outcome, report.requests.cut], ["clean", 0]);`,
  },
  {
    marker: "streamSSE(context",
    before: `import { once } from "node:events";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { terminationSignals } from "lastcall/process";
${lastcall}
const signals = terminationSignals();
const newestPrice = () => "7";
const app = new Hono();`,
    after: `const http = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
await once(http, "listening");
const url = \`http://127.0.0.1:\${http.address().port}/prices\`;
${besideStreams}
const down = server.run({ listen: http, signals });
const streams = await Promise.all(Array.from({ length: 11 }, () => fetch(url)));
process.kill(process.pid, "SIGTERM");
for (const stream of streams) assert.equal(await stream.text(), "data: 7\\n\\nretry: 1000\\n\\n");
const report = await down;
assert.deepEqual([report.outcome, report.requests], ["clean", { answered: 11, left: 0, cut: 0 }]);`,
  },
  {
    marker: 'event === "door closed") over.abort()',
    before: lastcall,
    after: `${besideStreams}
${listen}
const down = server.shutdown({ lameDuck: 200 });
const client = await drive.connect(port, { path: "/chat" });
assert.equal(over.signal.aborted, false, "somebody was let in, and a stream would be served");
await down;
assert.equal(over.signal.aborted, true);
assert.equal(await client.closed, 1012);`,
  },
  {
    marker: "const reload = new WebSocketServer",
    replace: ["8080", "port"],
    before: `const port = await drive.freePort();
const handler = async (connection) => { for await (const message of connection) connection.send(await drive.work(message)); };`,
    after: `assert.deepEqual(await drive.converse(port, ["one"], { path: "/chat" }), ["done: one"]);
await assert.rejects(drive.connect(port, { path: "/nope" }), /404/);
const theirs = await drive.connect(port, { path: "/reload" });
assert.deepEqual(await theirs.received(1), ["reload: connected"]);
assert.equal((await server.shutdown()).outcome, "clean");
assert.equal(theirs.socket.readyState, theirs.socket.OPEN);
theirs.socket.terminate();`,
  },
  {
    marker: 'if (message === "stop") {',
    before: lastcall,
    after: `${listen}
const client = await drive.connect(port);
client.socket.send("hello");
client.socket.send("stop");
assert.equal(await client.closed, 1012);
assert.deepEqual(client.messages, ["you said: hello", "stopping"]);
assert.equal((await server.shutdown()).outcome, "clean");`,
  },
  {
    marker: "Promise.race([next, sleep(1_000)])",
    replace: ["1_000", "100"],
    before: lastcall,
    after: `${listen}
const client = await drive.connect(port);
await client.received(1);
client.socket.send("one");
client.socket.send("two");
while (!client.messages.includes("you said: two")) await client.received(client.messages.length + 1);
assert.equal(client.messages[0], "are you still there?");
assert.deepEqual(client.messages.filter((message) => message.startsWith("you")), ["you said: one", "you said: two"]);
assert.deepEqual((await server.shutdown()).outcome, "clean");`,
  },
];
