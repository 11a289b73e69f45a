/** What an attack on the application's own HTTP beside us has found, each on real sockets. */
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { createServer } from "../../src/index.js";
import { openRaw } from "../tools/raw-client.js";
import { eventually } from "../tools/serve.js";
import { ms } from "../tools/timing.js";
import { echo, HttpPeer, httpServer, LOCAL } from "./hosts.js";

const GET = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const UPGRADE = (path: string, to = "websocket"): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${to}\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

describe("a client that resets behind what it has pipelined", () => {
  test.for([
    ["an upgrade to a path that nobody has", UPGRADE("/nope")],
    ["an upgrade to something else", UPGRADE("/", "h2c")],
  ])("with %s raises an error that nobody is asked about", async ([, behind]) => {
    const { http, port } = await httpServer(
      (_request, response) => void setTimeout(() => response.end("x"), 5),
    );
    await echo("ours", { path: "/ours" }).listen(http);
    const uncaught: unknown[] = [];
    const onUncaught = (error: unknown): void => void uncaught.push(error);
    process.on("uncaughtException", onUncaught);
    onTestFinished(() => void process.off("uncaughtException", onUncaught));
    for (let round = 0; round < 20; round++) {
      const clients = Array.from({ length: 20 }, () => connect(port, "127.0.0.1"));
      await Promise.all(
        clients.map(async (client, index) => {
          client.on("error", () => {});
          client.write(GET("/") + behind);
          await new Promise((resolve) => setTimeout(resolve, index / 2));
          client.resetAndDestroy();
        }),
      );
    }
    http.closeAllConnections();
    await eventually(() => http.listenerCount("connection") > 0);
    expect(uncaught).toEqual([]);
  });

  test("behind our FIN raises none either", async () => {
    const { http, port } = await httpServer(
      (_request, response) => void setTimeout(() => response.end("x"), ms(50)),
    );
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    peer.socket.write(GET("/slow") + UPGRADE("/two", "h2c"));
    await eventually(() => http.listenerCount("upgrade") === 1);
    const down = server.shutdown();
    await eventually(() => peer.ended !== undefined);
    peer.socket.write("more");
    peer.socket.resetAndDestroy();
    // What was asked in time was answered, also the one that asked for an upgrade that nobody has here.
    expect((await down).requests).toEqual({ answered: 2, left: 0, cut: 0 });
  });
});

describe("an answer in a drain", () => {
  test.for([
    ["a list of names and values", ["Set-Cookie", "a=1", "Set-Cookie", "b=2", "Content-Length", "1"]],
    [
      "pairs",
      [
        ["Set-Cookie", "a=1"],
        ["Set-Cookie", "b=2"],
        ["Content-Length", "1"],
      ],
    ],
  ])("keeps all headers that were given as %s", async ([, headers]) => {
    let respond: (() => void) | undefined;
    const { http, port } = await httpServer((_request, response) => {
      respond = () => void response.writeHead(200, headers as never).end("x");
    });
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    peer.get("/");
    await eventually(() => respond !== undefined);
    const down = server.shutdown();
    await eventually(() => !http.listening);
    respond!();
    await down;
    await peer.closed();
    expect(peer.text.match(/^Set-Cookie: .*$/gm)).toEqual(["Set-Cookie: a=1", "Set-Cookie: b=2"]);
    expect(peer.text).toContain("\r\nConnection: close\r\n");
  });

  test("is counted once, also when 'checkContinue' hands it on to 'request'", async () => {
    const { http, port } = await httpServer((request, response) => {
      request.resume().once("end", () => response.end("x"));
    });
    http.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
      response.writeContinue();
      http.emit("request", request, response);
    });
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    peer.socket.write("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    await eventually(() => peer.text.includes("100 Continue"));
    const down = server.shutdown();
    await eventually(() => !http.listening);
    peer.socket.write("b");
    expect((await down).requests).toEqual({ answered: 1, left: 0, cut: 0 });
  });

  test("that comes before its request is whole is not destroyed, nor followed by another one", async () => {
    const size = 4 * 1024 * 1024;
    const { http, port } = await httpServer((_request, response) => {
      response.writeHead(200, { "Content-Length": size }).end(Buffer.alloc(size, "a"));
    });
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    let read = 0;
    peer.socket.removeAllListeners("data");
    peer.socket.on("data", (text: string) => {
      read += text.length;
      peer.socket.pause();
      setTimeout(() => peer.socket.resume(), 10);
    });
    peer.socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    const sending = setInterval(() => void peer.socket.write("x".repeat(100)), 20);
    onTestFinished(() => clearInterval(sending));
    await once(peer.socket, "data");
    const down = server.shutdown();
    await eventually(() => peer.ended !== undefined);
    clearInterval(sending);
    const head = "HTTP/1.1 200 OK\r\n".length;
    expect([peer.ended, read > size + head, read < size + 400]).toEqual(["FIN", true, true]);
    expect((await down).outcome).toBe("clean");
  });

  test("was counted from the call on, also in a lame duck", async () => {
    const { http, port } = await httpServer((_request, response) => void response.end("x"));
    const server = echo("ours");
    await server.listen(http);
    const down = server.shutdown({ lameDuck: ms(300) });
    const peer = await HttpPeer.connect(http, port);
    peer.get("/");
    await eventually(() => peer.answers.length === 1);
    expect((await down).requests).toEqual({ answered: 1, left: 0, cut: 0 });
  });
});

