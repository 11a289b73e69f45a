/** What the tests of callers' servers share: the servers, clients of theirs, and what they leave behind. */
import { EventEmitter, once } from "node:events";
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from "node:http";
import * as net from "node:net";
import { onTestFinished } from "vitest";
import {
  createServer,
  type DrainReport,
  type ListenTarget,
  type Server,
  type ServerOptions,
} from "../../src/index.js";
import type { RawClient } from "../tools/raw-client.js";
import { ended, reply, reportWith } from "../tools/scenario.js";
import { ms, work } from "../tools/timing.js";

export const LOCAL = { port: 0, host: "127.0.0.1" };
export const RESTART = { code: 1012, reason: "service restart" };
/** Longer than any test waits: what ends before it was not ended by it. */
export const LONG = ms(20_000);
/** The report of a shutdown without any WebSocket. */
export const NOBODY = reportWith("clean", {}, {});

/** What a {@link Working} server is stopped in the middle of: pipelined requests, each with some ms of work. */
export const CONNECTIONS = 2;
export const REQUESTS = 3;
export const TOTAL = CONNECTIONS * REQUESTS;
const WORK = 20;

export const allServed = ended(
  TOTAL,
  reportWith("clean", { total: CONNECTIONS, closed: CONNECTIONS }, { served: TOTAL }),
);

/** A server that works on each message and replies. It is closed after the test. */
export class Working {
  readonly server: Server;
  readonly changes = new EventEmitter();
  started = 0;
  served = 0;

  constructor(options: ServerOptions = {}) {
    this.server = createServer(options, async (connection) => {
      for await (const message of connection) {
        this.started++;
        this.changes.emit("started");
        await work(WORK);
        connection.send(reply(String(message)));
        this.served++;
      }
    });
    onTestFinished(() => void this.server.close());
  }

  /** Stops the server while the first message is worked on, and counts right when it says that it is done. */
  async stop(shutdown: () => Promise<DrainReport> = () => this.server.shutdown()) {
    if (this.started === 0) await once(this.changes, "started");
    const before = this.served;
    const report = await shutdown();
    const { connections, state } = this.server;
    return { before, served: this.served, report, left: connections.size, state };
  }
}

export async function listening<Kind extends net.Server>(server: Kind): Promise<Kind> {
  onTestFinished(() => void server.close());
  server.listen(LOCAL);
  await once(server, "listening");
  return server;
}

export async function seenBy(client: RawClient) {
  await client.closed();
  const { messages, close, ended: end, violation } = client;
  return { messages, close, ended: end, violation };
}

const EVENTS = [
  "upgrade",
  "request",
  "connection",
  "secureConnection",
  "tlsClientError",
  "close",
  "error",
  "listening",
] as const;

export function listenersOf(target: ListenTarget): Record<string, number> {
  if (!(target instanceof net.Server)) return {};
  return Object.fromEntries(EVENTS.map((event) => [event, target.listenerCount(event)]));
}

/** An HTTP server of the caller's, and what its end looked like. */
export async function httpServer(onRequest?: RequestListener): Promise<{ http: HttpServer; port: number }> {
  const http = await listening(createHttpServer({ keepAliveTimeout: LONG }, onRequest));
  onTestFinished(() => http.closeAllConnections());
  return { http, port: (http.address() as net.AddressInfo).port };
}

/** Whether this Node's own `close()` ends sockets that have not asked for anything: since Node 26 (nodejs/node#63470). */
export async function nodeEndsNewSockets(): Promise<boolean> {
  const { http, port } = await httpServer();
  const accepted = once(http, "connection") as Promise<[net.Socket]>;
  const peer = new HttpPeer(port);
  const [socket] = await accepted;
  http.close();
  const { destroyed } = socket;
  socket.destroy();
  await peer.closed();
  return destroyed;
}

export function echo(name: string, options: ServerOptions = {}): Server {
  const server = createServer(options, async (connection) => {
    for await (const message of connection) connection.send(`${name}: ${String(message)}`);
  });
  onTestFinished(() => void server.close());
  return server;
}

/** A client of plain HTTP on one socket. */
export class HttpPeer {
  readonly socket: net.Socket;
  text = "";
  ended: string | undefined;

  constructor(port: number) {
    this.socket = net.connect({ port, host: "127.0.0.1" });
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => (this.text += text));
    this.socket.on("end", () => (this.ended ??= "FIN"));
    this.socket.on("error", (error: NodeJS.ErrnoException) => (this.ended ??= error.code ?? error.message));
    onTestFinished(() => void this.socket.destroy());
  }

  static async connect(http: HttpServer, port: number): Promise<HttpPeer> {
    const accepted = once(http, "connection");
    const peer = new HttpPeer(port);
    await accepted;
    return peer;
  }

  get(path: string): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  }

  /** The answers that have come: each with what it says about the connection. */
  get answers(): { status: number; connection: string | undefined; body: string }[] {
    return this.text
      .split(/(?=HTTP\/1\.1 \d{3} )/)
      .filter((answer) => answer !== "")
      .map((answer) => ({
        status: Number(answer.split(" ")[1]),
        connection: /\r\nConnection: (\S+)\r\n/i.exec(answer)?.[1],
        body: answer.slice(answer.indexOf("\r\n\r\n") + 4),
      }));
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, "close");
  }
}
