/** What a client sends and does while `authenticate` is waited for, and what is told of it. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { createServer, UpgradeRejected, type Connection, type ServerOptions } from "../../src/index.js";
import { Http1Handshake } from "../../src/listen/http1-handshake.js";
import { Refusals } from "../../src/listen/refusal.js";
import { Upgrades } from "../../src/listen/upgrade.js";
import { resolveOptions } from "../../src/server/option-checks.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { connectRaw, type RawClient } from "../tools/raw-client.js";
import { eventually, gate, serve } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";
import { LONG } from "./hosts.js";
import { HANDSHAKE, parsed } from "./memory-request.js";

async function echo(connection: Connection): Promise<void> {
  for await (const message of connection) connection.send(message);
}

/** A server whose `authenticate` waits until it is told to let in, and what it knows by then. */
async function waitingServer(options: ServerOptions<string> = {}) {
  const check = gate();
  const seen: { signal?: AbortSignal } = {};
  const served = await serve<string>(echo, {
    authenticate: async (_request, { signal }) => {
      seen.signal = signal;
      await check.passed;
      return "guest";
    },
    ...options,
  });
  return { ...served, check, seen, asked: () => eventually(() => seen.signal !== undefined) };
}

async function seenBy(client: RawClient) {
  await client.closed();
  const { messages, close, ended, violation } = client;
  return { messages, close, ended, violation };
}

/** RST at once: Node's `resetAndDestroy` sends FIN before it when there is something to send. */
function resetWithoutFin({ socket }: RawClient): void {
  (socket as unknown as { _handle: { reset(done: () => void): void } })["_handle"].reset(() =>
    socket.destroy(),
  );
}

describe("while authenticate is waited for", () => {
  /** What comes behind the handshake, and what the client sees of it when it is let in. */
  const EARLY: [what: string, send: (client: RawClient) => void, seen: object][] = [
    ["a message and FIN", (client) => (client.send("one"), client.end()), { messages: ["one"] }],
    [
      "two messages and FIN",
      (client) => (client.send("one"), client.send("two"), client.end()),
      { messages: ["one", "two"] },
    ],
    [
      "a message, Close and FIN",
      (client) => (client.send("one"), client.sendClose(1000), client.end()),
      { messages: ["one"], close: { code: 1000, reason: "" } },
    ],
    [
      "a message and Close",
      (client) => (client.send("one"), client.sendClose(4000, "bye")),
      { messages: ["one"], close: { code: 4000, reason: "" } },
    ],
    ["FIN alone", (client) => client.end(), { messages: [] }],
  ];

  test.for(EARLY)("%s is served as it is without authenticate", async ([what, send, seen]) => {
    const results: unknown[] = [];
    for (const authenticates of [true, false]) {
      const server = await waitingServer(authenticates ? {} : { authenticate: undefined });
      const client = await connectRaw(server.port, { answersClose: false });
      client.sendHandshake();
      if (authenticates) await server.asked();
      send(client);
      if (authenticates) await delay(ms(20));
      expect(server.seen.signal?.aborted).toBe(authenticates ? what === "FIN alone" : undefined);
      server.check.open();
      results.push(await seenBy(client));
      expect(client.response?.status).toBe(101);
    }
    expect(results[0]).toMatchObject({ ended: "FIN", violation: undefined, ...seen });
    expect(results[0]).toEqual(results[1]);
  });

  test.runIf(hasOpenssl)("a message and the end of TLS are served too", async () => {
    const check = gate();
    let asked = false;
    const server = createServer<string>(
      {
        authenticate: async () => {
          asked = true;
          await check.passed;
          return "guest";
        },
      },
      echo,
    );
    onTestFinished(async () => void (await server.close()));
    const https = createHttpsServer(selfSignedCertificate());
    const { port } = (await server.listen(https.listen(0, "127.0.0.1"))) as AddressInfo;
    const client = await connectRaw({ port, tls: true });
    client.sendHandshake();
    await eventually(() => asked);
    client.send("one");
    client.end();
    await delay(ms(20));
    check.open();
    expect(await seenBy(client)).toMatchObject({ messages: ["one"], ended: "FIN" });
  });

  test("who has sent FIN still gets the answer that refuses", async () => {
    const { port, check, asked } = await waitingServer({});
    const refusing = await serve<string>(echo, {
      authenticate: async () => {
        await check.passed;
        throw new UpgradeRejected(403, "No.");
      },
    });
    const [let_in, refused] = [await connectRaw(port), await connectRaw(refusing.port)];
    for (const client of [let_in, refused]) {
      client.sendHandshake();
      client.end();
    }
    await asked();
    check.open();
    await Promise.all([let_in.closed(), refused.closed()]);
    expect([let_in.response?.status, refused.response?.status]).toEqual([101, 403]);
    expect(refused.ended).toBe("FIN");
  });

  test.for(["alone", "behind a message"])(
    "a reset %s ends the wait, and nobody is let in or told of an error",
    async (when) => {
      const { server, port, check, seen, asked, errors } = await waitingServer();
      const client = await connectRaw(port);
      client.sendHandshake();
      await asked();
      if (when === "behind a message") client.send("one");
      // libuv shows a reset as the end when it finds it together with bytes.
      await delay(ms(20));
      resetWithoutFin(client);
      await eventually(() => seen.signal!.aborted);
      check.open();
      await server.shutdown();
      expect(server.connections.size).toBe(0);
      expect(errors).toEqual([]);
    },
  );

  test("a reset together with a message is found when the answer is written, and no error of ours", async () => {
    const { server, port, check, asked, errors } = await waitingServer();
    const client = await connectRaw(port);
    client.sendHandshake();
    await asked();
    client.send("one");
    resetWithoutFin(client);
    await delay(ms(20));
    check.open();
    await server.shutdown();
    expect(server.connections.size).toBe(0);
    expect(errors).toEqual([]);
  });

  test("who has sent FIN is waited for until handshakeTimeout, and gets 408 then", async () => {
    const { port, seen, asked } = await waitingServer({ handshakeTimeout: ms(100) });
    const client = await connectRaw(port);
    client.sendHandshake();
    client.send("one");
    client.end();
    await asked();
    await client.closed();
    expect(client.response?.status).toBe(408);
    expect(seen.signal!.aborted).toBe(true);
  });

  test("who has sent FIN does not hold a shutdown longer than handshakeGrace", async () => {
    const { server, port, asked } = await waitingServer();
    const client = await connectRaw(port);
    client.sendHandshake();
    client.end();
    await asked();
    const report = await server.shutdown({ handshakeGrace: ms(50) });
    await client.closed();
    expect(client.response?.status).toBe(503);
    expect(report.duration).toBeLessThan(bound(500));
  });
});

