/** Who is not let in, and how that is told: a status, a short text, and an end without a reset. */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { UpgradeRejected, type Connection, type ServerOptions } from "../../src/index.js";
import { connectRaw, openRaw, type RawClient } from "../tools/raw-client.js";
import { eventually, gate, serve } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";

async function echo(connection: Connection): Promise<void> {
  for await (const message of connection) connection.send(message);
}

const HEADERS: Readonly<Record<string, string>> = {
  Host: "localhost",
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** A request's head; a header that is undefined is left out. */
function head(headers: Record<string, string | undefined> = {}, line = "GET / HTTP/1.1"): string {
  const lines = Object.entries({ ...HEADERS, ...headers }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}\r\n`],
  );
  return `${line}\r\n${lines.join("")}\r\n`;
}

/** More than fits into one read, and nothing that HTTP or WebSocket could make sense of. */
const PIPELINED = Buffer.alloc(300 * 1024, 0xff);

/** Sends bytes and waits for the end. */
async function ask(port: number, ...writes: (string | Buffer)[]): Promise<RawClient> {
  const client = await connectRaw(port);
  for (const bytes of writes) client.write(bytes);
  await client.closed();
  return client;
}

/** The answer as it is on the wire. */
function recordText(client: RawClient): () => string {
  const chunks: Buffer[] = [];
  client.socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("latin1");
}

interface Refused {
  title: string;
  status: number;
  /** What the answer says; a regular expression, since texts are prose. */
  text: RegExp;
  request: string;
  headers?: Record<string, string>;
  options?: ServerOptions;
}

/** What a 426 says of what would do. */
const REQUIRED = { upgrade: "websocket", connection: "close, Upgrade", "sec-websocket-version": "13" };

const refused: readonly Refused[] = [
  { title: "what is not HTTP", status: 400, text: /not HTTP/, request: "hello?\r\n\r\n" },
  {
    title: "a handshake over HTTP/1.0",
    status: 426,
    text: /HTTP\/1\.1/,
    request: head({}, "GET / HTTP/1.0"),
    headers: REQUIRED,
  },
  { title: "a handshake without a Host", status: 400, text: /Host/, request: head({ Host: undefined }) },
  {
    title: "a handshake without 'Connection: Upgrade'",
    status: 400,
    text: /Connection: Upgrade/,
    request: head({ Connection: "keep-alive" }),
  },
  {
    title: "a handshake without a Sec-WebSocket-Key",
    status: 400,
    text: /Sec-WebSocket-Key/,
    request: head({ "Sec-WebSocket-Key": undefined }),
  },
  {
    title: "a Sec-WebSocket-Key that is not 16 bytes",
    status: 400,
    text: /16 bytes/,
    request: head({ "Sec-WebSocket-Key": "c2hvcnQ=" }),
  },
  {
    title: "a subprotocol offered twice",
    status: 400,
    text: /Sec-WebSocket-Protocol/,
    request: head({ "Sec-WebSocket-Protocol": "chat, chat" }),
  },
  {
    title: "a handshake by POST",
    status: 405,
    text: /GET/,
    request: head({}, "POST / HTTP/1.1"),
    headers: { allow: "GET" },
  },
  {
    title: "a plain POST",
    status: 405,
    text: /GET/,
    request: head({ Upgrade: undefined, Connection: undefined, "Content-Length": "5" }, "POST / HTTP/1.1"),
    headers: { allow: "GET" },
  },
  {
    title: "a plain GET",
    status: 426,
    text: /Upgrade: websocket/,
    request: head({ Upgrade: undefined, Connection: undefined }),
    headers: REQUIRED,
  },
  {
    title: "an upgrade to something else",
    status: 426,
    text: /WebSocket/,
    request: head({ Upgrade: "h2c" }),
    headers: REQUIRED,
  },
  {
    title: "an older version of WebSocket",
    status: 426,
    text: /13/,
    request: head({ "Sec-WebSocket-Version": "8" }),
    headers: REQUIRED,
  },
  {
    title: "a handshake without a version",
    status: 426,
    text: /missing/,
    request: head({ "Sec-WebSocket-Version": undefined }),
    headers: REQUIRED,
  },
  {
    title: "a page from another host",
    status: 403,
    text: /origin/,
    request: head({ Origin: "https://evil.example" }),
  },
  {
    title: "an origin that is not on the list",
    status: 403,
    text: /origin/,
    request: head({ Origin: "http://localhost" }),
    options: { origins: ["https://app.example"] },
  },
  {
    title: "the origin 'null' of sandboxed pages",
    status: 403,
    text: /origin/,
    request: head({ Origin: "null" }),
  },
  {
    title: "another path",
    status: 404,
    text: /path/,
    request: head({}, "GET /other HTTP/1.1"),
    options: { path: "/chat" },
  },
  ...[false, null, undefined, "", 0, Number.NaN, 0n].flatMap((verdict) => [
    {
      title: `whom authenticate answers with ${inspect(verdict)}`,
      status: 401,
      text: /^Only who is authenticated may connect\.\n$/,
      request: head(),
      options: { authenticate: () => verdict },
    },
    {
      title: `whom authenticate answers with a promise of ${inspect(verdict)}`,
      status: 401,
      text: /authenticated/,
      request: head(),
      options: { authenticate: async () => verdict },
    },
  ]),
  {
    title: "whom protocols rejects",
    status: 403,
    text: /^Not with this protocol\.\n$/,
    request: head({ "Sec-WebSocket-Protocol": "chat.v0" }),
    headers: { "x-protocols": "chat.v1" },
    options: {
      protocols: () => {
        throw new UpgradeRejected(403, "Not with this protocol.", { "X-Protocols": "chat.v1" });
      },
    },
  },
  {
    title: "whom authenticate rejects",
    status: 401,
    text: /^Sign in first\.\n$/,
    request: head(),
    headers: { "www-authenticate": "Bearer", "content-type": "text/plain; charset=utf-8" },
    options: {
      authenticate: () => {
        throw new UpgradeRejected(401, "Sign in first.", { "WWW-Authenticate": "Bearer" });
      },
    },
  },
];

describe.for(refused)("$title gets $status", ({ status, text, request, headers = {}, options = {} }) => {
  test("with a short text, and then a FIN", async () => {
    const { server, port } = await serve<unknown>(echo, options);
    const client = await ask(port, request);
    expect(client.response).toMatchObject({ status, headers: { connection: "close", ...headers } });
    expect(client.response?.body).toMatch(text);
    expect(client.response?.body.length).toBeLessThan(200);
    expect(client.ended).toBe("FIN");
    expect(server.connections.size).toBe(0);
  });

  test("also when the client goes on sending for a while", async () => {
    const { port } = await serve<unknown>(echo, options);
    const client = await connectRaw(port, { answersEnd: false });
    let error: unknown;
    client.socket.on("error", (thrown) => (error = thrown));
    client.write(request);
    await client.until(() => client.ended !== undefined);
    // What we send now meets a server that has said all it had to say, and still must not be answered by a reset.
    for (let chunk = 0; chunk < 20; chunk++) {
      client.write(PIPELINED.subarray(0, 10_000));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    client.end();
    await client.closed();
    expect(client.response).toMatchObject({ status, headers });
    expect(client.response?.body).toMatch(text);
    expect(error).toBeUndefined();
  });

  test("also when more bytes follow the request", async () => {
    const { port, errors } = await serve<unknown>(echo, options);
    const client = await ask(port, request, PIPELINED);
    expect(client.response).toMatchObject({ status, headers });
    expect(client.response?.body).toMatch(text);
    expect(client.ended).toBe("FIN");
    expect(errors).toEqual([]);
  });
});

describe("authenticate", () => {
  test("an answer of its own may come without a body, and cannot break the framing of the answer", async () => {
    const { port } = await serve<unknown>(echo, {
      authenticate: async () => {
        throw new UpgradeRejected(429, "", {
          "retry-after": "7",
          "content-length": "1000",
          connection: "keep-alive",
        });
      },
    });
    const client = await connectRaw(port);
    const answer = recordText(client);
    client.write(head());
    await client.closed();
    expect(client.response).toMatchObject({ status: 429, headers: { "retry-after": "7" }, body: "" });
    expect(answer()).toMatch(/^[^]*\r\n\r\n$/);
    const framing = answer().match(/^(connection|content-length|content-type):.*$/gim);
    expect(framing).toEqual([
      "Connection: close",
      "Content-Type: text/plain; charset=utf-8",
      "Content-Length: 0",
    ]);
    expect(client.ended).toBe("FIN");
  });

  test.for(["synchronously", "asynchronously"])(
    "what it throws %s otherwise is a 500 and reaches onError",
    async (how) => {
      const failure = new Error("the database is away");
      const { port, errors } = await serve<unknown>(echo, {
        authenticate: () => {
          if (how === "synchronously") throw failure;
          return Promise.reject(failure);
        },
      });
      const client = await ask(port, head());
      expect(client.response?.status).toBe(500);
      expect(client.response?.body).not.toContain("database");
      expect(client.ended).toBe("FIN");
      expect(errors).toEqual([failure]);
    },
  );

  test("one that hangs gets its client a 408, and its signal aborts", async () => {
    let aborted: AbortSignal | undefined;
    const { port, errors } = await serve<unknown>(echo, {
      handshakeTimeout: ms(100),
      authenticate: (_request, { signal }) => {
        aborted = signal;
        return new Promise(() => {});
      },
    });
    const startedAt = performance.now();
    const client = await ask(port, head(), PIPELINED);
    expect(performance.now() - startedAt).toBeLessThan(bound(100));
    expect(client.response?.status).toBe(408);
    expect(client.ended).toBe("FIN");
    expect(aborted?.aborted).toBe(true);
    expect(errors).toEqual([]);
  });

  test("its signal aborts when the client leaves, and nobody is connected then", async () => {
    const leaving = gate();
    let asked = false;
    let connected = false;
    const { server, port } = await serve<unknown>(() => (connected = true), {
      authenticate: async (_request, { signal }) => {
        asked = true;
        signal.addEventListener("abort", () => leaving.open());
        await leaving.passed;
        return "late";
      },
    });
    const client = await connectRaw(port);
    client.sendHandshake();
    await eventually(() => asked);
    client.reset();
    await leaving.passed;
    await server.shutdown();
    expect(connected).toBe(false);
  });
});

describe("no room", () => {
  test("over maxConnections a client gets 503 with Retry-After, until somebody leaves", async () => {
    const { server, port } = await serve(echo, { maxConnections: 1 });
    const first = await openRaw(port);
    const second = await ask(port, head(), PIPELINED);
    expect(second.response).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    expect(second.response?.body).toMatch(/full/);
    expect(second.ended).toBe("FIN");
    first.sendClose(1000);
    await first.closed();
    await eventually(() => server.connections.size === 0);
    const third = await openRaw(port);
    third.destroy();
  });

  test("peers that left but are still served count", async () => {
    const serving = gate();
    const started = gate();
    const { server, port } = await serve(
      async (connection) => {
        for await (const _ of connection) {
          started.open();
          await serving.passed;
        }
      },
      { maxConnections: 1 },
    );
    const first = await openRaw(port);
    first.send("work");
    await started.passed;
    first.reset();
    await [...server.connections][0]!.closed;
    expect((await ask(port, head())).response?.status).toBe(503);
    serving.open();
    await eventually(() => server.connections.size === 0);
    const second = await openRaw(port);
    second.destroy();
  });

  test("of clients that wait for authenticate together, no more get in than there is room for", async () => {
    const check = gate();
    let waiting = 0;
    const { server, port } = await serve<string>(echo, {
      maxConnections: 1,
      authenticate: async () => {
        waiting++;
        await check.passed;
        return "guest";
      },
    });
    const clients = await Promise.all([connectRaw(port), connectRaw(port), connectRaw(port)]);
    for (const client of clients) client.sendHandshake();
    await eventually(() => waiting === clients.length);
    check.open();
    await Promise.all(clients.map((client) => client.until(() => client.response !== undefined)));
    expect(clients.filter((client) => client.response!.status === 101)).toHaveLength(1);
    expect(clients.filter((client) => client.response!.status === 503)).toHaveLength(2);
    expect(server.connections.size).toBe(1);
    for (const client of clients) client.destroy();
  });

  test("while draining, a client that asks after the grace gets 503 with Retry-After", async () => {
    const { server, port } = await serve(echo);
    const keeper = await openRaw(port);
    const silent = await connectRaw(port);
    const partial = await connectRaw(port);
    partial.write(head().slice(0, 30));
    keeper.send("here");
    await keeper.received(1);
    const shutdown = server.shutdown({ handshakeGrace: ms(50) });
    await Promise.all([silent.closed(), partial.closed()]);
    for (const client of [silent, partial]) {
      expect(client.response).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
      expect(client.response?.body).toMatch(/closing/);
      expect(client.ended).toBe("FIN");
    }
    expect((await shutdown).outcome).toBe("clean");
  });
});

describe("a handshake that takes too long gets 408", () => {
  test("when the client sends nothing", async () => {
    const { port } = await serve(echo, { handshakeTimeout: ms(100) });
    const client = await ask(port);
    expect(client.response?.status).toBe(408);
    expect(client.ended).toBe("FIN");
  });

  test("when the client sends its request a byte at a time", async () => {
    const { port } = await serve(echo, { handshakeTimeout: ms(100) });
    const client = await connectRaw(port);
    const startedAt = performance.now();
    const request = head({ "X-Long": "x".repeat(10_000) });
    for (let sent = 0; client.response === undefined; sent++) {
      client.write(request[sent]!);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(performance.now() - startedAt).toBeLessThan(bound(100));
    await client.closed();
    expect(client.response?.status).toBe(408);
    expect(client.ended).toBe("FIN");
  });
});
