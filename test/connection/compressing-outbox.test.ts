/** What waits to be compressed counts as what waits in the outbox: for the mark, the limit, and whoever asks. */
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CompressingOutbox } from "../../src/connection/compressing-outbox.js";
import type { OutboxLimits } from "../../src/connection/options.js";
import { encodeMessage } from "../../src/connection/encoded-message.js";
import { CompressionNegotiator, compressionDefaults } from "../../src/listen/compression-offer.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { PeerDeflate } from "../tools/peer-deflate.js";
import { eventually } from "../tools/serve.js";
import { decode } from "../wire/recording.js";
import { heldCompression, type HeldDeflate } from "./held-deflate.js";
import { framesTo, loneHandler, rest, written } from "./lone-endpoint.js";
import { loneOutbox, type LoneOutbox } from "./lone-outbox.js";

interface Compressing extends Omit<LoneOutbox, "outbox"> {
  outbox: CompressingOutbox;
  deflate: HeldDeflate;
  /** How many messages had yet to be compressed or passed on each time that one was compressed. */
  compressed: number[];
}

/** One that compresses messages of 10 bytes and more, each when the test says so. */
function compressing(limits?: Partial<OutboxLimits>): Compressing {
  const { deflate, compression } = heldCompression({ threshold: 10 });
  const lone = loneOutbox(limits);
  const compressed: number[] = [];
  const owner = { onCompressed: () => compressed.push(deflate.jobs) };
  return { ...lone, outbox: new CompressingOutbox(lone.outbox, owner, compression), deflate, compressed };
}

function hex(text: string): string {
  return Buffer.from(text).toString("hex");
}

const LONG = "l".repeat(100);
const DEFLATED = `compressed text ${hex("deflated 100")}`;
/** The same with its header. */
const DEFLATED_LENGTH = 2 + "deflated 100".length;

describe("what waits to be compressed", () => {
  test("counts in bytes and in messages, and as what it became once it is compressed", async () => {
    const { outbox, socket, deflate } = compressing();
    const stuck = socket.holdWrites();
    outbox.send(LONG);
    outbox.send("short");
    outbox.send(Buffer.alloc(50));
    outbox.sendEncoded(encodeMessage("x".repeat(20)));
    outbox.sendControl(encodeFrame(Opcode.ping, "ping"));
    await rest();
    expect(socket.writes).toEqual([]);
    expect([outbox.bufferedAmount, outbox.bufferedMessages]).toEqual([100 + 5 + 50 + 22 + 6, 4]);
    deflate.finish();
    await rest();
    expect([outbox.bufferedAmount, outbox.bufferedMessages]).toEqual([
      DEFLATED_LENGTH + (2 + 5) + 50 + 22 + 6,
      4,
    ]);
    deflate.finish();
    stuck.release();
    await rest();
    expect([outbox.bufferedAmount, outbox.bufferedMessages]).toEqual([0, 0]);
  });

  test("is counted in bytes of UTF-8", () => {
    const { outbox } = compressing();
    outbox.send("ä".repeat(50));
    expect(outbox.bufferedAmount).toBe(100);
  });

  test("reaches the mark before anything is compressed, and is told once each way", async () => {
    const { outbox, told, deflate } = compressing({ highWaterMark: 150 });
    outbox.send(LONG);
    expect(told).toEqual([]);
    outbox.send(LONG);
    expect(told).toEqual(["full"]);
    outbox.send(LONG);
    deflate.finish();
    await rest();
    // Two of them wait still.
    expect(told).toEqual(["full"]);
    deflate.finish();
    await rest();
    expect(told).toEqual(["full", "low"]);
    deflate.finish();
    await rest();
    expect([outbox.bufferedAmount, told]).toEqual([0, ["full", "low"]]);
  });

  test("never seems to be less on its way from here to the outbox", async () => {
    const { outbox, socket, told, deflate } = compressing({ highWaterMark: "deflated 100".length + 2 });
    const stuck = socket.holdWrites();
    outbox.send(LONG);
    deflate.finish();
    await rest();
    expect(told).toEqual(["full"]);
    stuck.release();
    await rest();
    expect(told).toEqual(["full", "low"]);
  });

  test("reaches the limit: nothing further is taken, short, long or encoded, until there is room", async () => {
    const { outbox, socket, deflate } = compressing({ outboxLimit: 200 });
    expect([outbox.send(LONG), outbox.send(LONG)]).toEqual([true, true]);
    expect([outbox.send(LONG), outbox.send("short")]).toEqual([false, false]);
    expect(outbox.sendEncoded(encodeMessage("encoded"))).toBe(false);
    expect([outbox.bufferedAmount, outbox.bufferedMessages]).toEqual([200, 2]);
    deflate.finish();
    expect(outbox.send("short")).toBe(true);
    deflate.finish();
    await rest();
    expect(framesTo(socket, true)).toEqual([DEFLATED, DEFLATED, "text short"]);
  });

  test("is waited for: it is sent when it was compressed and the kernel has it", async () => {
    const { outbox, deflate } = compressing();
    const sent: string[] = [];
    outbox.send(LONG);
    outbox.whenSent(() => sent.push("long"));
    outbox.send("short");
    outbox.whenSent(() => sent.push("short"));
    await rest();
    expect(sent).toEqual([]);
    deflate.finish();
    await rest();
    expect(sent).toEqual(["long", "short"]);
    outbox.send(LONG);
    outbox.whenSent((error) => sent.push(error!.message));
    outbox.fail(new Error("gone"));
    expect(sent.at(-1)).toBe("gone");
  });
});

