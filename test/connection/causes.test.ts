/** Why a connection ended, on real sockets: each kind of end by its word, wherever it is told. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { onTestFinished, describe, expect, test } from "vitest";
import type {
  Connection,
  ConnectionClosed,
  ConnectionEvent,
  Server,
  ServerOptions,
} from "../../src/index.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { openRaw, type RawClient } from "../tools/raw-client.js";
import { serve } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";

interface Scene {
  connection: Connection;
  client: RawClient;
  server: Server;
}

/** What the connections of a test were published to have ended with. */
function published(): ConnectionClosed[] {
  const told: ConnectionClosed[] = [];
  const listen = (event: unknown): void => {
    const happened = event as ConnectionEvent;
    if (happened.event === "closed") told.push(happened.closed);
  };
  subscribe("lastcall:connection", listen);
  onTestFinished(() => {
    unsubscribe("lastcall:connection", listen);
  });
  return told;
}

/** A connection with a handler that reads until its input ends, unless it is told to return or throw. */
async function scene(options: ServerOptions = {}): Promise<Scene> {
  let connection: Connection | undefined;
  const { server, port } = await serve(async (opened) => {
    connection = opened;
    for await (const message of opened) {
      if (message === "return") return;
      if (message === "throw") throw new Error("told to");
    }
  }, options);
  const client = await openRaw(port, { answersPing: false });
  return { connection: connection!, client, server };
}

interface End {
  end: (scene: Scene) => unknown;
  cause: ConnectionClosed["cause"];
  detail?: string | RegExp;
  options?: ServerOptions;
}

const mask = Buffer.from([1, 2, 3, 4]);
const frame = (payload: Buffer | string, opcode: number = Opcode.text): Buffer =>
  encodeFrame(opcode as Opcode, payload, { mask });

/** Sends to a client that does not read, until so many bytes wait that the kernel does not take, or `send` refuses. */
async function flood({ connection, client }: Scene, bytes = Infinity): Promise<void> {
  client.socket.pause();
  while (connection.bufferedAmount < bytes && connection.send(Buffer.alloc(256 * 1024))) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const ends: Record<string, End> = {
  "a message over the limit": {
    options: { maxPayload: 10 },
    end: ({ client }) => client.send("more than ten bytes"),
    cause: "message-too-big",
    detail: /10/,
  },
  "a broken frame": {
    end: ({ client }) => client.write(Buffer.from([0x71, 0x80, 1, 2, 3, 4])),
    cause: "protocol-error",
    detail: /./,
  },
  "text that is not UTF-8": {
    end: ({ client }) => client.write(frame(Buffer.from([0xff]))),
    cause: "invalid-payload",
    detail: /UTF-8/,
  },
  "a client that does not read": {
    options: { outboxLimit: 1024 * 1024 },
    end: flood,
    cause: "slow-consumer",
    detail: /outboxLimit is 1048576/,
  },
  "a client that shows no life": {
    options: { heartbeat: { interval: ms(50), timeout: ms(50) } },
    end: () => {},
    cause: "heartbeat",
    detail: /100 ms/,
  },
  "a reset": { end: ({ client }) => client.reset(), cause: "reset", detail: "ECONNRESET" },
  "a FIN": { end: ({ client }) => client.end(), cause: "client-left" },
  "the client's Close": { end: ({ client }) => client.sendClose(1001), cause: "client-closed" },
  "the application's close()": { end: ({ connection }) => connection.close(), cause: "closed" },
  "the handler's return": { end: ({ client }) => client.send("return"), cause: "returned" },
  "the handler's failure": { end: ({ client }) => client.send("throw"), cause: "failed" },
  "a shutdown": { end: ({ server }) => void server.shutdown(), cause: "shutdown" },
  "a forced stop": { end: ({ server }) => void server.close(), cause: "forced" },
};

describe("the cause of an end is told by `closed`, by the signal and by what is published", () => {
  test.for(Object.entries(ends))("%s", async ([, { end, cause, detail = "", options }]) => {
    const told = published();
    const happening = await scene(options);
    const { connection, client } = happening;
    const { signal } = connection;
    await end(happening);
    const closed = await connection.closed;
    expect(closed.cause).toBe(cause);
    if (typeof detail === "string") expect(closed.detail).toBe(detail);
    else expect(closed.detail).toMatch(detail);
    expect(signal.reason).toMatchObject({ code: "LASTCALL_CONNECTION_GONE", cause });
    expect(told).toEqual([closed]);
    client.destroy();
  });
});

describe("a slow consumer", () => {
  test("that begins to read gets all that send() took, and then a Close that says so", async () => {
    const happening = await scene({ outboxLimit: 1024 * 1024 });
    const { connection, client } = happening;
    client.socket.pause();
    let taken = 0;
    while (connection.send(Buffer.alloc(1024 * 1024))) taken++;
    client.socket.resume();
    await client.closed();
    expect(client.messages.length).toBe(taken);
    expect(client.close).toEqual({ code: 1008, reason: "reads too slowly" });
    expect(await connection.closed).toMatchObject({ code: 1008, wasClean: true, cause: "slow-consumer" });
  });

  test("that reads nothing is gone within five seconds", async () => {
    const happening = await scene({ outboxLimit: 1024 * 1024 });
    await flood(happening);
    const startedAt = performance.now();
    await happening.connection.closed;
    expect(performance.now() - startedAt).toBeLessThan(bound(5_000));
    happening.client.destroy();
  });
});

test("the report says the cause of each end that was not clean, in its lines as well", async () => {
  const happening = await scene();
  const { server, connection, client } = happening;
  await flood(happening, 1024 * 1024);
  const report = await server.shutdown({ closeTimeout: ms(100) });
  expect(report.troubled).toMatchObject([{ id: connection.id, reason: "unsent", cause: "stalled" }]);
  expect(String(report)).toMatch(/its peer did not read \(\d+ bytes unsent\); cause: stalled$/m);
  client.destroy();
});
