/** Servers of the caller's: what we serve on them, how they go down with us, and what we leave of ourselves. */
import { EventEmitter, once } from "node:events";
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import * as net from "node:net";
import { connect as connectTls, createServer as createTlsServer, type SecureVersion } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { createServer, type ListenTarget, type Server, type ServerOptions } from "../../src/index.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { connectRaw, openRaw, RawClient, type RawClientOptions } from "../tools/raw-client.js";
import { countsOf, ended, outcomeOf, repliesTo, reply, reportWith, requestsOf } from "../tools/scenario.js";
import { eventually, gate } from "../tools/serve.js";
import { bound, ms, work } from "../tools/timing.js";

const LOCAL = { port: 0, host: "127.0.0.1" };
const RESTART = { code: 1012, reason: "service restart" };
const CONNECTIONS = 2;
const REQUESTS = 3;
const WORK = 20;
const TOTAL = CONNECTIONS * REQUESTS;
/** Longer than any test waits: what ends before it was not ended by it. */
const LONG = ms(20_000);

const certificate = hasOpenssl ? selfSignedCertificate() : { key: "", cert: "" };

/** A server that works on each message and replies. It is closed after the test. */
class Working {
  readonly server: Server;
  readonly changes = new EventEmitter();
  started = 0;
  served = 0;

  constructor(options: ServerOptions = {}) {
    this.server = createServer(async (connection) => {
      for await (const message of connection) {
        this.started++;
        this.changes.emit("started");
        await work(WORK);
        connection.send(reply(String(message)));
        this.served++;
      }
    }, options);
    onTestFinished(() => void this.server.close());
  }

  /** Stops the server while the first message is worked on, and counts right when it says that it is done. */
  async stop() {
    if (this.started === 0) await once(this.changes, "started");
    const before = this.served;
    const report = await this.server.shutdown();
    const { connections, state } = this.server;
    return { before, served: this.served, report, left: connections.size, state };
  }
}

/** A server of the caller's, or what stands for one. */
interface Host {
  target: ListenTarget;
  /** Listens only after `listen` was called. */
  later?: net.Server;
  tls?: boolean;
}

async function listening<Kind extends net.Server>(server: Kind): Promise<Kind> {
  onTestFinished(() => void server.close());
  server.listen(LOCAL);
  await once(server, "listening");
  return server;
}

function tlsOf(version: SecureVersion) {
  return { ...certificate, minVersion: version, maxVersion: version };
}

interface BoundHandle {
  readonly fd: number;
  unref(): void;
}

/** A socket that is bound already, as a supervisor hands it over. */
function boundDescriptor(): number {
  // One loop watches a descriptor only once, so it cannot be that of a server which listens in this process.
  const create = (net as unknown as { _createServerHandle(...where: unknown[]): BoundHandle })[
    "_createServerHandle"
  ];
  const handle = create(LOCAL.host, LOCAL.port, 4);
  // It is never closed: the descriptor is closed with the server that takes it, and its number may be another's then.
  handle.unref();
  return handle.fd;
}

const HOSTS: [name: string, make: () => Promise<Host>][] = [
  ["an http.Server that listens", async () => ({ target: await listening(createHttpServer()) })],
  [
    "an http.Server that listens later",
    async () => {
      const later = createHttpServer();
      return Promise.resolve({ target: later, later });
    },
  ],
  ["a net.Server without allowHalfOpen", async () => ({ target: await listening(net.createServer()) })],
  [
    "a net.Server that listens later",
    async () => {
      const later = net.createServer();
      return Promise.resolve({ target: later, later });
    },
  ],
  ["a file descriptor", () => Promise.resolve({ target: { fd: boundDescriptor() } })],
  ...(hasOpenssl ? (["TLSv1.2", "TLSv1.3"] as const) : []).flatMap((version): typeof HOSTS => [
    [
      `an https.Server with ${version}`,
      async () => ({ target: await listening(createHttpsServer(tlsOf(version))), tls: true }),
    ],
    [
      `a tls.Server with ${version}`,
      async () => ({ target: await listening(createTlsServer(tlsOf(version))), tls: true }),
    ],
  ]),
];

async function listenOn(server: Server, host: Host): Promise<number> {
  const address = server.listen(host.target as net.Server);
  host.later?.listen(LOCAL);
  return (await address).port;
}