describe("the order of what is sent", () => {
  test("is kept: all that comes behind a message waits for it, and FIN comes last", async () => {
    const { outbox, socket, deflate } = compressing();
    outbox.send("short");
    outbox.send(LONG);
    outbox.send("behind");
    outbox.send(LONG);
    outbox.sendEncoded(encodeMessage("encoded"));
    outbox.sendControl(encodeFrame(Opcode.close, Buffer.from([0x03, 0xe8])));
    outbox.end();
    expect(deflate.jobs).toBe(1);
    await rest();
    expect([framesTo(socket, true), outbox.isCompressing]).toEqual([["text short"], true]);
    deflate.finish();
    await rest();
    expect(framesTo(socket, true)).toEqual(["text short", DEFLATED, "text behind"]);
    deflate.finish();
    await socket.sentEnd();
    expect(outbox.isCompressing).toBe(false);
    expect(framesTo(socket, true).slice(3)).toEqual([DEFLATED, "text encoded", "close 1000 "]);
  });

  test("is that of who answers a Ping only for messages: a Pong goes ahead", async () => {
    const { outbox, socket, deflate } = compressing();
    outbox.send(LONG);
    outbox.sendPong(encodeFrame(Opcode.pong, "pong"));
    await rest();
    expect(framesTo(socket, true)).toEqual([`pong ${hex("pong")}`]);
    deflate.finish();
    await rest();
    expect(framesTo(socket, true)[1]).toBe(DEFLATED);
  });

  test("is kept when there is no time left: all goes out as it is at once, and what was compressed is dropped", async () => {
    const { outbox, socket, deflate } = compressing();
    outbox.send(LONG);
    outbox.send("behind");
    outbox.flushAndEnd();
    await socket.sentEnd();
    deflate.finish();
    await rest();
    expect(framesTo(socket, true)).toEqual([`text ${LONG}`, "text behind"]);
    expect([outbox.bufferedAmount, outbox.bufferedMessages]).toEqual([0, 0]);
  });

  test("goes on when a message is compressed, and that is told", () => {
    const { outbox, deflate, compressed } = compressing();
    outbox.send("short");
    outbox.send(LONG);
    outbox.send(LONG);
    expect(compressed).toEqual([]);
    deflate.finish();
    deflate.finish();
    expect(compressed).toEqual([1, 0]);
  });

  test("lets the sender use the bytes of a small message again, while it waits", async () => {
    const { outbox, socket, deflate } = compressing();
    outbox.send(LONG);
    const reused = Buffer.alloc(5, "a");
    outbox.send(reused);
    reused.fill("b");
    deflate.finish();
    await rest();
    expect(framesTo(socket, true)[1]).toBe(`binary ${hex("aaaaa")}`);
  });
});

test("a handler that sends large replies which do not compress is held back, for a client that does not read", async () => {
  const MESSAGE = 64 * 1024;
  const MESSAGES = 64;
  const agreed = new CompressionNegotiator({ ...compressionDefaults }, 2 ** 20).negotiate(
    "permessage-deflate",
  );
  if (agreed === undefined || agreed === "malformed") throw new Error("nothing was agreed on");
  let made = 0;
  let mostWaiting = 0;
  const { socket, peer, endpoint } = loneHandler(
    async (connection) => {
      for await (const _ of connection) {
        connection.send(randomBytes(MESSAGE));
        made++;
        // By what the socket has got, whatever is said to wait.
        const got = socket.writes.flat().reduce((sum, { length }) => sum + length, 0);
        mostWaiting = Math.max(mostWaiting, made * MESSAGE - got);
      }
    },
    { compression: agreed.compression },
  );
  const stuck = socket.holdWrites();
  peer.send(...Array<string>(MESSAGES).fill("another"));
  // The first reply is compressed, and with the socket.
  await socket.written(1);
  await rest();
  expect(endpoint.isCompressing).toBe(false);
  expect(made).toBeGreaterThanOrEqual(1);
  expect(mostWaiting).toBeLessThanOrEqual(512 * 1024);
  stuck.release();
  await eventually(() => made === MESSAGES && endpoint.bufferedAmount === 0);
  expect(mostWaiting).toBeLessThanOrEqual(512 * 1024);
  const client = new PeerDeflate(agreed.header);
  const lengths = decode([written(socket)], {
    maxPayload: 2 ** 30,
    masked: false,
    compression: true,
  }).flatMap((found) => (found.type === "compressed" ? [client.inflate(found.payload).length] : []));
  expect(lengths).toEqual(Array<number>(MESSAGES).fill(MESSAGE));
});
