import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { encodeMessage } from "../../src/connection/encoded-message.js";
import { MAX_WRITE, MIN_WRITE, Outbox } from "../../src/connection/outbox.js";
import { Decoder } from "../../src/wire/decoder.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { eventually } from "../tools/serve.js";

interface Seen {
  messages: (string | Buffer)[];
  pings: number;
  pongs: string[];
}

/** Two ends of a real TCP connection: an outbox on one, a decoder on the other. */
async function pair(): Promise<{
  outbox: Outbox;
  socket: Socket;
  peer: Socket;
  seen: Seen;
  writes: number[];
}> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [Socket];
  server.close();
  onTestFinished(() => {
    socket.destroy();
    peer.destroy();
  });

  const seen: Seen = { messages: [], pings: 0, pongs: [] };
  const decoder = new Decoder(
    {
      onMessage: (data) => void seen.messages.push(data),
      onCompressedMessage: () => expect.unreachable("nothing is compressed here"),
      onPing: () => void seen.pings++,
      onPong: (payload) => void seen.pongs.push(payload.toString()),
      onClose: () => {},
      onViolation: ({ explanation }) => expect.unreachable(explanation),
    },
    { maxPayload: 2 ** 30, maxFragments: 2 ** 20, masked: false, compression: false },
  );
  peer.on("data", (chunk: Buffer) => decoder.push(chunk));

  // Counts what really reaches the socket: bytes between one cork and uncork, or of one bare write.
  const writes: number[] = [];
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = (bytes: Buffer, ...rest: unknown[]) => {
    if (socket.writableCorked > 0) writes[writes.length - 1]! += bytes.length;
    else writes.push(bytes.length);
    return write(bytes, ...rest);
  };
  const cork = socket.cork.bind(socket);
  socket.cork = () => {
    writes.push(0);
    cork();
  };

  const outbox = new Outbox(
    socket,
    {
      onOutboxFull: () => {},
      onOutboxLow: () => {},
      onWritten: () => {},
      onBytesGone: () => expect.unreachable(),
    },
    { highWaterMark: 64 * 1024, outboxLimit: Infinity },
  );
  return { outbox, socket, peer, seen, writes };
}

function digest(message: string | Buffer): string {
  return `${typeof message} ${createHash("sha1").update(message).digest("hex")}`;
}

describe("an outbox", () => {
  test("sends all that a turn of the event loop has made as one write", async () => {
    const { outbox, seen, writes } = await pair();
    for (let index = 0; index < 1000; index++) outbox.send(`message ${index}`);
    await Promise.resolve().then(() => outbox.send("from a microtask"));
    await eventually(() => seen.messages.length === 1001);
    expect(writes).toHaveLength(1);
    expect(seen.messages.at(-1)).toBe("from a microtask");
  });

  test("keeps the order of small, large, text and binary messages, between connections that share the slab", async () => {
    const pairs = await Promise.all([pair(), pair()]);
    const sent: (string | Buffer)[] = [];
    for (let index = 0; index < 300; index++) {
      const length = (index * 7919) % 20_000;
      const message = index % 2 === 0 ? Buffer.alloc(length, index) : "ä".repeat(length);
      sent.push(message);
      for (const { outbox } of pairs) outbox.send(message);
    }
    for (const { seen } of pairs) {
      await eventually(() => seen.messages.length === sent.length);
      // Not toEqual: it compares bytes one by one.
      expect(seen.messages.map(digest)).toEqual(sent.map(digest));
    }
  });

  test("hands the socket at most 256 KiB at a time", async () => {
    const { outbox, seen, writes } = await pair();
    outbox.send(Buffer.alloc(5 * 1024 * 1024, 1));
    for (let index = 0; index < 100; index++) outbox.send(Buffer.alloc(9000, 2));
    outbox.sendEncoded(encodeMessage("x".repeat(1024 * 1024)));
    await eventually(() => seen.messages.length === 102);
    expect(Math.max(...writes)).toBeLessThanOrEqual(MAX_WRITE);
    expect(outbox.bufferedAmount).toBe(0);
    expect(outbox.bufferedMessages).toBe(0);
  });

  test("sends a message as one frame, however large it is", async () => {
    const { outbox, seen, peer } = await pair();
    let first: Buffer | undefined;
    peer.once("data", (chunk: Buffer) => (first = chunk.subarray(0, 10)));
    outbox.send(Buffer.alloc(4 * 1024 * 1024));
    await eventually(() => seen.messages.length === 1);
    expect(first!.readUInt8(0)).toBe(0x80 | Opcode.binary);
    expect(first!.readBigUInt64BE(2)).toBe(BigInt(4 * 1024 * 1024));
    expect(seen.pings).toBe(0);
  });

  test("hands a socket little while it is behind, and more while it keeps up", async () => {
    const { outbox, peer, seen, writes } = await pair();
    outbox.send(Buffer.alloc(400 * 1024));
    await eventually(() => seen.messages.length === 1);
    expect(writes.slice(0, 2)).toEqual([MIN_WRITE, 2 * MIN_WRITE]);
    peer.pause();
    outbox.send(Buffer.alloc(16 * 1024 * 1024));
    await eventually(() => outbox.bufferedAmount < 16 * 1024 * 1024);
    writes.length = 0;
    peer.resume();
    await eventually(() => seen.messages.length === 2);
    expect(writes[0]).toBe(MIN_WRITE);
  });

  test("keeps 4 KiB of Pongs while a frame is partly sent, and the latest of the rest", async () => {
    const { outbox, peer, seen } = await pair();
    peer.pause();
    outbox.send(Buffer.alloc(16 * 1024 * 1024));
    outbox.send("behind");
    await eventually(() => outbox.bufferedAmount < 16 * 1024 * 1024);
    for (let index = 0; index < 10_000; index++) outbox.sendPong(encodeFrame(Opcode.pong, String(index)));
    peer.resume();
    await eventually(() => seen.messages.length === 2);
    const numbers = seen.pongs.map(Number);
    const inOrder = Array.from({ length: numbers.length - 1 }, (_, index) => index);
    expect(numbers).toEqual([...inOrder, 9_999]);
    expect(numbers.length).toBeGreaterThan(600);
    expect(numbers.length).toBeLessThan(2_000);
  });

  test("counts what the kernel has not taken, in bytes and in messages", async () => {
    const { outbox, peer, seen } = await pair();
    peer.pause();
    for (let index = 0; index < 100; index++) outbox.send(Buffer.alloc(200 * 1024));
    for (let index = 0; index < 100; index++) outbox.send("small");
    let before = -1;
    await eventually(() => {
      const same = outbox.bufferedAmount === before;
      before = outbox.bufferedAmount;
      return same;
    });
    expect(outbox.bufferedAmount).toBeGreaterThan(1024 * 1024);
    expect(outbox.bufferedMessages).toBeGreaterThan(100);
    expect(outbox.bufferedMessages).toBeLessThan(200);
    peer.resume();
    await eventually(() => seen.messages.length === 200);
    await eventually(() => outbox.bufferedAmount === 0);
    expect(outbox.bufferedMessages).toBe(0);
  });

  test("sends FIN behind everything, also when all is handed over at once", async () => {
    for (const end of ["end", "flushAndEnd"] as const) {
      const { outbox, peer, seen } = await pair();
      outbox.send(Buffer.alloc(2 * 1024 * 1024));
      outbox.send("last");
      outbox[end]();
      await once(peer, "end");
      expect(seen.messages).toHaveLength(2);
      await eventually(() => outbox.bufferedAmount === 0);
      expect(outbox.bufferedMessages).toBe(0);
    }
  });
});
