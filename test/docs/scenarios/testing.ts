/** How the snippets of docs/testing.md are run. */
import { lastcall, type Scenario } from "./scenario.js";

/** A handler that waits for a timer of its own. */
const clock = [
  'import { clock } from "./clock.js";',
  `const clock = async (connection) => {
  const timer = setInterval(() => connection.send(\`it is \${new Date().toISOString()}\`), 60_000);
  for await (const message of connection) connection.send(message);
  clearInterval(timer);
};`,
] as const;

export const testing: readonly Scenario[] = [
  {
    marker: 'test("greets, and answers in capitals"',
    replace: [
      'import { handler } from "./handler.js";',
      `const handler = async (connection) => {
  connection.send("welcome");
  for await (const message of connection) connection.send(message.toUpperCase());
};`,
    ],
  },
  {
    marker: "server.shutdown({ deadline: 1_000 })",
    replace: ["// …", 'assert.deepEqual(await drive.converse(port, ["hello"]), ["hello"]);'],
    before: lastcall,
    after: `assert.equal(report.outcome, "clean");`,
  },
  { marker: "vi.useFakeTimers();\n", replace: clock },
  {
    marker: 'mock.timers.enable({ apis: ["setInterval"] });',
    replace: clock,
    // Of what is experimental in Node 20.
    before: `process.removeAllListeners("warning");`,
  },
  {
    marker: "{ deadline: 500, closeTimeout: 200 }",
    replace: ["8080", "port"],
    before: `import { terminationSignals } from "lastcall/process";
${lastcall}
const handler = async (connection) => {
  for await (const message of connection) connection.send(message);
};
const port = await drive.freePort();
void (async () => {
  const client = await drive.connect(port);
  const chatter = setInterval(() => client.socket.send("and another thing"), 10);
  await client.received(1);
  const began = performance.now();
  process.kill(process.pid, "SIGTERM");
  const code = await client.closed;
  clearInterval(chatter);
  process.once("exit", () => {
    assert.equal(code, 1012);
    assert.ok(performance.now() - began < 1_500);
  });
})();
const console = { log: (line) => assert.match(line, /^Clean shutdown/) };`,
  },
];
