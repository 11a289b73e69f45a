/** Who is let in, and what the handler then knows of the client. */
import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import {
  createServer,
  type AuthenticateContext,
  type Connection,
  type ProtocolChoice,
  type RequestHead,
} from "../../src/index.js";
import { Opcode, encodeFrame } from "../../src/wire/frame.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { connectRaw, openRaw, type RawClient } from "../tools/raw-client.js";
import { eventually, gate, serve } from "../tools/serve.js";

async function echo(connection: Connection): Promise<void> {
  for await (const message of connection) connection.send(message);
}

/** Connects with these headers and waits for the answer, whatever it is. */
async function ask(port: number, headers: Record<string, string> = {}, path = "/"): Promise<RawClient> {
  const client = await connectRaw(port, { headers, path });
  client.sendHandshake();
  await client.until(() => client.response !== undefined);
  client.sendClose(1000);
  await client.closed();
  return client;
}

describe("the subprotocol", () => {
  const offer = { "Sec-WebSocket-Protocol": "soap, chat.v1,  chat.v2" };

  /** The subprotocol that the client and the handler are told. */
  async function agreed(
    protocols: readonly string[] | ProtocolChoice | undefined,
    headers: Record<string, string> = offer,
  ): Promise<{ told: string | undefined; seen: string | undefined }> {
    let seen: string | undefined;
    const { port } = await serve((connection) => void (seen = connection.protocol), { protocols });
    const client = await ask(port, headers);
    expect(client.response?.status).toBe(101);
    return { told: client.response?.headers["sec-websocket-protocol"], seen };
  }

  test("is the first of the server's list that the client offers", async () => {
    expect(await agreed(["chat.v3", "chat.v2", "chat.v1"])).toEqual({ told: "chat.v2", seen: "chat.v2" });
  });

  test("is none, and no header, when nothing on the list is offered", async () => {
    expect(await agreed(["mqtt"])).toEqual({ told: undefined, seen: "" });
  });

  test("is none when the server has no list", async () => {
    expect(await agreed(undefined)).toEqual({ told: undefined, seen: "" });
  });

  test("is none when the client offers none, and no function is asked then", async () => {
    const choose = (): string => {
      throw new Error("nobody should ask");
    };
    expect(await agreed(["chat.v1"], {})).toEqual({ told: undefined, seen: "" });
    expect(await agreed(choose, {})).toEqual({ told: undefined, seen: "" });
  });

  test("is what a function chooses from the offered ones, in the client's order", async () => {
    const asked: [readonly string[], string][] = [];
    const choose = (offered: readonly string[], request: RequestHead): string => {
      asked.push([offered, request.url]);
      return "chat.v1";
    };
    expect(await agreed(choose)).toEqual({ told: "chat.v1", seen: "chat.v1" });
    expect(asked).toEqual([[["soap", "chat.v1", "chat.v2"], "/"]]);
  });

  test("is none when the function returns undefined", async () => {
    expect(await agreed(() => undefined)).toEqual({ told: undefined, seen: "" });
  });

  test("is case-sensitive", async () => {
    expect(await agreed(["CHAT.v1", "SOAP"])).toEqual({ told: undefined, seen: "" });
  });

  test("that a function returns without its being offered is a 500 and reaches onError", async () => {
    const { port, errors } = await serve(echo, { protocols: () => "graphql" });
    const client = await connectRaw(port, { headers: offer });
    client.sendHandshake();
    await client.closed();
    expect(client.response?.status).toBe(500);
    expect(client.ended).toBe("FIN");
    expect(errors).toMatchObject([
      { code: "LASTCALL_PROTOCOL_NOT_OFFERED", message: expect.stringContaining("graphql") as string },
    ]);
  });

  test("is not waited for: a function that returns a promise is told so, and a rejection of it ends nothing", async () => {
    const protocols = (async () => {
      throw new Error("too late");
    }) as never;
    const { port, errors } = await serve(echo, { protocols });
    const client = await connectRaw(port, { headers: offer });
    client.sendHandshake();
    await client.closed();
    expect(client.response?.status).toBe(500);
    expect(errors).toMatchObject([{ message: expect.stringContaining("an object (Promise)") as string }]);
  });

  test("is not chosen when the function throws: a 500, and onError has the error", async () => {
    const failure = new Error("no idea");
    const protocols = (): string => {
      throw failure;
    };
    const { port, errors } = await serve(echo, { protocols });
    const client = await connectRaw(port, { headers: offer });
    client.sendHandshake();
    await client.closed();
    expect(client.response?.status).toBe(500);
    expect(errors).toEqual([failure]);
  });
});