describe("an authenticate whose handshake was given up", () => {
  /** One that is given up for its time, and then does `late`. */
  async function givenUp(late: (signal: AbortSignal) => Promise<string>) {
    let settled = false;
    const { port, errors } = await serve<string>(echo, {
      handshakeTimeout: ms(20),
      authenticate: async (_request, { signal }) => {
        if (!signal.aborted) await once(signal, "abort");
        return late(signal).finally(() => (settled = true));
      },
    });
    const client = await connectRaw(port);
    client.sendHandshake();
    await client.closed();
    expect(client.response?.status).toBe(408);
    await eventually(() => settled);
    await new Promise((resolve) => setImmediate(resolve));
    return errors;
  }

  test("and that fails then is told of", async () => {
    const failure = new Error("the database is away");
    expect(await givenUp(() => Promise.reject(failure))).toEqual([failure]);
  });

  test("and that refuses, stops as its signal says, or is glad to let in is no error", async () => {
    expect(await givenUp(() => Promise.reject(new UpgradeRejected(403)))).toEqual([]);
    expect(await givenUp((signal) => Promise.reject(signal.reason as Error))).toEqual([]);
    expect(await givenUp((signal) => delay(1, "late", { signal }))).toEqual([]);
    expect(await givenUp(async () => "late")).toEqual([]);
  });

  test("since its client left without a word is nobody who failed", async () => {
    let settled = false;
    const { port, errors } = await serve<string>(echo, {
      authenticate: async (_request, { signal }) =>
        delay(LONG, "late", { signal }).finally(() => (settled = true)),
    });
    const client = await connectRaw(port);
    client.sendHandshake();
    client.end();
    await client.closed();
    expect(client.response?.status).toBe(400);
    expect(settled).toBe(true);
    expect(errors).toEqual([]);
  });

  test("since its client was reset, and that fails then, is told of", async () => {
    const failure = new Error("the database is away");
    let asked = false;
    const { port, errors } = await serve<string>(echo, {
      authenticate: async (_request, { signal }) => {
        asked = true;
        await once(signal, "abort");
        throw failure;
      },
    });
    const client = await connectRaw(port);
    client.sendHandshake();
    await eventually(() => asked);
    resetWithoutFin(client);
    await eventually(() => errors.length > 0);
    expect(errors).toEqual([failure]);
  });
});

