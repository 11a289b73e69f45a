/** The scenario with the clients of the package `ws`. */
import { once } from "node:events";
import { it, onTestFinished } from "vitest";
import { WebSocket, type CloseEvent } from "ws";
import { CONNECTIONS, repeatedly, request, REQUESTS, requestsOf, Scenario } from "../tools/scenario.js";
import { drainFor, expectAllServed, MODES, type Mode, type Seen } from "./outcomes.js";

class Client {
  readonly socket: WebSocket;
  readonly replies: string[] = [];
  readonly seen: Promise<Seen>;

  constructor(port: number) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}`);
    this.socket.on("message", (data: Buffer) => this.replies.push(data.toString()));
    this.seen = new Promise((resolve) => {
      this.socket.addEventListener("close", ({ code, reason, wasClean }: CloseEvent) =>
        resolve({ replies: this.replies, code, reason, wasClean }),
      );
    });
    onTestFinished(() => this.socket.terminate());
  }

  /** Resolves when the server has read all the requests: its Pong says so. */
  async sendAll(connection: number): Promise<void> {
    for (const text of requestsOf(connection)) this.socket.send(text);
    this.socket.ping();
    await once(this.socket, "pong");
  }

  converse(connection: number): void {
    this.socket.send(request(connection, 0));
    this.socket.on("message", () => {
      if (this.replies.length < REQUESTS) this.socket.send(request(connection, this.replies.length));
    });
  }
}

async function run(mode: Mode) {
  const scenario = await Scenario.listen({ drain: drainFor(mode) });
  const clients = Array.from({ length: CONNECTIONS }, () => new Client(scenario.port));
  await Promise.all(clients.map(({ socket }) => once(socket, "open")));
  if (mode === "pipelined") await Promise.all(clients.map((client, index) => client.sendAll(index)));
  else clients.forEach((client, index) => client.converse(index));
  await scenario.until(() => scenario.started.length >= CONNECTIONS);
  return { stopped: await scenario.stop(), seen: await Promise.all(clients.map(({ seen }) => seen)) };
}

it.each(MODES)("serves 25 of 25 %s requests of ws' clients, and closes them cleanly", async (mode) => {
  const runs = await repeatedly(() => run(mode));
  expectAllServed(`ws, ${mode}`, runs);
});