describe("a page's origin", () => {
  const SAME_HOST = [
    ["http://app.example", "app.example"],
    // Behind a proxy that ends TLS the server does not see the scheme.
    ["https://app.example", "app.example"],
    ["http://app.example:8080", "app.example:8080"],
    ["http://APP.example", "app.EXAMPLE"],
    ["http://app.example", "app.example:80"],
    ["http://[::1]:3000", "[::1]:3000"],
  ] as const;

  test.for(SAME_HOST)("%s is let in by default at the host %s", async ([Origin, Host]) => {
    const { port } = await serve(echo);
    expect((await ask(port, { Origin, Host })).response?.status).toBe(101);
  });

  const OTHER_HOST = [
    ["http://app.example", "api.example"],
    ["http://app.example:8080", "app.example"],
    ["http://app.example.evil", "app.example"],
    ["app.example", "app.example"],
    ["null", "null"],
    ["", "app.example"],
  ] as const;

  test.for(OTHER_HOST)("'%s' is refused by default at the host %s", async ([Origin, Host]) => {
    const { port } = await serve(echo);
    expect((await ask(port, { Origin, Host })).response?.status).toBe(403);
  });

  test("may be left out: programs have none", async () => {
    const { port } = await serve(echo, { origins: ["https://app.example"] });
    expect((await ask(port)).response?.status).toBe(101);
  });

  test("is let in when it is on the list, however it is written there", async () => {
    const { port } = await serve(echo, { origins: ["https://APP.example:443/", "http://localhost:3000"] });
    const statuses = new Map<string, number>();
    for (const Origin of [
      "https://app.example",
      "http://localhost:3000",
      "http://app.example",
      "https://app.example:444",
      "http://localhost",
    ]) {
      statuses.set(Origin, (await ask(port, { Origin })).response!.status);
    }
    expect([...statuses.values()]).toEqual([101, 101, 403, 403, 403]);
  });

  test("is let in whatever it is with '*'", async () => {
    const { port } = await serve(echo, { origins: "*" });
    expect((await ask(port, { Origin: "https://anywhere.example" })).response?.status).toBe(101);
    expect((await ask(port, { Origin: "null" })).response?.status).toBe(101);
  });

  test("that is refused never reaches authenticate", async () => {
    let asked = false;
    const { port } = await serve<boolean>(echo, { authenticate: () => (asked = true) });
    expect((await ask(port, { Origin: "https://evil.example" })).response?.status).toBe(403);
    expect(asked).toBe(false);
  });
});

describe("what authenticate may decide by", () => {
  test("is the address of the other end, and that there is no TLS", async () => {
    const contexts: AuthenticateContext[] = [];
    const authenticate = (_request: unknown, context: AuthenticateContext) => contexts.push(context);
    const { port } = await serve<number>(echo, { authenticate });
    await ask(port);
    expect(contexts).toMatchObject([{ remoteAddress: "127.0.0.1", tls: undefined }]);
  });

  test.runIf(hasOpenssl)("is the client's certificate, and whether that was verified", async () => {
    const ours = selfSignedCertificate();
    const strangers = selfSignedCertificate();
    const https = createHttpsServer({ ...ours, ca: ours.cert, requestCert: true, rejectUnauthorized: false });
    const contexts: AuthenticateContext[] = [];
    const authenticate = (_request: unknown, context: AuthenticateContext) => contexts.push(context);
    const server = createServer({ authenticate }, () => {});
    onTestFinished(async () => void (await server.close()));
    const { port } = (await server.listen(https.listen(0, "127.0.0.1"))) as AddressInfo;
    for (const client of [ours, strangers, {}]) {
      const socket = new WebSocket(`wss://127.0.0.1:${port}`, { ...client, rejectUnauthorized: false });
      await once(socket, "close");
    }
    const seen = contexts.map(({ tls }) => [tls?.authorized, tls?.certificate?.subject]);
    expect(seen).toEqual([
      [true, "CN=localhost"],
      [false, "CN=localhost"],
      [false, undefined],
    ]);
  });
});

