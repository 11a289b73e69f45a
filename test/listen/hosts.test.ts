/** Servers of the caller's: what we serve on them, how they go down with us, and what we leave of ourselves. */
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createSecureServer as createHttp2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import * as net from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer, type SecureVersion } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import type { ListenTarget, Server } from "../../src/index.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { connectRaw, openRaw, type RawClient, type Target } from "../tools/raw-client.js";
import { scratch } from "../tools/scratch.js";
import { countsOf, ended, outcomeOf, repliesTo, reportWith, requestsOf } from "../tools/scenario.js";
import { bound, ms } from "../tools/timing.js";
import {
  allServed,
  CONNECTIONS,
  echo,
  listenersOf,
  listening,
  LOCAL,
  LONG,
  REQUESTS,
  RESTART,
  seenBy,
  TOTAL,
  Working,
} from "./hosts.js";

const certificate = hasOpenssl ? selfSignedCertificate() : { key: "", cert: "" };

/** A server of the caller's, or what stands for one. */
interface Host {
  target: ListenTarget;
  /** Listens only after `listen` was called. */
  later?: net.Server;
  tls?: true;
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
      `an HTTP/2 server that allows HTTP/1.1, with ${version}`,
      async () => ({
        target: await listening(createHttp2Server({ ...tlsOf(version), allowHTTP1: true })),
        tls: true,
      }),
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

function targetOf(port: number, { tls }: Host): Target {
  return tls ? { port, tls } : port;
}

/** Connects without sending anything but what TLS needs. */
async function connectOn(port: number, host: Host): Promise<RawClient> {
  const client = await connectRaw(targetOf(port, host));
  onTestFinished(() => client.destroy());
  return client;
}

async function openOn(port: number, host: Host): Promise<RawClient> {
  const client = await openRaw(targetOf(port, host));
  onTestFinished(() => client.destroy());
  return client;
}

describe.each(HOSTS)("%s", (_, make) => {
  test("serves all that was sent to it, says Close to its peers and goes down", async () => {
    const host = await make();
    const before = listenersOf(host.target);
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
    expect(listenersOf(host.target)).toEqual(before);
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

describe.each(HOSTS)("%s", (_, make) => {
  test("serves a client that has not sent its handshake when the door closes", async () => {
    const host = await make();
    const server = echo("ours");
    const port = await listenOn(server, host);
    const [client, other] = [await connectOn(port, host), await openOn(port, host)];
    const stopping = server.shutdown({ handshakeGrace: LONG });
    // Its Close shows that the door is closed.
    await other.closed();
    client.sendHandshake();
    await client.opened();
    client.send("hello");
    const clean = reportWith("clean", { total: 2, closed: 2 }, { served: 1 });
    expect(countsOf(await stopping)).toEqual(clean);
    expect(await seenBy(client)).toMatchObject({ messages: ["ours: hello"], close: RESTART, ended: "FIN" });
  });
});

describe.each(HOSTS.filter(([name]) => name !== "a file descriptor"))("%s", (_, make) => {
  test("serves all that was sent to it also when the caller closes it first", async () => {
    const host = await make();
    const theirs = host.target as net.Server;
    const before = listenersOf(theirs);
    const working = new Working();
    const port = await listenOn(working.server, host);
    const peers = [await openOn(port, host), await openOn(port, host)];
    peers.forEach((peer, index) => requestsOf(index, REQUESTS).forEach((text) => peer.send(text)));
    const closed = once(theirs, "close");
    const stopped = await working.stop(() => {
      expect(working.server.state).toBe("listening");
      theirs.close();
      // Nobody comes any more, and readiness must not say otherwise.
      expect(working.server).toMatchObject({ state: "draining" });
      expect(working.server.address()).toBe(null);
      return working.server.shutdown();
    });
    expect(outcomeOf(stopped)).toEqual(allServed);
    expect(stopped.before).toBeLessThan(TOTAL);
    for (const [index, peer] of peers.entries()) {
      const messages = repliesTo(index, REQUESTS);
      expect(await seenBy(peer)).toEqual({ messages, close: RESTART, ended: "FIN", violation: undefined });
    }
    await closed;
    expect(listenersOf(theirs)).toEqual(before);
  });

  test("is closed by the shutdown: the caller's own close() then says so", async () => {
    const host = await make();
    const theirs = host.target as net.Server;
    const server = echo("ours");
    await listenOn(server, host);
    await server.shutdown();
    expect(theirs.listening).toBe(false);
    const error = await new Promise((resolve) => theirs.close(resolve));
    expect(error).toMatchObject({ code: "ERR_SERVER_NOT_RUNNING" });
  });
});

describe("a caller's server that cannot listen", () => {
  test.for([
    ["http.Server", () => createHttpServer()],
    ["net.Server", () => net.createServer()],
  ] as const)("rejects listen() with Node's error, and nothing of ours is left: %s", async ([, make]) => {
    const taken = await listening(net.createServer());
    const later: net.Server = make();
    const before = listenersOf(later);
    const server = echo("ours");
    const listened = server.listen(later);
    later.listen(taken.address() as net.AddressInfo);
    await expect(listened).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(server.state).toBe("idle");
    expect(listenersOf(later)).toEqual(before);
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
      const before = listenersOf(later);
      const server = echo("ours", { drain: { deadline: ms(3_000) } });
      const listened = server.listen(later).catch((error: unknown) => error);
      const { duration } = await server[stop]();
      expect(duration).toBeLessThan(bound(500));
      expect(server.state).toBe("closed");
      expect(listenersOf(later)).toEqual(before);
      await listening(later);
      await listened;
      expect(later.listening).toBe(true);
    });
  }

  test("may be waited for by many servers, each with its path, and no warning comes of it", async () => {
    const warnings: Error[] = [];
    const hear = (warning: Error): void => void warnings.push(warning);
    process.on("warning", hear);
    onTestFinished(() => void process.off("warning", hear));
    const later = createHttpServer();
    const servers = Array.from({ length: 12 }, (_, index) => echo(`${index}`, { path: `/${index}` }));
    const listened = servers.map(async (server) => server.listen(later));
    const { port } = (await listening(later)).address() as net.AddressInfo;
    await Promise.all(listened);
    const client = await openRaw(port, { path: "/11" });
    client.send("hello");
    await client.received(1);
    expect(client.messages).toEqual(["11: hello"]);
    await Promise.all(servers.map(async (server) => server.shutdown()));
    expect(warnings).toEqual([]);
  });
});

describe("a caller's server with pauseOnConnect", () => {
  const KINDS: [string, () => net.Server, true?][] = [
    ["net.Server", () => net.createServer({ pauseOnConnect: true })],
    ...(hasOpenssl
      ? ([
          ["tls.Server", () => createTlsServer({ ...certificate, pauseOnConnect: true }), true],
          ["https.Server", () => createHttpsServer({ ...certificate, pauseOnConnect: true }), true],
        ] as [string, () => net.Server, true][])
      : []),
  ];

  test.for(KINDS)("is served all the same, since its sockets are ours: %s", async ([, make, tls]) => {
    const server = echo("ours");
    const { port } = await server.listen(await listening(make()));
    const client = await openRaw(tls ? { port, tls } : port);
    client.send("hello");
    await client.received(1);
    expect(client.messages).toEqual(["ours: hello"]);
  });
});

describe("a caller's server that its owner closes", () => {
  const KINDS = [
    ["http.Server", (): net.Server => createHttpServer()],
    ["net.Server", (): net.Server => net.createServer()],
  ] as const;

  test.for(KINDS)("does not listen any more, whatever it listened on: %s", async ([, make]) => {
    for (const place of [LOCAL, { path: join(scratch(), "s") }]) {
      const theirs = make().listen(place);
      await once(theirs, "listening");
      const server = echo("ours");
      await server.listen(theirs);
      expect(server.state).toBe("listening");
      theirs.close();
      expect([server.state, server.address()]).toEqual(["draining", null]);
    }
  });
});