async function openOn(
  port: number,
  { tls = false }: Host,
  options: RawClientOptions = {},
): Promise<RawClient> {
  if (!tls) return openRaw(port, options);
  // Node takes allowHalfOpen here; its types do not know that.
  const how = { ...LOCAL, port, rejectUnauthorized: false, allowHalfOpen: true };
  const socket = connectTls(how);
  const client = new RawClient(socket, options);
  onTestFinished(() => client.destroy());
  await once(socket, "secureConnect");
  client.sendHandshake();
  await client.opened();
  return client;
}

async function seenBy(client: RawClient) {
  await client.closed();
  const { messages, close, ended: end, violation } = client;
  return { messages, close, ended: end, violation };
}

const EVENTS = [
  "upgrade",
  "request",
  "connection",
  "secureConnection",
  "close",
  "error",
  "listening",
] as const;

function listenersOf({ target }: Host): Record<string, number> {
  if (!(target instanceof net.Server)) return {};
  return Object.fromEntries(EVENTS.map((event) => [event, target.listenerCount(event)]));
}

const allServed = ended(
  TOTAL,
  reportWith("clean", { total: CONNECTIONS, closed: CONNECTIONS }, { served: TOTAL }),
);

describe.each(HOSTS)("%s", (_, make) => {
  test("serves all that was sent to it, says Close to its peers and goes down", async () => {
    const host = await make();
    const before = listenersOf(host);
    const working = new Working();
    const port = await listenOn(working.server, host);
    const peers = await Promise.all(
      Array.from({ length: CONNECTIONS }, async (_unused, connection) => {
        const scheme = host.tls ? "wss" : "ws";
        const client = new WebSocket(`${scheme}://127.0.0.1:${port}`, { rejectUnauthorized: false });
        onTestFinished(() => client.terminate());
        const messages: string[] = [];
        client.on("message", (data: Buffer) => messages.push(data.toString()));
        const closed = once(client, "close") as Promise<[number, Buffer]>;
        await once(client, "open");
        return { client, connection, messages, closed };
      }),
    );
    for (const { client, connection } of peers) {
      for (const text of requestsOf(connection, REQUESTS)) client.send(text);
    }
    const stopped = await working.stop();
    expect(outcomeOf(stopped)).toEqual(allServed);
    expect(stopped.before).toBeLessThan(TOTAL);
    for (const { connection, messages, closed } of peers) {
      const [code, reason] = await closed;
      expect({ code, reason: reason.toString() }).toEqual(RESTART);
      expect(messages).toEqual(repliesTo(connection, REQUESTS));
    }
    expect(working.server.address()).toBe(null);
    expect(listenersOf(host)).toEqual(before);
  });

  test("ends with Close and FIN for peers that read to the end", async () => {
    const host = await make();
    const working = new Working();
    const port = await listenOn(working.server, host);
    const peers = [await openOn(port, host), await openOn(port, host)];
    peers.forEach((peer, index) => requestsOf(index, REQUESTS).forEach((text) => peer.send(text)));
    expect(outcomeOf(await working.stop())).toEqual(allServed);
    for (const [index, peer] of peers.entries()) {
      const messages = repliesTo(index, REQUESTS);
      expect(await seenBy(peer)).toEqual({ messages, close: RESTART, ended: "FIN", violation: undefined });
    }
  });

  test("replies to peers that ended their side after the last request", async () => {
    const host = await make();
    const working = new Working();
    const port = await listenOn(working.server, host);
    const peers = [await openOn(port, host), await openOn(port, host)];
    peers.forEach((peer, index) => {
      requestsOf(index, REQUESTS).forEach((text) => peer.send(text));
      peer.end();
    });
    const connections = { total: CONNECTIONS, left: CONNECTIONS, unproven: CONNECTIONS };
    expect(outcomeOf(await working.stop())).toEqual(
      ended(TOTAL, reportWith("clean", connections, { served: TOTAL })),
    );
    for (const [index, peer] of peers.entries()) {
      const messages = repliesTo(index, REQUESTS);
      expect(await seenBy(peer)).toEqual({ messages, close: RESTART, ended: "FIN", violation: undefined });
    }
  });
});

