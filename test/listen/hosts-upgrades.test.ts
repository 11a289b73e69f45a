/** Upgrades on a caller's HTTP server: whose they are, and how several servers share it. */
import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { connectRaw, openRaw } from "../tools/raw-client.js";
import { countsOf, reportWith } from "../tools/scenario.js";
import { eventually } from "../tools/serve.js";
import { asking } from "./recording-owner.js";
import { echo, httpServer, HttpPeer, listenersOf, RESTART, seenBy } from "./hosts.js";

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
    expect(await answerAt(port, "http://localhost/ws?query")).toBe("ours: hello");
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
    const before = listenersOf(http);
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
    expect(await answerAt(port, "/one")).toBe(503);
    expect(await answerAt(port, "/two")).toBe("two: hello");
    await eventually(() => two.connections.size === 1);
    const closed = once(http, "close");
    expect(countsOf(await two.shutdown())).toEqual(clean);
    expect(await seenBy(stays!)).toMatchObject({ close: RESTART, ended: "FIN" });
    expect(http.listening).toBe(false);
    await closed;
    expect(listenersOf(http)).toEqual(before);
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

  test("end well on all servers also when the caller closes the HTTP server first", async () => {
    const { http, port } = await httpServer();
    const servers = [echo("one", { path: "/one" }), echo("two", { path: "/two" })];
    await Promise.all(servers.map((server) => server.listen(http)));
    const peers = await Promise.all(["/one", "/two"].map((path) => openRaw(port, { path })));
    const closed = once(http, "close");
    http.close();
    for (const [index, server] of servers.entries()) {
      await eventually(() => server.connections.size === 1);
      expect(countsOf(await server.shutdown())).toEqual(reportWith("clean", { total: 1, closed: 1 }, {}));
      expect(await seenBy(peers[index]!)).toMatchObject({ close: RESTART, ended: "FIN" });
    }
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
    const before = listenersOf(http);
    const second = echo("second", options);
    await expect(second.listen(http)).rejects.toMatchObject({ code: "LASTCALL_INVALID_OPTION" });
    expect(second.state).toBe("idle");
    expect(listenersOf(http)).toEqual(before);
    expect(await answerAt(port, "/ws")).toBe("first: hello");
    await second.close();
    expect(await answerAt(port, "/ws")).toBe("first: hello");
  });
});

function echoWithWs(client: WebSocket): void {
  client.on("message", (data: Buffer) => client.send(`ws: ${data.toString()}`));
}

/** Those that were given out while the test ran. */
function warnings(): (Error & { code?: string })[] {
  const heard: Error[] = [];
  const hear = (warning: Error): void => void heard.push(warning);
  process.on("warning", hear);
  onTestFinished(() => void process.off("warning", hear));
  return heard;
}

