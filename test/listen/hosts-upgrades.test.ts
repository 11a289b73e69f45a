/** Upgrades on a caller's HTTP server: whose they are, and how several servers share it. */
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectRaw, openRaw } from "../tools/raw-client.js";
import { countsOf, reportWith } from "../tools/scenario.js";
import { eventually } from "../tools/serve.js";
import { echo, httpServer, listenersOf, RESTART, seenBy } from "./hosts.js";

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
    expect(await answerAt(port, "/one")).toBe(404);
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
