/** What an idle connection keeps of the messages that it has had: nothing. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { Forked } from "../tools/fork.js";
import { heldCompression } from "./held-deflate.js";

type ServerEvent = { heapUsed: number; arrayBuffers: number } & (
  | { event: "listening"; port: number }
  | { event: "memory" }
);

const KIB = 1024;
const MIB = 1024 * KIB;
const CONNECTIONS = 10;
const SIZE = MIB;

const binary = randomBytes(SIZE);
const text = binary.toString("latin1").replaceAll(/[^a-z]/g, "é");

/** Sends a message, perhaps in so many fragments. */
function send(client: WebSocket, message: string | Buffer, fragments: number): void {
  const length = Math.ceil(message.length / fragments);
  for (let start = 0; start < message.length; start += length) {
    client.send(message.slice(start, start + length), { fin: start + length >= message.length });
  }
}

/** Opens a connection, and has one message echoed. */
async function echo(
  port: number,
  message: string | Buffer,
  fragments: number,
  compressed: boolean,
): Promise<void> {
  const client = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: compressed });
  onTestFinished(() => client.terminate());
  await once(client, "open");
  send(client, message, fragments);
  const [reply] = (await once(client, "message")) as [Buffer];
  expect(reply.length).toBe(Buffer.byteLength(message));
}

describe("an idle connection", () => {
  const kinds = [
    { kind: "a large binary message", message: binary, fragments: 1, compressed: false },
    { kind: "a large text", message: text, fragments: 1, compressed: false },
    { kind: "a message in 3 fragments", message: binary, fragments: 3, compressed: false },
    { kind: "a message in 1 024 fragments", message: binary, fragments: 1024, compressed: false },
    { kind: "a text in 1 024 fragments", message: text, fragments: 1024, compressed: false },
    { kind: "a small message", message: "small", fragments: 1, compressed: false },
    { kind: "a large message, compressed", message: binary, fragments: 1, compressed: true },
    { kind: "a large text, compressed", message: text, fragments: 1, compressed: true },
    { kind: "a message in 64 fragments, compressed", message: binary, fragments: 64, compressed: true },
  ];
  it.each(kinds)("keeps nothing after $kind", async ({ message, fragments, compressed }) => {
    const { buffers, heap } = await heldAfter("each", message, fragments, compressed);
    // A buffer of 16 KiB for each direction is zlib's; from Node 24 on each may be a part of 64 that it keeps alive.
    expect(buffers).toBeLessThan(compressed ? 160 * KIB : 8 * KIB);
    // The connections themselves, and what the code has made of itself meanwhile.
    expect(heap).toBeLessThan(150 * KIB);
  });

  it("costs no more where it might have 4 096 messages in hand", async () => {
    const { heap } = await heldAfter("many", "small", 1, false);
    expect(heap).toBeLessThan(150 * KIB);
  });

  it("keeps nothing with a handler that takes one message in each call, as docs/recipes.md shows", async () => {
    const steps = await heldAfter("steps", binary, 1, false);
    expect(steps.buffers).toBeLessThan(8 * KIB);
    // What a loop keeps is V8's to say: it is told, and held to nothing.
    const loop = await heldAfter("loop", binary, 1, false);
    const kept = (bytes: number): string => `${(bytes / KIB).toFixed(1)} KiB of buffers`;
    console.info(
      `after a message of 1 MiB: ${kept(loop.buffers)} with a loop, ${kept(steps.buffers)} without`,
    );
  });
});

/** Bytes that each connection holds when it has had its one message. */
async function heldAfter(
  handler: "each" | "many" | "loop" | "steps",
  message: string | Buffer,
  fragments: number,
  compression: boolean,
): Promise<{ buffers: number; heap: number }> {
  const server = new Forked<ServerEvent>("idle-memory.mjs", { handler, compression });
  const before = await server.tells("listening");
  for (let count = 0; count < CONNECTIONS; count++) await echo(before.port, message, fragments, compression);
  server.write("memory?\n");
  const after = await server.tells("memory");
  return {
    buffers: (after.arrayBuffers - before.arrayBuffers) / CONNECTIONS,
    heap: (after.heapUsed - before.heapUsed) / CONNECTIONS,
  };
}

describe("inflating", () => {
  const LARGE = Buffer.alloc(100 * KIB, "x");

  it("makes `ws` let go of a large message, and has the next one wait for that", () => {
    const { deflate, compression } = heldCompression();
    const done: string[] = [];
    const inflate = (payload: Buffer): void =>
      compression.inflate(payload, false, (message) => done.push(String((message as Buffer).length)));
    inflate(LARGE);
    deflate.finish();
    // The message is there, and a piece of nothing on its way.
    expect([done, deflate.jobs]).toEqual([["102409"], 1]);
    inflate(Buffer.alloc(4, "next"));
    expect([done, deflate.jobs]).toEqual([["102409"], 1]);
    deflate.finish();
    deflate.finish();
    expect([done, deflate.jobs]).toEqual([["102409", "13"], 0]);
  });

  it("needs no piece of nothing where another message follows, or zlib's memory is given back", () => {
    const { deflate, compression } = heldCompression();
    compression.inflate(LARGE, false, () => compression.inflate(Buffer.alloc(4, "next"), false, () => {}));
    deflate.finish();
    expect(deflate.jobs).toBe(1);
    deflate.finish();
    compression.release();
    compression.inflate(LARGE, false, () => {});
    deflate.finish();
    expect(deflate.jobs).toBe(0);
  });
});