describe("what the handler knows", () => {
  test("the handler sees the very request that authenticate or protocols saw, whatever was put on it", async () => {
    for (const hook of ["authenticate", "protocols"] as const) {
      let asked: RequestHead | undefined;
      let seen: RequestHead | undefined;
      const keep = (request: RequestHead): undefined => {
        asked = request;
        // Nothing that JSON could take.
        Object.assign(request, { self: request });
      };
      const options =
        hook === "authenticate"
          ? { authenticate: (request: RequestHead) => (keep(request), "somebody") }
          : { protocols: (_offered: unknown, request: RequestHead) => keep(request) };
      const { port } = await serve((connection: Connection) => void (seen = connection.request), options);
      const client = await ask(port, { "Sec-WebSocket-Protocol": "chat" });
      expect(client.response?.status).toBe(101);
      expect(seen).toBe(asked);
    }
  });

  test("the principal is what authenticate returned, or its promise resolved with", async () => {
    const principals: unknown[] = [];
    const { port } = await serve<{ name: string }>(
      (connection) => void principals.push(connection.principal.name),
      {
        authenticate: (request) => {
          const name = new URL(request.url, "http://localhost").searchParams.get("name")!;
          return name === "ada" ? { name } : Promise.resolve({ name });
        },
      },
    );
    await ask(port, {}, "/?name=ada");
    await ask(port, {}, "/?name=grace");
    expect(principals).toEqual(["ada", "grace"]);
  });

  test("the principal may be whatever is not falsy: true, a string, an object that is empty", async () => {
    for (const principal of [true, 1, "alice", {}]) {
      const principals: unknown[] = [];
      const { port } = await serve<unknown>((connection) => void principals.push(connection.principal), {
        authenticate: () => principal,
      });
      expect((await ask(port)).response?.status).toBe(101);
      expect(principals).toEqual([principal]);
    }
  });

  test("the request is the plain head that was sent", async () => {
    let request: RequestHead | undefined;
    const { port } = await serve((connection) => void (request = connection.request));
    await ask(port, { Cookie: "a=1; b=2", "X-Forwarded-For": "203.0.113.7" }, "/chat?room=1");
    expect(Object.keys(request!).sort()).toEqual(["headers", "httpVersion", "method", "url"]);
    expect(request).toMatchObject({
      method: "GET",
      url: "/chat?room=1",
      httpVersion: "1.1",
      headers: { host: "localhost", cookie: "a=1; b=2", "x-forwarded-for": "203.0.113.7" },
    });
    expect(JSON.parse(JSON.stringify(request))).toEqual(request);
  });

  test("a header that came several times is one string, whichever it is", async () => {
    let request: RequestHead | undefined;
    const { port } = await serve((connection) => void (request = connection.request));
    const twice = ["Cookie", "X-Forwarded-For", "Set-Cookie"].map((name) => [name, `a\r\n${name}: b`]);
    await ask(port, Object.fromEntries(twice) as Record<string, string>);
    expect(request!.headers).toMatchObject({
      cookie: "a; b",
      "x-forwarded-for": "a, b",
      "set-cookie": "a, b",
    });
  });

  test("the remote address is the socket's, and ids are unique", async () => {
    const seen: Connection[] = [];
    const { port } = await serve((connection) => void seen.push(connection));
    await Promise.all([ask(port), ask(port), ask(port)]);
    expect(seen.map(({ remoteAddress }) => remoteAddress)).toEqual(Array(3).fill("127.0.0.1"));
    expect(new Set(seen.map(({ id }) => id)).size).toBe(3);
  });

  test("empty elements of lists do not matter", async () => {
    const { port } = await serve(echo, { protocols: ["b"], compression: true });
    const { response } = await ask(port, {
      Upgrade: ",websocket,",
      Connection: ",Upgrade, ,",
      "Sec-WebSocket-Protocol": "b,",
      "Sec-WebSocket-Extensions": "",
    });
    expect(response).toMatchObject({ status: 101, headers: { "sec-websocket-protocol": "b" } });
    expect(response!.headers).not.toHaveProperty("sec-websocket-extensions");
  });

  test("the target may be in absolute form, and then names the host", async () => {
    const { port } = await serve(echo, { path: "/chat" });
    const absolute = "http://real.example/chat?room=1";
    expect((await ask(port, { Host: "other.example" }, absolute)).response?.status).toBe(101);
    expect((await ask(port, { Origin: "http://real.example" }, absolute)).response?.status).toBe(101);
    const pretended = { Host: "evil.example", Origin: "http://evil.example" };
    expect((await ask(port, pretended, absolute)).response?.status).toBe(403);
    expect((await ask(port, {}, "http://real.example/")).response?.status).toBe(404);
  });

  test("a query does not matter to the path", async () => {
    const { port } = await serve(echo, { path: "/chat" });
    expect((await ask(port, {}, "/chat?room=1")).response?.status).toBe(101);
    expect((await ask(port, {}, "/chat")).response?.status).toBe(101);
    expect((await ask(port, {}, "/chat/")).response?.status).toBe(404);
  });
});