/** When all warnings that were given out have been heard. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("upgrades on an HTTP server that another stack listens on", () => {
  /** Each puts its own WebSockets on the server, and refuses or ends what is not its own. */
  const STACKS: [name: string, path: string, put: (http: HttpServer) => void][] = [
    [
      "a WebSocketServer of ws with a path",
      "/other",
      (http) => void new WebSocketServer({ server: http, path: "/other" }).on("connection", echoWithWs),
    ],
    [
      "a WebSocketServer of ws without a path",
      "/other",
      (http) => void new WebSocketServer({ server: http }).on("connection", echoWithWs),
    ],
    [
      "a listener with noServer that destroys what it does not know",
      "/other",
      (http) => {
        const theirs = new WebSocketServer({ noServer: true });
        http.on("upgrade", (request, socket, head) => {
          if (request.url === "/other") theirs.handleUpgrade(request, socket, head, echoWithWs);
          else socket.destroy();
        });
      },
    ],
  ];

  describe.each(STACKS)("%s", (_, other, put) => {
    test.for(["before", "after"])(
      "leaves our path to us when it came %s us, and has its own",
      async (when) => {
        const heard = warnings();
        const { http, port } = await httpServer();
        if (when === "before") put(http);
        await echo("ours", { path: "/ours" }).listen(http);
        if (when === "after") put(http);
        const client = await openRaw(port, { path: "/ours" });
        for (const count of [1, 2]) {
          client.send("hello");
          await client.received(count);
        }
        expect(await answerAt(port, other)).toBe("ws: hello");
        client.sendClose(1000);
        expect(await seenBy(client)).toEqual({
          messages: ["ours: hello", "ours: hello"],
          close: { code: 1000, reason: "" },
          ended: "FIN",
          violation: undefined,
        });
        await turn();
        expect(heard).toEqual([]);
      },
    );
  });

  test("of ws' with { server, path } refuses what comes to a server without a path; with noServer it does not", async () => {
    const { http, port } = await httpServer();
    await echo("ours").listen(http);
    const refusing = new WebSocketServer({ server: http, path: "/other" });
    const client = await connectRaw(port, { path: "/ours" });
    client.sendHandshake();
    await client.closed();
    expect(client.response?.status).toBe(400);
    http.off("upgrade", http.listeners("upgrade").at(-1) as () => void);
    refusing.close();
    http.on("upgrade", (request, socket, head) => {
      if (request.url === "/other") theirs.handleUpgrade(request, socket, head, echoWithWs);
    });
    const theirs = new WebSocketServer({ noServer: true });
    expect(await answerAt(port, "/ours")).toBe("ours: hello");
    expect(await answerAt(port, "/other")).toBe("ws: hello");
  });

  test("that it has answered at once are left alone by a server without a path", async () => {
    const { http, port } = await httpServer((_request, response) => response.end("plain"));
    const ours = echo("ours");
    await ours.listen(http);
    const theirs = new WebSocketServer({ noServer: true });
    http.on("upgrade", (request, socket, head) => {
      if (request.headers["sec-websocket-protocol"] !== "hmr") return;
      theirs.handleUpgrade(request, socket, head, echoWithWs);
    });
    const refresh = await openRaw(port, { headers: { "Sec-WebSocket-Protocol": "hmr" } });
    refresh.send("hello");
    refresh.send("again");
    await refresh.received(2);
    expect(refresh.messages).toEqual(["ws: hello", "ws: again"]);
    expect(refresh.violation).toBe(undefined);
    expect(ours.connections.size).toBe(0);
    expect(await answerAt(port, "/any")).toBe("ours: hello");
    refresh.destroy();
  });

  test("that it has answered before us are left alone, on a connection that was kept alive too", async () => {
    const { http, port } = await httpServer((_request, response) => response.end("plain"));
    const ours = echo("ours", { path: "/ours" });
    await ours.listen(http);
    http.prependListener("upgrade", (_request, socket) => socket.write("HTTP/1.1 101 Theirs\r\n\r\n"));
    for (const first of [[], ["/plain"]]) {
      const peer = new HttpPeer(port);
      for (const path of first) {
        peer.get(path);
        await once(peer.socket, "data");
      }
      const upgraded = once(http, "upgrade");
      peer.socket.write(`${asking("/ours").join("\r\n")}\r\n\r\n`);
      const [, socket] = (await upgraded) as [unknown, Socket];
      await turn();
      socket.end();
      await peer.closed();
      expect(peer.answers.map(({ status }) => status)).toEqual([...first.map(() => 200), 101]);
      expect(ours.connections.size).toBe(0);
    }
  });

  test("makes a server without a path warn, once: at listen, or when somebody else has come", async () => {
    const heard = warnings();
    const warning = expect.objectContaining({
      name: "LastcallWarning",
      code: "LASTCALL_SHARED_UPGRADES",
    }) as Error;
    const { http } = await httpServer();
    http.on("upgrade", () => {});
    await echo("ours").listen(http);
    await echo("with a path", { path: "/ours" }).listen(http);
    await turn();
    expect(heard).toEqual([warning]);
    const later = await httpServer();
    await echo("ours").listen(later.http);
    later.http.on("upgrade", () => {});
    await turn();
    expect(heard).toEqual([warning]);
    for (let time = 0; time < 2; time++) expect(await answerAt(later.port, "/")).toBe("ours: hello");
    expect(heard).toEqual([warning, warning]);
  });
});
