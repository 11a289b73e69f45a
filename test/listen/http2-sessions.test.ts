/** A caller's `http2.createSecureServer({ allowHTTP1: true })`: HTTP/2 is the caller's, and goes down with us. */
import { once } from "node:events";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { openRaw } from "../tools/raw-client.js";
import { countsOf, reportWith } from "../tools/scenario.js";
import { eventually, gate } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";
import { echo, listenersOf, listening, LONG, NOBODY, RESTART, seenBy } from "./hosts.js";

type OnRequest = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;

async function host(onRequest?: OnRequest): Promise<{ theirs: http2.Http2SecureServer; port: number }> {
  const theirs = http2.createSecureServer({ allowHTTP1: true, ...selfSignedCertificate() }, onRequest);
  await listening(theirs);
  return { theirs, port: (theirs.address() as AddressInfo).port };
}

function connect(port: number): http2.ClientHttp2Session {
  const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  return session;
}

async function ask(session: http2.ClientHttp2Session): Promise<string> {
  return text(session.request({ ":path": "/" }));
}

describe.skipIf(!hasOpenssl)("a server of node:http2 that allows HTTP/1.1", () => {
  test("answers HTTP/2 as before, beside our WebSockets", async () => {
    const { theirs, port } = await host((_request, response) => void response.end("theirs"));
    const before = listenersOf(theirs);
    const server = echo("ours");
    await server.listen(theirs);
    const session = connect(port);
    expect(await ask(session)).toBe("theirs");
    const client = await openRaw({ port, tls: true });
    client.send("hello");
    await client.received(1);
    expect(client.messages).toEqual(["ours: hello"]);
    expect(await ask(session)).toBe("theirs");
    const ended = once(session, "close");
    expect(countsOf(await server.shutdown())).toEqual(reportWith("clean", { total: 1, closed: 1 }, {}));
    expect(await seenBy(client)).toMatchObject({ close: RESTART, ended: "FIN" });
    await ended;
    expect(listenersOf(theirs)).toEqual(before);
    expect(theirs.listenerCount("session")).toBe(0);
  });

  test("finishes the HTTP/2 requests that are under way, and the shutdown waits for them", async () => {
    const answer = gate();
    const { theirs, port } = await host((_request, response) => {
      void answer.passed.then(() => response.end("theirs"));
    });
    const server = echo("ours");
    await server.listen(theirs);
    const session = connect(port);
    const asked = once(theirs, "request");
    const answered = ask(session);
    await asked;
    const goneAway = once(session, "goaway");
    let down = false;
    const report = server.shutdown().finally(() => (down = true));
    await goneAway;
    expect(down).toBe(false);
    answer.open();
    expect(await answered).toBe("theirs");
    expect(countsOf(await report)).toEqual(NOBODY);
  });

  test.for(["at the deadline", "by close()"])("tells which HTTP/2 requests were cut %s", async (how) => {
    const { theirs, port } = await host((request, response) => {
      if (request.url === "/answered") response.end("theirs");
    });
    const server = echo("ours");
    await server.listen(theirs);
    const session = connect(port);
    const asked = once(theirs, "request");
    const never = session.request({ ":path": "/never?secret=1" });
    never.on("error", () => {});
    await asked;
    const down = server.shutdown({ deadline: how === "by close()" ? LONG : ms(300), lameDuck: ms(100) });
    const answered = session.request({ ":path": "/answered" });
    expect(await text(answered)).toBe("theirs");
    if (how === "by close()") await server.close();
    const report = await down;
    expect([report.outcome, report.requests, report.cutRequests]).toEqual([
      "forced",
      { answered: 1, left: 0, cut: 1 },
      [{ method: "GET", path: "/never", remoteAddress: "127.0.0.1" }],
    ]);
  });

  test("ends a session that comes while it goes down, too", async () => {
    const { theirs, port } = await host();
    const server = echo("ours");
    await server.listen(theirs);
    const encrypted = once(theirs, "secureConnection");
    const session = connect(port);
    // Its TLS is done, and Node makes the session from what it reads behind that.
    await encrypted;
    const ended = once(session, "close");
    const startedAt = performance.now();
    expect(countsOf(await server.shutdown())).toEqual(NOBODY);
    expect(performance.now() - startedAt).toBeLessThan(bound(1_000));
    await ended;
  });

  test("does not outlast close() by a request that is never answered", async () => {
    const { theirs, port } = await host(() => {});
    const server = echo("ours");
    await server.listen(theirs);
    const session = connect(port);
    const asked = once(theirs, "request");
    void ask(session).catch(() => {});
    await asked;
    const ended = once(session, "close");
    const startedAt = performance.now();
    await server.close();
    await ended;
    expect(performance.now() - startedAt).toBeLessThan(bound(1_000));
  });

  test("keeps to its 'stream' listeners: ours do not turn on Node's own answers", async () => {
    const { theirs, port } = await host();
    const streams = (): number => theirs.listenerCount("stream");
    theirs.on("stream", (stream) => {
      stream.respond();
      stream.end("by stream");
    });
    const server = echo("ours");
    await server.listen(theirs);
    expect(streams()).toBe(1);
    expect(await ask(connect(port))).toBe("by stream");
    expect(countsOf(await server.shutdown())).toEqual(NOBODY);
  });

  test("waits for plain HTTP/1.1 also when its 'request' listener came after us", async () => {
    const answer = gate();
    const { theirs, port } = await host();
    const server = echo("ours");
    await server.listen(theirs);
    theirs.on("request", (_request, response: http2.Http2ServerResponse) => {
      void answer.passed.then(() => response.end("theirs"));
    });
    const asked = once(theirs, "request");
    const request = httpsRequest({ port, host: "127.0.0.1", rejectUnauthorized: false }).end();
    await asked;
    let down = false;
    const report = server.shutdown().finally(() => (down = true));
    await eventually(() => !theirs.listening);
    expect(down).toBe(false);
    answer.open();
    const [response] = (await once(request, "response")) as [AsyncIterable<Buffer> & { headers: object }];
    expect(response.headers).toMatchObject({ connection: "close" });
    expect(await text(response)).toBe("theirs");
    expect(countsOf(await report)).toEqual(NOBODY);
    expect(listenersOf(theirs)).toMatchObject({ request: 1, upgrade: 0 });
  });
});
