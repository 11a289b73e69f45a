/** How the snippets of README.md and docs/getting-started.md are run. */
import { lastcall, listen, server, type Scenario } from "./scenario.js";

export const beginning: readonly Scenario[] = [
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
    marker: "signals: terminationSignals() });\nprocess.exit(",
    replace: ["8080", "port"],
    before: `import { terminationSignals } from "lastcall/process";
${lastcall}
// A ticker that nobody told of \`draining\`.
const server = createServer({ drain: { deadline: 100 } }, async (connection) => {
  for (;;) {
    connection.send("tick");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
const port = await drive.freePort();
void (async () => {
  const client = await drive.connect(port);
  await client.received(1);
  process.kill(process.pid, "SIGTERM");
})();
process.once("exit", (code) => {
  assert.equal(code, 1);
  process.exitCode = 0;
});`,
  },
  {
    marker: "new Map<string, Set<Connection>>",
    before: `import { once } from "node:events";
import { WebSocket } from "ws";`,
    after: `const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
const clients = ["ann", "bob"].map((name) => new WebSocket(\`ws://127.0.0.1:\${port}/?name=\${name}\`));
await Promise.all(clients.map((client) => once(client, "open")));
const heard = Promise.all(clients.map((client) => once(client, "message")));
while (rooms.get("lobby")?.size !== 2) await new Promise((resolve) => setTimeout(resolve, 5));
clients[0]!.send("hello");
for (const [message] of await heard) if (String(message) !== "ann: hello") throw new Error(String(message));
await server.shutdown();
if (rooms.get("lobby")?.size !== 0) throw new Error("somebody is left");`,
  },
];
