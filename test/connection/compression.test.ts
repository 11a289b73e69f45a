/** permessage-deflate on real sockets: what is agreed on, what is compressed, and what cannot be inflated. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { deflateRawSync, InflateRaw } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import type { CompressionOptions, Handler } from "../../src/index.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { openRaw, type RawClient } from "../tools/raw-client.js";
import { eventually, gate, serve } from "../tools/serve.js";

const DEFLATE = "permessage-deflate";
const LONG = "the same words again and again; ".repeat(200);
const MIB = 1024 * 1024;

const echo: Handler = async (connection) => {
  for await (const message of connection) connection.send(message);
};

async function agree(
  extensions: string,
  compression: Partial<CompressionOptions> | boolean = true,
): Promise<RawClient> {
  const { port } = await serve(echo, { compression });
  return openRaw(port, { extensions });
}

function agreed(client: RawClient): string | undefined {
  return client.response!.headers["sec-websocket-extensions"];
}

describe("what is agreed on", () => {
  interface Negotiation {
    offer: string;
    compression?: Partial<CompressionOptions> | boolean;
    answer: string | undefined;
  }
  const cases: Negotiation[] = [
    { offer: "", answer: undefined },
    { offer: DEFLATE, compression: false, answer: undefined },
    { offer: DEFLATE, answer: DEFLATE },
    { offer: "x-unknown; a=1, permessage-deflate", answer: DEFLATE },
    { offer: "x-unknown", answer: undefined },
    { offer: `${DEFLATE}; client_max_window_bits`, answer: DEFLATE },
    {
      offer: `${DEFLATE}; server_no_context_takeover; client_no_context_takeover`,
      answer: `${DEFLATE}; server_no_context_takeover; client_no_context_takeover`,
    },
    { offer: `${DEFLATE}; server_max_window_bits=10`, answer: `${DEFLATE}; server_max_window_bits=10` },
    // zlib cannot compress for a window of 8 bits.
    { offer: `${DEFLATE}; server_max_window_bits=8`, answer: undefined },
    { offer: `${DEFLATE}; server_max_window_bits=8, ${DEFLATE}`, answer: DEFLATE },
    // RFC 7692 §7.1: what is not understood is declined, and the next offer looked at.
    { offer: `${DEFLATE}; server_max_window_bits=7`, answer: undefined },
    { offer: `${DEFLATE}; server_max_window_bits`, answer: undefined },
    { offer: `${DEFLATE}; server_max_window_bits=ten`, answer: undefined },
    { offer: `${DEFLATE}; server_max_window_bits=10; server_max_window_bits=11`, answer: undefined },
    { offer: `${DEFLATE}; unknown`, answer: undefined },
    { offer: `${DEFLATE}; unknown, ${DEFLATE}; client_no_context_takeover=1, ${DEFLATE}`, answer: DEFLATE },
    {
      offer: DEFLATE,
      compression: { serverNoContextTakeover: true, clientNoContextTakeover: true },
      answer: `${DEFLATE}; server_no_context_takeover; client_no_context_takeover`,
    },
    {
      offer: DEFLATE,
      compression: { serverMaxWindowBits: 12 },
      answer: `${DEFLATE}; server_max_window_bits=12`,
    },
    {
      offer: `${DEFLATE}; server_max_window_bits=10`,
      compression: { serverMaxWindowBits: 12 },
      answer: `${DEFLATE}; server_max_window_bits=10`,
    },
    {
      offer: `${DEFLATE}; server_max_window_bits=14`,
      compression: { serverMaxWindowBits: 12 },
      answer: `${DEFLATE}; server_max_window_bits=12`,
    },
    // A client's window can only be limited when it says that it understands that.
    { offer: DEFLATE, compression: { clientMaxWindowBits: 12 }, answer: undefined },
    {
      offer: `${DEFLATE}; client_max_window_bits`,
      compression: { clientMaxWindowBits: 12 },
      answer: `${DEFLATE}; client_max_window_bits=12`,
    },
    {
      offer: `${DEFLATE}; client_max_window_bits=10`,
      compression: { clientMaxWindowBits: 12 },
      answer: undefined,
    },
  ];

  test.for(cases)(
    "$offer, with compression $compression: $answer",
    async ({ offer, compression, answer }) => {
      const client = await agree(offer, compression ?? true);
      expect(agreed(client)).toBe(answer);
      // Whatever it was, both understand it.
      for (let round = 0; round < 3; round++) {
        if (answer === undefined) client.send(LONG + round);
        else client.sendCompressed(LONG + round);
        await client.received(round + 1);
      }
      expect(client.messages).toEqual([0, 1, 2].map((round) => LONG + round));
      expect(client.compressed.messages).toBe(answer === undefined ? 0 : 3);
      expect(client.violation).toBe(undefined);
    },
  );

  test("a header that cannot be read is refused with 400, unless extensions are not looked at", async () => {
    const { port } = await serve(echo, { compression: true });
    await expect(openRaw(port, { extensions: `${DEFLATE}; =` })).rejects.toThrow("the handshake failed: 400");
    const plain = await serve(echo);
    await openRaw(plain.port, { extensions: `${DEFLATE}; =` });
  });

  test("ws' own client, with its defaults, is compressed for and understood", async () => {
    const { port } = await serve(echo, { compression: true });
    const client = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: true });
    onTestFinished(() => client.terminate());
    await once(client, "open");
    expect(client.extensions).toBe(DEFLATE);
    const messages = [LONG, randomBytes(100_000).toString("hex"), "short", "ä€👋".repeat(5_000)];
    const replies: string[] = [];
    client.on("message", (data: Buffer) => replies.push(data.toString()));
    for (const message of messages) client.send(message);
    await eventually(() => replies.length === messages.length);
    expect(replies).toEqual(messages);
  });
});

describe("what is sent", () => {
  test("messages from the threshold on are compressed, shorter ones are not", async () => {
    const client = await agree(DEFLATE, { threshold: 100 });
    client.send("a".repeat(99));
    client.send("a".repeat(100));
    client.send(Buffer.alloc(100));
    await client.received(3);
    expect(client.messages).toEqual(["a".repeat(99), "a".repeat(100), Buffer.alloc(100)]);
    expect(client.compressed.messages).toBe(2);
  });

  test("by default the threshold is 1 KiB", async () => {
    const client = await agree(DEFLATE);
    client.send("a".repeat(1023));
    client.send("a".repeat(1024));
    await client.received(2);
    expect(client.compressed.messages).toBe(1);
  });

  test.for([false, true])(
    "a message like the one before is short only when the context is taken over: %s",
    async (serverNoContextTakeover) => {
      const client = await agree(DEFLATE, { serverNoContextTakeover });
      // It does not compress by itself, only against itself.
      const noise = randomBytes(8_000);
      const sizes: number[] = [];
      for (let round = 1; round <= 3; round++) {
        const before = client.compressed.bytes;
        client.send(noise);
        await client.received(round);
        sizes.push(client.compressed.bytes - before);
      }
      expect(sizes[0]).toBeGreaterThan(8_000);
      for (const size of sizes.slice(1)) {
        if (serverNoContextTakeover) expect(size).toBe(sizes[0]);
        else expect(size).toBeLessThan(200);
      }
      expect(client.messages.every((message) => noise.equals(message as Buffer))).toBe(true);
    },
  );

  test("nothing overtakes a message that is being compressed, and its bytes may be used again", async () => {
    const { port } = await serve(
      async (connection) => {
        const reused = Buffer.alloc(4_000, "a");
        connection.send(LONG.repeat(20));
        connection.send("short");
        connection.send(reused);
        reused.fill("b");
        void connection.ping();
        connection.send("last words");
      },
      { compression: true },
    );
    const client = await openRaw(port, { extensions: DEFLATE });
    await client.closed();
    expect(client.messages).toEqual([LONG.repeat(20), "short", Buffer.alloc(4_000, "a"), "last words"]);
    expect(client.log).toEqual(["message", "message", "message", "ping", "message", "close"]);
    expect(client.close).toEqual({ code: 1000, reason: "" });
    expect(client.ended).toBe("FIN");
  });

  test("what is being compressed counts as buffered until it is sent", async () => {
    const amounts: number[] = [];
    const { port } = await serve(
      async (connection) => {
        connection.send(LONG);
        connection.send("short");
        amounts.push(connection.bufferedAmount);
        await eventually(() => connection.bufferedAmount === 0);
        amounts.push(connection.bufferedAmount);
      },
      { compression: true },
    );
    const client = await openRaw(port, { extensions: DEFLATE });
    await client.closed();
    expect(client.messages).toEqual([LONG, "short"]);
    expect(amounts).toEqual([LONG.length + "short".length, 0]);
  });

  test("a broadcast is encoded once and not compressed, and keeps its place", async () => {
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) {
          connection.send(message);
          server.broadcast(LONG);
        }
      },
      { compression: true },
    );
    const compressing = await openRaw(port, { extensions: DEFLATE });
    const plain = await openRaw(port);
    compressing.send(`${LONG}!`);
    await Promise.all([compressing.received(2), plain.received(1)]);
    expect(compressing.messages).toEqual([`${LONG}!`, LONG]);
    expect(compressing.compressed.messages).toBe(1);
    expect(plain.messages).toEqual([LONG]);
  });
});

describe("what cannot be inflated", () => {
  const mask = Buffer.from([1, 2, 3, 4]);
  function compressedFrame(payload: Buffer): Buffer {
    return encodeFrame(Opcode.text, payload, { compressed: true, mask });
  }
  /** A compressed message for itself. */
  function deflated(data: string | Buffer): Buffer {
    // The empty block that ends it stands for the trailer that is not sent.
    return Buffer.concat([deflateRawSync(data), Buffer.from([0])]);
  }
  const BROKEN = Buffer.from([0xff, 0xff]);

  test.for([
    ["a bomb", deflated(Buffer.alloc(64 * MIB)), 1009, /^a message that inflates to over 1048576 bytes/],
    ["bytes that are no deflate", BROKEN, 1007, /^a compressed message that cannot be inflated$/],
    ["text that is not UTF-8", deflated(Buffer.from([0xff])), 1007, /^a text message that is not UTF-8$/],
  ] as const)(
    "%s closes when what came before is served, and nothing behind it is",
    async ([, payload, code, reason]) => {
      const started: string[] = [];
      const { server, port, errors } = await serve(
        async (connection) => {
          for await (const message of connection) {
            started.push(String(message));
            connection.send(`reply to ${message}`);
          }
        },
        { compression: true },
      );
      const bystander = await openRaw(port, { extensions: DEFLATE });
      const client = await openRaw(port, { extensions: DEFLATE });
      client.write(
        Buffer.concat([
          compressedFrame(deflated("one")),
          encodeFrame(Opcode.text, "two", { mask }),
          compressedFrame(payload),
          compressedFrame(deflated("three")),
          encodeFrame(Opcode.text, "four", { mask }),
        ]),
      );
      await client.closed();
      expect(started).toEqual(["one", "two"]);
      expect(client.messages).toEqual(["reply to one", "reply to two"]);
      expect(client.close).toEqual({ code, reason: expect.stringMatching(reason) as string });
      expect(client.ended).toBe("FIN");
      await eventually(() => server.connections.size === 1);
      bystander.sendCompressed("still here");
      await bystander.received(1);
      expect(bystander.messages).toEqual(["reply to still here"]);
      expect(errors).toEqual([]);
    },
  );

  test("a bomb costs no more memory than maxPayload", async () => {
    const { port } = await serve(echo, { compression: true });
    const bomb = compressedFrame(deflated(Buffer.alloc(256 * MIB)));
    const before = process.memoryUsage().rss;
    let highest = before;
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => openRaw(port, { extensions: DEFLATE })),
    );
    for (const client of clients) client.write(bomb);
    const watch = setInterval(() => (highest = Math.max(highest, process.memoryUsage().rss)), 5);
    await Promise.all(clients.map((client) => client.closed()));
    clearInterval(watch);
    expect(clients.map(({ close }) => close?.code)).toEqual(clients.map(() => 1009));
    // Ten times 256 MiB were asked for.
    expect(highest - before).toBeLessThan(200 * MIB);
  });
});