describe("an upgrade", () => {
  test("behind an answer that had begun before listen() is answered behind it", async () => {
    const { http, port } = await httpServer(
      (_request, response) => void setTimeout(() => response.end("first"), ms(150)),
    );
    const peer = await HttpPeer.connect(http, port);
    const asked = once(http, "request");
    peer.get("/slow");
    await asked;
    const server = echo("ours");
    await server.listen(http);
    peer.socket.write(UPGRADE("/"));
    await eventually(() => peer.text.includes("101 Switching"));
    expect(peer.text.indexOf("first")).toBeGreaterThan(0);
    expect(peer.text.indexOf("first")).toBeLessThan(peer.text.indexOf("101 Switching"));
    peer.socket.destroy();
    await server.close();
  });

  test("is another stack's again when a server without a path has gone", async () => {
    const { http, port } = await httpServer();
    const stays = echo("ours", { path: "/ours" });
    await stays.listen(http);
    const theirs = new WebSocketServer({ noServer: true });
    http.on("upgrade", (request, socket, head) => {
      if (request.url !== "/theirs") return;
      setTimeout(() => theirs.handleUpgrade(request, socket, head, (client) => client.send("hello")), 20);
    });
    const goes = echo("goes");
    await goes.listen(http);
    await goes.shutdown();
    const client = await openRaw(port, { path: "/theirs" });
    await client.received(1);
    expect(client.messages).toEqual(["hello"]);
    client.destroy();
    await stays.close();
  });

  test("of which half has come is served by one of several servers that goes", async () => {
    const { http, port } = await httpServer();
    const [goes, stays] = [echo("goes", { path: "/a" }), echo("stays", { path: "/b" })];
    await goes.listen(http);
    await stays.listen(http);
    const peer = await HttpPeer.connect(http, port);
    const bytes = UPGRADE("/a");
    const came = once(http, "connection");
    peer.socket.write(bytes.slice(0, 40));
    await Promise.race([came, new Promise((resolve) => setTimeout(resolve, ms(50)))]);
    const down = goes.shutdown();
    setTimeout(() => void peer.socket.write(bytes.slice(40)), ms(100));
    await eventually(() => peer.text.includes("\r\n\r\n"));
    expect(peer.text).toMatch(/^HTTP\/1\.1 101 /);
    peer.socket.destroy();
    expect((await down).connections.total).toBe(1);
    await stays.close();
  });
});

describe("an HTTP server that is given to us and does not listen yet", () => {
  test.for(["shutdown", "close"] as const)("goes down with us at %s()", async (end) => {
    const http = createHttpServer();
    onTestFinished(() => void http.close());
    // Looked up first, so that it takes a while.
    http.listen(LOCAL);
    const server = echo("ours");
    const listening = server.listen(http);
    listening.catch(() => {});
    const closed = once(http, "close");
    await server[end]();
    await expect(listening).rejects.toMatchObject({ code: "LASTCALL_SERVER_STATE" });
    await closed;
    expect(http.listening).toBe(false);
  });

  test("goes down with a server that was told to stop before it ran", async () => {
    const http = createHttpServer();
    onTestFinished(() => void http.close());
    http.listen(LOCAL);
    const closed = once(http, "close");
    const server = createServer(async () => {});
    const report = await server.run({ listen: http, signals: { shutdown: AbortSignal.abort() } });
    await closed;
    expect([report.outcome, server.state, http.listening]).toEqual(["clean", "closed", false]);
  });

  test("and listens already is drained by such a run", async () => {
    const http = createHttpServer((_request, response) => void setTimeout(() => response.end("x"), ms(100)));
    http.listen(LOCAL);
    await once(http, "listening");
    const peer = await HttpPeer.connect(http, (http.address() as AddressInfo).port);
    const asked = once(http, "request");
    peer.get("/");
    await asked;
    const server = createServer(async () => {});
    const report = await server.run({ listen: http, signals: { shutdown: AbortSignal.abort() } });
    expect([report.outcome, peer.answers.length, http.listening]).toEqual(["clean", 1, false]);
  });
});

test.for(["CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n"])(
  "a port of ours answers %j with a status, and ends",
  async (request) => {
    const server = echo("ours");
    const { port } = await server.listen(LOCAL);
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    let text = "";
    socket.setEncoding("latin1").on("data", (data: string) => (text += data));
    socket.write(request);
    await once(socket, "end");
    expect(text).toMatch(/^HTTP\/1\.1 4\d\d .*\r\n(.*\r\n)*Connection: close/);
    await server.close();
  },
);