describe("the time that authenticate has", () => {
  test("is not over while its answer waits to be read: what was there in time is looked at first", async () => {
    const stands = new Int32Array(new SharedArrayBuffer(4));
    const { port } = await serve<string>(echo, {
      handshakeTimeout: ms(100),
      authenticate: async () => {
        // Node's thread pool has it long before our loop can be told.
        const answer = promisify(randomBytes)(4);
        Atomics.wait(stands, 0, 0, ms(300));
        return (await answer).toString("hex");
      },
    });
    const client = await connectRaw(port);
    client.sendHandshake();
    await client.until(() => client.response !== undefined);
    expect(client.response!.status).toBe(101);
    client.destroy();
  });

  test("is some at least, however late the request was read: it may be our loop that stood", async () => {
    const { request, stream, socket, head } = await parsed(HANDSHAKE);
    const opened: unknown[] = [];
    const options = resolveOptions<string>({
      handshakeTimeout: 5_000,
      authenticate: () => delay(ms(10), "ada"),
    });
    const upgrades = new Upgrades<string>({
      options,
      closedBecause: () => undefined,
      open: (_accepted, { principal }) => void opened.push(principal),
      reportError: (error) => void opened.push(error),
      onUpgradeSettled: () => {},
    });
    const acceptedAt = performance.now() - 60_000;
    upgrades.handle(new Http1Handshake(request, stream, head, acceptedAt, new Refusals(() => {})));
    await socket.written(1);
    await eventually(() => opened.length > 0);
    expect(opened).toEqual(["ada"]);
    expect(String(socket.writes[0])).toMatch(/^HTTP\/1\.1 101 /);
  });
});

/** What an application may throw, or return where a name is asked for. */
const ODD: [what: string, make: () => unknown][] = [
  ["a string", () => "no idea"],
  ["null", () => null],
  ["undefined", () => undefined],
  ["a symbol", () => Symbol("no idea")],
  ["an object without a prototype", () => Object.create(null) as unknown],
  ["an object whose toString throws", () => ({ toString: throwing })],
  [
    "an object whose constructor cannot be read",
    () => Object.defineProperty({}, "constructor", { get: throwing }),
  ],
  [
    "an error whose properties cannot be read",
    () =>
      Object.defineProperties(new Error("odd"), {
        stack: { get: throwing },
        name: { get: throwing },
        cause: { get: throwing },
      }),
  ],
  ["a proxy that was revoked", revoked],
];

function throwing(): never {
  throw new Error("not to be looked at");
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** That it is the very value, without looking at it as `toEqual` would. */
function isIt(values: readonly unknown[], value: unknown): boolean {
  return values.length === 1 && Object.is(values[0], value);
}

describe.each(ODD)("%s", (_, make) => {
  const OFFER = { "Sec-WebSocket-Protocol": "chat" };

  async function statusFor(options: ServerOptions) {
    const { port, errors } = await serve<unknown>(echo, options);
    const client = await connectRaw(port, { headers: OFFER });
    client.sendHandshake();
    await client.closed();
    return { status: client.response?.status, errors };
  }

  test("that protocols throws is a 500, and reaches onError", async () => {
    const odd = make();
    const protocols = (): never => {
      throw odd;
    };
    const { status, errors } = await statusFor({ protocols });
    expect(status).toBe(500);
    expect(isIt(errors, odd)).toBe(true);
  });

  test("that authenticate throws is a 500, and reaches onError", async () => {
    const odd = make();
    const authenticate = (): never => {
      throw odd;
    };
    const { status, errors } = await statusFor({ authenticate });
    expect(status).toBe(500);
    expect(isIt(errors, odd)).toBe(true);
  });

  test("that protocols returns is a 500 unless it is undefined, and the error can be read", async () => {
    const odd = make();
    if (odd === undefined) return;
    const { status, errors } = await statusFor({ protocols: () => odd as string });
    expect(status).toBe(500);
    expect(errors).toMatchObject([{ code: "LASTCALL_PROTOCOL_NOT_OFFERED" }]);
  });

  test("that a handler, authenticate or onError throws does not end the process where nobody hears it", async () => {
    const heard: Error[] = [];
    const hear = (warning: Error): void => void heard.push(warning);
    process.on("warning", hear);
    onTestFinished(() => void process.off("warning", hear));
    const odd = make();
    const fail = (): never => {
      throw odd;
    };
    for (const onError of [undefined, fail]) {
      await statusFor({ onError, authenticate: fail });
      const { port } = await serve<unknown>(fail, { onError });
      const client = await connectRaw(port);
      client.sendHandshake();
      await client.closed();
      expect(client.close?.code).toBe(1011);
    }
    expect(heard.length).toBeGreaterThan(0);
  });
});
