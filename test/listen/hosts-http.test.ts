/** Plain HTTP on a caller's server: how it goes down with us. */
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { createServer } from "../../src/index.js";
import { connectRaw, openRaw } from "../tools/raw-client.js";
import { countsOf, reportWith } from "../tools/scenario.js";
import { eventually, gate } from "../tools/serve.js";
import { atLeast, bound, ms } from "../tools/timing.js";
import { echo, HttpPeer, httpServer, LONG, NOBODY, RESTART, seenBy } from "./hosts.js";

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
    expect(report.duration).toBeGreaterThanOrEqual(atLeast(200));
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

  test("that ends during the shutdown does not end a socket that has asked for nothing yet", async () => {
    const answer = gate();
    const asked = gate();
    const { http, port } = await httpServer((_request, response) => {
      asked.open();
      void answer.passed.then(() => response.end("at last"));
    });
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    const client = await connectRaw(port);
    onTestFinished(() => client.destroy());
    peer.get("/slow");
    await asked.passed;
    const down = server.shutdown({ handshakeGrace: LONG });
    await eventually(() => !http.listening);
    answer.open();
    await peer.closed();
    client.sendHandshake();
    await client.opened();
    expect(countsOf(await down)).toEqual(reportWith("clean", { total: 1, closed: 1 }, {}));
    expect(await seenBy(client)).toMatchObject({ close: RESTART, ended: "FIN" });
  });

  test("that is never answered is cut at the deadline", async () => {
    const asked = gate();
    const { http, port } = await httpServer(() => asked.open());
    const server = echo("ours");
    await server.listen(http);
    const peer = await HttpPeer.connect(http, port);
    peer.get("/never");
    await asked.passed;
    const closed = once(http, "close");
    const { duration } = await server.shutdown({ deadline: ms(300) });
    expect(duration).toBeGreaterThanOrEqual(atLeast(300));
    expect(duration).toBeLessThan(bound(1_300));
    await peer.closed();
    expect(peer.answers).toEqual([]);
    await closed;
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