/** An HTTP server of the caller's, and what its end looked like. */
async function httpServer(onRequest?: RequestListener): Promise<{ http: HttpServer; port: number }> {
  const http = await listening(createHttpServer({ keepAliveTimeout: LONG }, onRequest));
  onTestFinished(() => http.closeAllConnections());
  return { http, port: (http.address() as net.AddressInfo).port };
}

function echo(name: string, options: ServerOptions = {}): Server {
  const server = createServer(async (connection) => {
    for await (const message of connection) connection.send(`${name}: ${String(message)}`);
  }, options);
  onTestFinished(() => void server.close());
  return server;
}

/** What a client at the path gets: the reply to its message, or the status of the refusal. */
async function answerAt(port: number, path: string): Promise<unknown> {
  const client = await connectRaw(port, { path });
  onTestFinished(() => client.destroy());
  client.sendHandshake();
  await client.until(() => client.response !== undefined);
  if (client.response!.status !== 101) return client.response!.status;
  client.send("hello");
  await client.received(1);
  client.sendClose(1000);
  await client.closed();
  return client.messages[0];
}

describe("upgrades on the caller's HTTP server", () => {
  test("to other paths get 404 when nobody else takes upgrades", async () => {
    const { http, port } = await httpServer();
    await echo("ours", { path: "/ws" }).listen(http);
    expect(await answerAt(port, "/other")).toBe(404);
    expect(await answerAt(port, "/ws?query")).toBe("ours: hello");
  });

  test("to other paths are left to whoever else takes upgrades", async () => {
    const { http, port } = await httpServer();
    const theirs: unknown[] = [];
    http.on("upgrade", (request, socket) => {
      if (request.url !== "/other") return;
      theirs.push(request.url);
      // Not at once: nobody else may answer meanwhile.
      setImmediate(() => socket.end("HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n"));
    });
    await echo("ours", { path: "/ws" }).listen(http);
    expect(await answerAt(port, "/other")).toBe(418);
    expect(await answerAt(port, "/ws")).toBe("ours: hello");
    expect(theirs).toEqual(["/other"]);
  });

  test("go to the server whose path they ask for, and the HTTP server goes down with the last one", async () => {
    const { http, port } = await httpServer();
    const before = listenersOf({ target: http });
    const [one, two] = [echo("one", { path: "/one" }), echo("two", { path: "/two" })];
    await one.listen(http);
    await two.listen(http);
    expect(await answerAt(port, "/one")).toBe("one: hello");
    expect(await answerAt(port, "/two")).toBe("two: hello");
    const [left, stays] = await Promise.all(["/one", "/two"].map((path) => openRaw(port, { path })));
    const clean = reportWith("clean", { total: 1, closed: 1 }, {});
    await eventually(() => one.connections.size === 1);
    expect(countsOf(await one.shutdown())).toEqual(clean);
    expect(await seenBy(left!)).toMatchObject({ close: RESTART, ended: "FIN" });
    expect(http.listening).toBe(true);
    expect(stays!.gone).toBe(false);
    expect(await answerAt(port, "/one")).toBe(404);
    expect(await answerAt(port, "/two")).toBe("two: hello");
    await eventually(() => two.connections.size === 1);
    const closed = once(http, "close");
    expect(countsOf(await two.shutdown())).toEqual(clean);
    expect(await seenBy(stays!)).toMatchObject({ close: RESTART, ended: "FIN" });
    expect(http.listening).toBe(false);
    await closed;
    expect(listenersOf({ target: http })).toEqual(before);
  });

  test("take the HTTP server down also when all servers on it shut down at once", async () => {
    const { http, port } = await httpServer();
    const servers = [echo("one", { path: "/one" }), echo("two", { path: "/two" })];
    await Promise.all(servers.map((server) => server.listen(http)));
    const peers = await Promise.all(["/one", "/two"].map((path) => openRaw(port, { path })));
    const closed = once(http, "close");
    for (const report of await Promise.all(servers.map((server) => server.shutdown()))) {
      expect(countsOf(report)).toEqual(reportWith("clean", { total: 1, closed: 1 }, {}));
    }
    for (const peer of peers) expect(await seenBy(peer)).toMatchObject({ close: RESTART, ended: "FIN" });
    expect(http.listening).toBe(false);
    await closed;
  });

  test("that no server claimed go to the one without a path", async () => {
    const { http, port } = await httpServer();
    await echo("all").listen(http);
    await echo("one", { path: "/one" }).listen(http);
    expect(await answerAt(port, "/one")).toBe("one: hello");
    expect(await answerAt(port, "/other")).toBe("all: hello");
  });

  test.for([{ path: "/ws" }, {}])("to a path can be claimed only once: %o", async (options) => {
    const { http, port } = await httpServer();
    await echo("first", options).listen(http);
    const before = listenersOf({ target: http });
    const second = echo("second", options);
    await expect(second.listen(http)).rejects.toMatchObject({ code: "LASTCALL_INVALID_OPTION" });
    expect(second.state).toBe("idle");
    expect(listenersOf({ target: http })).toEqual(before);
    expect(await answerAt(port, "/ws")).toBe("first: hello");
    await second.close();
    expect(await answerAt(port, "/ws")).toBe("first: hello");
  });
});