describe("the answer", () => {
  test("is the handshake of RFC 6455 §1.3", async () => {
    const { port } = await serve(echo);
    const client = await ask(port, { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" });
    expect(client.response).toEqual({
      status: 101,
      headers: {
        upgrade: "websocket",
        connection: "Upgrade",
        "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      },
      body: "",
    });
  });

  test.for([
    { Upgrade: "WebSocket" },
    { Connection: "keep-alive, Upgrade" },
    { Connection: "upgrade" },
    { Upgrade: "h2c, websocket" },
  ] as Record<string, string>[])("takes %j as browsers and proxies write it", async (headers) => {
    const { port } = await serve(echo);
    expect((await ask(port, headers)).response?.status).toBe(101);
  });
});

describe("frames that come with the request in one packet", () => {
  const mask = Buffer.from([1, 2, 3, 4]);
  const frames = Buffer.concat([
    ...["one", "two", "three"].map((text) => encodeFrame(Opcode.text, text, { mask })),
    encodeFrame(Opcode.close, Buffer.from([0x03, 0xe8]), { mask }),
  ]);

  /** A handshake and the frames as one write. */
  function sendTogether(client: RawClient): void {
    client.socket.cork();
    client.sendHandshake();
    client.write(frames);
    client.socket.uncork();
  }

  test("are served in order", async () => {
    const { port } = await serve(echo);
    const client = await connectRaw(port);
    sendTogether(client);
    await client.closed();
    expect(client.messages).toEqual(["one", "two", "three"]);
    expect(client.close?.code).toBe(1000);
    expect(client.ended).toBe("FIN");
  });

  test("wait for authenticate, and are served in order then", async () => {
    const check = gate();
    let asked = false;
    const { port } = await serve<string>(echo, {
      authenticate: async () => {
        asked = true;
        await check.passed;
        return "guest";
      },
    });
    const client = await connectRaw(port);
    sendTogether(client);
    await eventually(() => asked);
    expect(client.response).toBeUndefined();
    check.open();
    await client.closed();
    expect(client.messages).toEqual(["one", "two", "three"]);
    expect(client.close?.code).toBe(1000);
  });

  test("are served when they follow while authenticate is still asked", async () => {
    const check = gate();
    let asked = false;
    const { port } = await serve<string>(echo, {
      authenticate: async () => {
        asked = true;
        await check.passed;
        return "guest";
      },
    });
    const client = await connectRaw(port);
    client.sendHandshake();
    await eventually(() => asked);
    client.write(frames);
    await new Promise((resolve) => client.socket.write("", resolve));
    check.open();
    await client.closed();
    expect(client.messages).toEqual(["one", "two", "three"]);
    expect(client.ended).toBe("FIN");
  });

  test("a client that ends TCP behind them is served all the same", async () => {
    const { port } = await serve(echo);
    const client = await connectRaw(port);
    sendTogether(client);
    client.end();
    await client.closed();
    expect(client.messages).toEqual(["one", "two", "three"]);
  });
});

test("a connection that was opened is in server.connections until it is over", async () => {
  const { server, port } = await serve(echo);
  expect(server.connections.size).toBe(0);
  const client = await openRaw(port);
  await eventually(() => server.connections.size === 1);
  client.sendClose(1000);
  await client.closed();
  await eventually(() => server.connections.size === 0);
});
