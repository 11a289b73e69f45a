/** The options for development of docs/testing.md, under a real `node --watch`. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "../tools/serve.js";
import { bound } from "../tools/timing.js";
import { readPage, rootPath } from "./pages.js";

const [options] = /\{ deadline: \d+, closeTimeout: \d+ \}/.exec(readPage("docs/testing.md"))!;

/** Tells its process and port when it listens; for "long" its handler works for a minute. */
const program = `import { createServer } from "lastcall";
import { terminationSignals } from "lastcall/process";
const server = createServer({ drain: ${options} }, async (connection) => {
  for await (const message of connection) {
    if (message === "long") await new Promise((resolve) => setTimeout(resolve, 60_000));
    connection.send(message);
  }
});
const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
console.log(\`up \${process.pid} \${port}\`);
await server.run({ signals: terminationSignals() });
process.exit();
`;

test.for(["chatty", "long", "deaf"])("restarts quickly beside a client that is %s", async (kind) => {
  // Within the repository: there `lastcall` is the built package.
  mkdirSync(join(rootPath, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(rootPath, ".cache/watch-"));
  const file = join(folder, "server.mjs");
  writeFileSync(file, program);
  const watcher = spawn(process.execPath, ["--watch", file], { stdio: ["ignore", "pipe", "ignore"] });
  const ups: { process: number; port: number }[] = [];
  createInterface({ input: watcher.stdout }).on("line", (line) => {
    const [word, process, port] = line.split(" ");
    if (word === "up") ups.push({ process: Number(process), port: Number(port) });
  });
  const client: { socket?: WebSocket; chatter?: NodeJS.Timeout } = {};
  onTestFinished(async () => {
    clearInterval(client.chatter);
    client.socket?.terminate();
    watcher.kill();
    await eventually(() => watcher.exitCode !== null || watcher.signalCode !== null);
    rmSync(folder, { recursive: true });
  });
  await eventually(() => ups.length === 1);

  const socket = new WebSocket(`ws://127.0.0.1:${ups[0]!.port}`);
  client.socket = socket;
  socket.on("error", () => {});
  let heard = 0;
  socket.on("message", () => heard++);
  await eventually(() => socket.readyState === WebSocket.OPEN);
  socket.send("hello");
  await eventually(() => heard === 1);
  if (kind === "chatty") client.chatter = setInterval(() => socket.send("and another thing"), 10);
  if (kind === "long") socket.send("long");
  if (kind === "deaf") {
    socket.pause();
    for (let index = 0; index < 200; index++) socket.send("y".repeat(100_000));
  }

  const savedAt = performance.now();
  writeFileSync(file, readFileSync(file));
  await eventually(() => ups.length > 1);
  // The deadline, what a forced stop takes, and Node's own start.
  expect(performance.now() - savedAt).toBeLessThan(bound(500 + 750 + 500));
});