/** A client of plain HTTP on one socket. */
class HttpPeer {
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

const NOBODY = reportWith("clean", {}, {});

describe("plain HTTP on the caller's server", () => {
  test("in flight at the shutdown is answered, with Connection: close", async () => {
    const answer = gate();
    const asked = gate();
    const { http, port } = await httpServer((_request, response) => {
      asked.open();
      void answer.passed.then(() => response.end("at last"));
    });
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    peer.get("/slow");
    await asked.passed;
    const closed = once(http, "close");
    const down = server.shutdown();
    await eventually(() => !http.listening);
    answer.open();
    expect(countsOf(await down)).toEqual(NOBODY);
    await peer.closed();
    expect(peer.answers).toEqual([{ status: 200, connection: "close", body: "at last" }]);
    expect(peer.ended).toBe("FIN");
    expect(http.listening).toBe(false);
    await closed;
  });

  test("whose answer has begun is finished, and its connection is closed", async () => {
    const answer = gate();
    const { http, port } = await httpServer((_request, response) => {
      response.setHeader("Content-Length", 7);
      response.write("at ");
      void answer.passed.then(() => response.end("last"));
    });
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    peer.get("/slow");
    await eventually(() => peer.text.endsWith("at "));
    const down = server.shutdown({ handshakeGrace: LONG });
    await eventually(() => !http.listening);
    answer.open();
    const report = await down;
    expect(countsOf(report)).toEqual(NOBODY);
    await peer.closed();
    expect(peer.answers).toEqual([{ status: 200, connection: "keep-alive", body: "at last" }]);
    expect(peer.ended).toBe("FIN");
  });

  test("on an idle connection that is kept alive does not hold the shutdown", async () => {
    const { http, port } = await httpServer((_request, response) => response.end("there"));
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    peer.get("/");
    await eventually(() => peer.text.endsWith("there"));
    const closed = once(http, "close");
    const report = await server.shutdown({ handshakeGrace: LONG });
    expect(countsOf(report)).toEqual(NOBODY);
    expect(report.duration).toBeLessThan(bound(500));
    await peer.closed();
    expect(peer.answers).toEqual([{ status: 200, connection: "keep-alive", body: "there" }]);
    expect(peer.ended).toBe("FIN");
    expect(http.listening).toBe(false);
    await closed;
  });

  test("that never comes on a connection holds the shutdown for handshakeGrace", async () => {
    const { http, port } = await httpServer();
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    const closed = once(http, "close");
    const report = await server.shutdown({ handshakeGrace: ms(200) });
    expect(countsOf(report)).toEqual(NOBODY);
    expect(report.duration).toBeGreaterThanOrEqual(ms(200));
    expect(report.duration).toBeLessThan(bound(300));
    await peer.closed();
    expect(peer.answers).toMatchObject([{ status: 503, connection: "close" }]);
    expect(peer.ended).toBe("FIN");
    expect(http.listening).toBe(false);
    await closed;
  });

  test("that never comes holds for handshakeGrace also when the server that was there first is down already", async () => {
    const { http, port } = await httpServer();
    const [first, last] = [echo("first", { path: "/first" }), echo("last", { path: "/last" })];
    await first.listen(http);
    await last.listen(http);
    await first.shutdown();
    const client = await connectRaw(port, { answersEnd: false });
    onTestFinished(() => client.destroy());
    const down = last.shutdown({ handshakeGrace: ms(100) });
    await client.until(() => client.ended !== undefined);
    expect(client.response?.status).toBe(503);
    // A refused client gets time to read: the server waits for its FIN.
    expect(last.state).toBe("draining");
    client.end();
    expect(countsOf(await down)).toEqual(NOBODY);
    expect(client.ended).toBe("FIN");
  });

  test("that arrives during the drain on a connection kept alive is answered with Connection: close", async () => {
    const { http, port } = await httpServer((request, response) => response.end(request.url));
    const working = gate();
    const server = createServer(async () => working.passed);
    onTestFinished(() => void server.close());
    await server.listen(http);
    const socket = await openRaw(port);
    const peer = await HttpPeer.connect(http, port);
    peer.get("/first");
    await eventually(() => peer.text.endsWith("/first"));
    // An idle connection is closed at once; on this one a request has begun.
    const parsed = once(http, "request").catch(() => {});
    peer.socket.write("GET /second HTTP/1.1\r\nHost: ");
    await eventually(() => peer.socket.bytesWritten > 0 && peer.socket.writableLength === 0);
    // The reply on another connection, sent later, shows that the server has read it.
    const other = await HttpPeer.connect(http, port);
    other.get("/other");
    await eventually(() => other.text.endsWith("/other"));
    const down = server.shutdown();
    await eventually(() => !http.listening);
    peer.socket.write("localhost\r\n\r\n");
    await peer.closed();
    await parsed;
    expect(peer.answers).toEqual([
      { status: 200, connection: "keep-alive", body: "/first" },
      { status: 200, connection: "close", body: "/second" },
    ]);
    expect(peer.ended).toBe("FIN");
    working.open();
    expect(countsOf(await down)).toEqual(reportWith("clean", { total: 1, closed: 1 }, {}));
    expect(await seenBy(socket)).toMatchObject({ close: RESTART, ended: "FIN" });
  });
});

describe("a caller's server that cannot listen", () => {
  test.for([
    ["http.Server", () => createHttpServer()],
    ["net.Server", () => net.createServer()],
  ] as const)("rejects listen() with Node's error, and nothing of ours is left: %s", async ([, make]) => {
    const taken = await listening(net.createServer());
    const later: net.Server = make();
    const before = listenersOf({ target: later });
    const server = echo("ours");
    const listened = server.listen(later);
    later.listen(taken.address() as net.AddressInfo);
    await expect(listened).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(server.state).toBe("idle");
    expect(listenersOf({ target: later })).toEqual(before);
  });
});

describe("a caller's server that does not listen yet", () => {
  const KINDS = [
    ["http.Server", () => createHttpServer()],
    ["net.Server", () => net.createServer()],
  ] as const;

  for (const stop of ["shutdown", "close"] as const) {
    test.for(KINDS)(`is left alone at once by ${stop}(): %s`, async ([, make]) => {
      const later: net.Server = make();
      const before = listenersOf({ target: later });
      const server = echo("ours", { drain: { deadline: ms(3_000) } });
      const listened = server.listen(later).catch((error: unknown) => error);
      const { duration } = await server[stop]();
      expect(duration).toBeLessThan(bound(500));
      expect(server.state).toBe("closed");
      expect(listenersOf({ target: later })).toEqual(before);
      await listening(later);
      await listened;
      expect(later.listening).toBe(true);
    });
  }
});

describe("a request whose head is half-way at the shutdown", () => {
  test.for(["first", "second"])("is answered when it is the %s on its connection", async (which) => {
    const { http, port } = await httpServer((request, response) => response.end(request.url));
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    if (which === "second") {
      peer.get("/before");
      await eventually(() => peer.text.endsWith("/before"));
    }
    peer.socket.write(`GET /${which} HTTP/1.1\r\nHost: `);
    const other = await HttpPeer.connect(http, port);
    other.get("/other");
    await eventually(() => other.text.endsWith("/other"));
    const down = server.shutdown({ handshakeGrace: LONG });
    await eventually(() => !http.listening);
    peer.socket.write("localhost\r\n\r\n");
    await peer.closed();
    expect(peer.answers.at(-1)).toEqual({ status: 200, connection: "close", body: `/${which}` });
    expect(peer.ended).toBe("FIN");
    expect(countsOf(await down)).toEqual(NOBODY);
  });
});
