/** What is under way at a caller's HTTP server, on real sockets: who is answered, whose a socket is, what is told. */
import { once } from "node:events";
import {
  Server as HttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { openRaw } from "../tools/raw-client.js";
import { countsOf, reportWith } from "../tools/scenario.js";
import { eventually } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";
import { echo, HttpPeer, httpServer, LONG, NOBODY, RESTART, seenBy } from "./hosts.js";

const UPGRADE = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** Answers that wait for the test, by path. */
function answering(): { listener: RequestListener; answers: Map<string, ServerResponse> } {
  const answers = new Map<string, ServerResponse>();
  return { answers, listener: (request, response) => void answers.set(request.url!, response) };
}

/** Our server on an HTTP server. */
async function hosted(listener?: RequestListener, options: Parameters<typeof echo>[1] = {}) {
  const { http, port } = await httpServer(listener);
  const server = echo("ours", options);
  await server.listen(http);
  return { http, port, server };
}

describe("what a listener of the application has taken", () => {
  test.for([
    ["checkContinue", "Expect: 100-continue\r\n"],
    ["checkExpectation", "Expect: tea\r\n"],
  ])("by '%s' is waited for, and never written to", async ([event, header]) => {
    const { http, port, server } = await hosted();
    let response: ServerResponse | undefined;
    http.on(event!, (_request: IncomingMessage, given: ServerResponse) => {
      response = given;
      given.writeHead(200, { "Content-Length": 10 }).write("first");
    });
    const peer = await HttpPeer.connect(http, port);
    peer.socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${header}Content-Length: 1\r\n\r\n`);
    await eventually(() => peer.text.endsWith("first"));
    const down = server.shutdown({ handshakeGrace: ms(50) });
    let isOver = false;
    void down.then(() => (isOver = true));
    await new Promise((resolve) => setTimeout(resolve, ms(150)));
    expect(isOver).toBe(false);
    response!.end("-last");
    const report = await down;
    await peer.closed();
    expect(peer.answers).toMatchObject([{ status: 200, body: "first-last" }]);
    expect([report.outcome, report.requests]).toEqual(["clean", { answered: 1, left: 0, cut: 0 }]);
  });

  test("by 'connect', a tunnel, is neither waited for nor ended nor written to", async () => {
    const { http, port, server } = await hosted();
    http.on("connect", (_request: IncomingMessage, socket: Socket) => {
      onTestFinished(() => void socket.destroy());
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.on("data", (data) => void socket.write(data));
    });
    const peer = await HttpPeer.connect(http, port);
    peer.socket.write("CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n");
    await eventually(() => peer.text.endsWith("\r\n\r\n"));
    const report = await server.shutdown({ handshakeGrace: ms(50) });
    expect(countsOf(report)).toEqual(NOBODY);
    expect(report.duration).toBeLessThan(bound(50));
    peer.socket.write("through");
    await eventually(() => peer.text.endsWith("through"));
    expect(peer.text).toBe("HTTP/1.1 200 OK\r\n\r\nthrough");
  });

  test("by an event of its own is its own", async () => {
    const { http, port, server } = await hosted();
    http.on("connection", (socket: Socket) => {
      onTestFinished(() => void socket.destroy());
      http.emit("dashboard", socket);
    });
    const peer = await HttpPeer.connect(http, port);
    const report = await server.shutdown({ handshakeGrace: ms(50) });
    expect(report.duration).toBeLessThan(bound(50));
    expect([peer.text, peer.ended]).toEqual(["", undefined]);
  });
});

describe("an answer", () => {
  test("that was ended and is not with the kernel yet arrives whole", async () => {
    const size = 20 * 1024 * 1024;
    const { http, port, server } = await hosted((_request, response) => {
      response.setHeader("Content-Length", size);
      response.end(Buffer.alloc(size, "a"));
    });
    const peer = await HttpPeer.connect(http, port);
    let bytes = 0;
    peer.socket.removeAllListeners("data");
    peer.socket.on("data", (text: string) => (bytes += text.length));
    peer.get("/large");
    await once(peer.socket, "data");
    peer.socket.pause();
    const down = server.shutdown();
    await eventually(() => !http.listening);
    await new Promise((resolve) => setTimeout(resolve, ms(50)));
    peer.socket.resume();
    const report = await down;
    await peer.closed();
    expect(bytes).toBeGreaterThan(size);
    expect([report.outcome, report.requests.answered, peer.ended]).toEqual(["clean", 1, "FIN"]);
  });

  test("that had begun before listen() is waited for", async () => {
    const { listener, answers } = answering();
    const { http, port } = await httpServer(listener);
    const [peer, idle] = [await HttpPeer.connect(http, port), await HttpPeer.connect(http, port)];
    for (const one of [peer, idle]) one.get(one === peer ? "/before" : "/idle");
    await eventually(() => answers.size === 2);
    answers.get("/idle")!.end("soon");
    await eventually(() => idle.text.endsWith("soon"));
    answers.get("/before")!.writeHead(200, { "Content-Length": 6 }).write("one");
    const server = echo("ours");
    await server.listen(http);
    const down = server.shutdown();
    await eventually(() => !http.listening);
    answers.get("/before")!.end("two");
    const report = await down;
    await peer.closed();
    expect(peer.answers).toMatchObject([{ status: 200, body: "onetwo" }]);
    expect(report.outcome).toBe("clean");
    expect(report.duration).toBeLessThan(bound(700));
    await idle.closed();
    expect(idle.ended).toBe("FIN");
  });

  test("says that it is the last when the door is closed, not before: who is told so comes again at once", async () => {
    const { listener, answers } = answering();
    const { http, port, server } = await hosted(listener);
    const peer = await HttpPeer.connect(http, port);
    peer.get("/early");
    await eventually(() => answers.size === 1);
    const down = server.shutdown();
    // The door is a whole turn longer open than that.
    await new Promise((resolve) => setImmediate(resolve));
    answers.get("/early")!.end(`door open: ${http.listening}`);
    await eventually(() => !http.listening);
    peer.get("/late");
    await eventually(() => answers.size === 2);
    answers.get("/late")!.end("door closed");
    expect((await down).requests).toEqual({ answered: 2, left: 0, cut: 0 });
    await peer.closed();
    expect(peer.answers).toMatchObject([
      { connection: "keep-alive", body: "door open: true" },
      { connection: "close", body: "door closed" },
    ]);
  });

  test("that is cut at the deadline is told, without the query of its path", async () => {
    const { port, http, server } = await hosted((_request, response) => {
      response.writeHead(200, { "Content-Length": 1_000 }).write("some");
    });
    const peer = await HttpPeer.connect(http, port);
    peer.get("/report?token=secret");
    await eventually(() => peer.text.endsWith("some"));
    const report = await server.shutdown({ deadline: ms(300) });
    expect(report.outcome).toBe("forced");
    expect(report.requests).toEqual({ answered: 0, left: 0, cut: 1 });
    expect(report.cutRequests).toEqual([{ method: "GET", path: "/report", remoteAddress: "127.0.0.1" }]);
    expect(String(report)).toContain("GET /report from 127.0.0.1: its answer was cut");
    expect(JSON.stringify(report)).not.toContain("secret");
  });
});

describe("requests that are pipelined", () => {
  test("are all answered, the last with Connection: close", async () => {
    const { listener, answers } = answering();
    const { http, port, server } = await hosted(listener);
    const peer = await HttpPeer.connect(http, port);
    for (const path of ["/1", "/2", "/3"]) peer.get(path);
    await eventually(() => answers.size === 3);
    const down = server.shutdown();
    await eventually(() => !http.listening);
    // In whatever order they are ready.
    for (const path of ["/2", "/1", "/3"]) answers.get(path)!.end(path);
    const report = await down;
    await peer.closed();
    expect(peer.answers).toEqual([
      { status: 200, connection: "keep-alive", body: "/1" },
      { status: 200, connection: "keep-alive", body: "/2" },
      { status: 200, connection: "close", body: "/3" },
    ]);
    expect([report.outcome, report.requests]).toEqual(["clean", { answered: 3, left: 0, cut: 0 }]);
    expect(peer.ended).toBe("FIN");
  });

  test("behind an answer that said it is the last are not given to anybody", async () => {
    const { listener, answers } = answering();
    const { http, port, server } = await hosted(listener);
    const peer = await HttpPeer.connect(http, port);
    peer.get("/last");
    await eventually(() => answers.size === 1);
    const down = server.shutdown();
    await eventually(() => !http.listening);
    answers.get("/last")!.write("well");
    await eventually(() => peer.text.includes("well"));
    peer.get("/behind");
    // What was sent on another connection later has been read, so this was.
    await new Promise((resolve) => setTimeout(resolve, ms(50)));
    answers.get("/last")!.end();
    expect(await down).toMatchObject({ outcome: "clean", requests: { answered: 1, left: 0, cut: 0 } });
    expect([...answers.keys()]).toEqual(["/last"]);
  });

  test("of clients that left are forgotten, and hold nobody", async () => {
    const { listener, answers } = answering();
    const { http, port, server } = await hosted(listener);
    const peers = await Promise.all(Array.from({ length: 5 }, async () => HttpPeer.connect(http, port)));
    for (const [number, peer] of peers.entries())
      for (const part of [1, 2, 3, 4]) peer.get(`/${number}/${part}`);
    await eventually(() => answers.size === 20);
    for (const peer of peers) peer.socket.destroy();
    await eventually(() => [...answers.values()].some(({ destroyed }) => destroyed));
    const report = await server.shutdown();
    expect(report.duration).toBeLessThan(bound(500));
    expect(countsOf(report)).toEqual(NOBODY);
  });

  test("of a client that left are forgotten, also when another stack has taken the upgrade behind them", async () => {
    const { listener, answers } = answering();
    const { http, port } = await httpServer(listener);
    let isGone = false;
    http.on("upgrade", (_request: IncomingMessage, socket: Socket) => {
      socket.on("error", () => {}).on("end", () => void socket.destroy());
      socket.on("close", () => (isGone = true)).resume();
    });
    const server = echo("ours", { path: "/ws" });
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    for (const path of ["/1", "/2"]) peer.get(path);
    peer.socket.write(UPGRADE("/theirs"));
    await eventually(() => answers.size === 2);
    peer.socket.end();
    await eventually(() => isGone);
    const report = await server.shutdown({ deadline: ms(4_000) });
    expect([report.outcome, report.duration < bound(500)]).toEqual(["clean", true]);
  });

  test.for([
    ["is let in behind their answers", "/ws", "101"],
    ["is refused behind their answers", "/elsewhere", "404"],
  ])("with an upgrade behind them: it %s", async ([, path, status]) => {
    const { listener, answers } = answering();
    const { http, port, server } = await hosted(listener, { path: "/ws" });
    const peer = await HttpPeer.connect(http, port);
    peer.socket.write(
      `GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n${UPGRADE(path!)}`,
    );
    await eventually(() => answers.size === 2);
    await new Promise((resolve) => setTimeout(resolve, ms(20)));
    expect([peer.text, server.connections.size]).toEqual(["", 0]);
    // More than the kernel takes at once: who streams is told when there is room again.
    const large = answers.get("/1")!;
    large.writeHead(200, { "Content-Length": 8 * 1024 * 1024 });
    large.write(Buffer.alloc(4 * 1024 * 1024));
    if (large.writableNeedDrain) await once(large, "drain");
    large.end(Buffer.alloc(4 * 1024 * 1024));
    answers.get("/2")!.end("second");
    await eventually(() => peer.text.includes(` ${status} `));
    const [first, second, third] = peer.answers;
    expect([first!.status, first!.body.length, second!.status, second!.body]).toEqual([
      200,
      8 * 1024 * 1024,
      200,
      "second",
    ]);
    expect(third!.status).toBe(Number(status));
    await server.close();
  });

  test("with an upgrade behind them: the shutdown answers them, then serves what was let in", async () => {
    const { listener, answers } = answering();
    const { http, port, server } = await hosted(listener);
    const peer = await HttpPeer.connect(http, port);
    peer.socket.write(`GET /1 HTTP/1.1\r\nHost: x\r\n\r\n${UPGRADE("/")}`);
    await eventually(() => answers.size === 1);
    const down = server.shutdown({ handshakeGrace: LONG });
    await eventually(() => !http.listening);
    answers.get("/1")!.end("first");
    await eventually(() => peer.text.includes(" 101 "));
    // Its Close, 1012.
    await eventually(() => peer.text.includes("service restart"));
    peer.socket.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf4]));
    peer.socket.end();
    const report = await down;
    expect([report.outcome, report.requests.answered, report.connections.total]).toEqual(["clean", 1, 1]);
  });
});

describe("servers that share an HTTP server", () => {
  test.for(["close", "shutdown"] as const)("%s() of one leaves the others alone", async (end) => {
    const { http, port } = await httpServer((_request, response) => response.end("app"));
    const servers = ["/a", "/b", "/c"].map((path) => echo(path, { path }));
    for (const server of servers) await server.listen(http);
    await servers[2]![end]();
    await servers[1]![end]();
    await new Promise((resolve) => setTimeout(resolve, ms(20)));
    expect([http.listening, servers[0]!.state]).toEqual([true, "listening"]);
    const client = await openRaw(port, { path: "/a" });
    client.send("hello");
    await eventually(() => client.messages.length === 1);
    const down = servers[0]!.shutdown();
    expect(countsOf(await down)).toEqual(reportWith("clean", { total: 1, closed: 1 }, {}));
    expect(await seenBy(client)).toMatchObject({ close: RESTART, ended: "FIN" });
    expect(http.listening).toBe(false);
  });

  test("who comes to one that is down is told so, until another takes its path", async () => {
    const { http, port } = await httpServer();
    const [stays, goes] = [echo("stays", { path: "/stays" }), echo("goes", { path: "/goes" })];
    await stays.listen(http);
    await goes.listen(http);
    const early = await HttpPeer.connect(http, port);
    await goes.close();
    const late = await HttpPeer.connect(http, port);
    for (const peer of [early, late]) {
      peer.socket.write(UPGRADE("/goes"));
      await eventually(() => peer.answers.length === 1);
      expect(peer.answers).toMatchObject([{ status: 503, connection: "close" }]);
    }
    await echo("again", { path: "/goes" }).listen(http);
    const client = await openRaw(port, { path: "/goes" });
    client.destroy();
  });

  test("listen() on one that goes down with its last server is refused", async () => {
    const { http, server } = await hosted();
    const down = server.shutdown();
    await eventually(() => !http.listening);
    await expect(echo("late", { path: "/late" }).listen(http)).rejects.toMatchObject({
      code: "LASTCALL_SERVER_STATE",
    });
    await down;
  });
});

describe("a connection that is kept alive", () => {
  test("stays while something else is served, and answers what comes", async () => {
    const { listener, answers } = answering();
    const { http, port, server } = await hosted((request, response) => {
      if (request.url === "/slow") listener(request, response);
      else response.end(request.url);
    });
    const [slow, pooled] = [await HttpPeer.connect(http, port), await HttpPeer.connect(http, port)];
    pooled.get("/first");
    slow.get("/slow");
    await eventually(() => pooled.text.endsWith("/first") && answers.size === 1);
    const down = server.shutdown({ handshakeGrace: ms(50) });
    await new Promise((resolve) => setTimeout(resolve, ms(700)));
    expect(pooled.ended).toBe(undefined);
    pooled.get("/second");
    await pooled.closed();
    expect(pooled.answers.at(-1)).toEqual({ status: 200, connection: "close", body: "/second" });
    answers.get("/slow")!.end("slow");
    expect((await down).requests).toEqual({ answered: 2, left: 0, cut: 0 });
  });

  test("gets a FIN when the rest is done", async () => {
    const { http, port, server } = await hosted((request, response) => response.end(request.url));
    const pooled = await HttpPeer.connect(http, port);
    pooled.get("/first");
    await eventually(() => pooled.text.endsWith("/first"));
    const report = await server.shutdown();
    expect(countsOf(report)).toEqual(NOBODY);
    await pooled.closed();
    expect([pooled.ended, pooled.answers.length]).toEqual(["FIN", 1]);
  });
});

test("nothing of ours is left on an HTTP server, also when somebody else has put his own over it", async () => {
  const { http } = await httpServer();
  const server = echo("ours");
  await server.listen(http);
  const over = http.emit.bind(http);
  const theirs = (...given: Parameters<typeof over>): boolean => over(...given);
  http.emit = theirs as typeof http.emit;
  await server.close();
  expect(Reflect.get(http, "emit")).toBe(theirs);
  const { http: other } = await httpServer();
  const second = echo("second");
  await second.listen(other);
  expect(Object.hasOwn(other, "emit")).toBe(true);
  await second.close();
  expect(Object.hasOwn(other, "emit")).toBe(false);
  expect(Reflect.get(other, "emit")).toBe(Reflect.get(HttpServer.prototype, "emit"));
  onTestFinished(() => void http.close());
});