describe("what waits to be started", () => {
  test("is inflated only as far ahead as inboxLimit allows", async () => {
    const MESSAGES = 200;
    const SIZE = 100_000;
    let inflated = 0;
    const restore = countFlushes(() => inflated++);
    onTestFinished(restore);
    const go = gate();
    let served = 0;
    const { port } = await serve(
      async (connection) => {
        await go.passed;
        for await (const message of connection) {
          expect(message).toHaveLength(SIZE);
          served++;
        }
      },
      { compression: true, inboxLimit: { bytes: 1_000_000 } },
    );
    const client = await openRaw(port, { extensions: DEFLATE });
    for (let index = 0; index < MESSAGES; index++) client.sendCompressed(String(index % 10).repeat(SIZE));
    client.ping();
    // They are some 25 KB together: all of them are read, as the Pong says, and a twentieth of them inflated.
    await client.until(() => client.pongs.length === 1);
    await eventually(() => inflated >= 10);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(inflated).toBeLessThanOrEqual(11);
    go.open();
    await eventually(() => served === MESSAGES);
    // And a piece of nothing where no message followed at once.
    expect(inflated).toBeLessThanOrEqual(MESSAGES + 2);
  });

  test("is inflated by at most ten jobs at a time, however many connections there are", async () => {
    let running = 0;
    let most = 0;
    const restore = countFlushes(
      () => (most = Math.max(most, ++running)),
      () => running--,
    );
    onTestFinished(restore);
    const { port } = await serve(echo, { compression: { threshold: Infinity } });
    const clients = await Promise.all(
      Array.from({ length: 50 }, () => openRaw(port, { extensions: DEFLATE })),
    );
    const large = randomBytes(200_000);
    for (const client of clients) client.sendCompressed(large);
    await Promise.all(clients.map((client) => client.received(1)));
    await eventually(() => running === 0);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(10);
  });
});

/** Calls back when a zlib stream begins to inflate a message, and when it has. Returns what ends that. */
function countFlushes(onBegin: () => void, onEnd: () => void = () => {}): () => void {
  // oxlint-disable-next-line typescript/unbound-method -- called below with the stream as `this`
  const { flush } = InflateRaw.prototype;
  InflateRaw.prototype.flush = function (this: InflateRaw, ...args: unknown[]) {
    const callback = args.pop() as () => void;
    onBegin();
    return Reflect.apply(flush, this, [
      ...args,
      () => {
        onEnd();
        callback();
      },
    ]) as void;
  };
  return () => {
    InflateRaw.prototype.flush = flush;
  };
}
