import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/base/clock.js";
import { Channel, type ChannelOwner } from "../../src/connection/channel.js";
import { defaults } from "../../src/index.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { MemorySocket } from "../tools/memory-socket.js";
import { closePayload, rawFrame, rawFrames, type RawFrame } from "../wire/raw-frame.js";
import { SERVER_OPTIONS } from "../wire/recording.js";
import { heldCompression } from "./held-deflate.js";
import { framesTo, rest, written } from "./lone-endpoint.js";

interface Opened {
  channel: Channel;
  socket: MemorySocket;
  /** What its owner was told, in order. */
  told: string[];
  receive: (...frames: RawFrame[]) => void;
}

const { inboxLimit, highWaterMark } = defaults;
const options = { decoding: SERVER_OPTIONS, inboxLimit, highWaterMark, outboxLimit: Infinity };

/** A channel on a socket in memory that reads, and writes down what it tells. */
function open({
  head = Buffer.alloc(0),
  compressed = false,
}: { head?: Buffer; compressed?: boolean } = {}): Opened {
  const socket = new MemorySocket({ allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  const told: string[] = [];
  const tell =
    (what: string) =>
    (...details: unknown[]): void =>
      void told.push(
        [what, ...details.map((one) => (one instanceof Error ? one.message : String(one)))].join(" ").trim(),
      );
  const owner: ChannelOwner = {
    clock: systemClock,
    options,
    onMessage: tell("message"),
    onCompressedMessage: tell("compressed"),
    onPing: tell("ping"),
    onPong: () => {},
    onPingAnswered: tell("answered"),
    onPeerClose: tell("close"),
    onViolation: ({ violated }) => told.push(`violation ${violated}`),
    onRead: tell("read"),
    onPeerEnd: tell("end"),
    onSocketClosed: (error) => told.push(error === undefined ? "gone" : `gone: ${error.message}`),
    onOutboxFull: tell("full"),
    onOutboxLow: tell("low"),
    onWritten: () => {},
    onCompressed: () => {},
    onBytesGone: tell("bytes gone"),
  };
  const channel = new Channel(socket, owner, compressed ? heldCompression().compression : undefined);
  channel.start(head);
  return { channel, socket, told, receive: (...frames) => socket.receive(rawFrames(...frames)) };
}

const text = (payload: string): RawFrame => ({ opcode: Opcode.text, payload });

function numbered(...numbers: number[]): Buffer {
  return Buffer.concat(
    numbers.map((number) => {
      const payload = Buffer.alloc(4);
      payload.writeUInt32BE(number);
      return payload;
    }),
  );
}

const pong = (...numbers: number[]): RawFrame => ({ opcode: Opcode.pong, payload: numbered(...numbers) });

describe("what comes in", () => {
  test("is told in the order of the stream, and then that a chunk was read", async () => {
    const { told, receive, socket, channel } = open();
    receive(text("one"), { opcode: Opcode.ping, payload: "you" }, text("two"));
    await rest();
    expect(told).toEqual(["message one", "ping you", "message two", "read"]);
    expect(framesTo(socket)).toEqual([`pong ${Buffer.from("you").toString("hex")}`]);
    expect(channel.atBoundary).toBe(true);
    receive({ opcode: Opcode.text, payload: "part", final: false });
    await rest();
    expect([told.at(-1), channel.atBoundary]).toEqual(["read", false]);
  });

  test("begins with what came behind the handshake", () => {
    const { told } = open({ head: rawFrame(text("early")) });
    expect(told).toEqual(["message early", "read"]);
  });

  test("is told as compressed where that was agreed on, and else as what breaks the protocol", async () => {
    for (const [compressed, expected] of [
      [true, "compressed squeezed true"],
      [false, "violation 1002"],
    ] as const) {
      const { told, receive } = open({ compressed });
      receive({ ...text("squeezed"), reserved: 0x40 });
      await rest();
      expect(told).toEqual([expected, "read"]);
    }
  });

  test("ends with the peer's Close: what follows is not decoded, and its FIN is told", async () => {
    const { told, receive, socket } = open();
    receive({ opcode: Opcode.close, payload: closePayload(1001, "bye") }, text("behind"));
    await rest();
    receive(text("later"));
    socket.receiveEnd();
    await rest();
    expect(told).toEqual(["close 1001 bye", "read", "read", "end"]);
  });

  test("is decoded no more when its owner says that it is broken, and is read on", async () => {
    const { told, receive, channel } = open();
    channel.endDecoding();
    receive(text("one"));
    await rest();
    expect(told).toEqual(["read"]);
  });

  test("ends once with the socket, and says what it died of", async () => {
    const { told, socket } = open();
    socket.destroy(new Error("reset"));
    await rest();
    expect(told).toEqual(["gone: reset"]);
    const calm = open();
    calm.channel.destroy();
    await rest();
    expect(calm.told).toEqual(["gone"]);
  });
});

describe("reading", () => {
  test("stops at once and goes on in the next turn, unless it is stopped again before", async () => {
    const { channel, socket } = open();
    await rest();
    channel.pause();
    expect(socket.isPaused()).toBe(true);
    channel.resume();
    expect(socket.isPaused()).toBe(true);
    await rest();
    expect(socket.isPaused()).toBe(false);
    channel.pause();
    channel.resume();
    channel.pause();
    await rest();
    expect(socket.isPaused()).toBe(true);
  });

  test("begins also on a socket that was stopped while it waited to be let in", async () => {
    const socket = new MemorySocket();
    onTestFinished(() => void socket.destroy());
    socket.pause();
    const owner = { clock: systemClock, options } as ChannelOwner;
    new Channel(socket, owner, undefined).start(Buffer.alloc(0));
    expect(socket.isPaused()).toBe(false);
    socket.removeAllListeners();
  });
});

describe("Pings", () => {
  test("carry numbers that rise, and a Pong for one is told with its number", async () => {
    const { channel, socket, told, receive } = open();
    expect([channel.ping(), channel.ping(), channel.ping()]).toEqual([1, 2, 3]);
    receive(pong(2), pong(3));
    await rest();
    expect(framesTo(socket)).toEqual(["ping 00000001", "ping 00000002", "ping 00000003"]);
    expect(told).toEqual(["answered 2", "answered 3", "read"]);
  });

  test("are not answered by Pongs that answer none of them", async () => {
    const { channel, told, receive } = open();
    channel.ping();
    receive(pong(0), pong(2), pong(), { opcode: Opcode.pong, payload: "unasked for" });
    await rest();
    expect(told).toEqual(["read"]);
  });

  test("of ours are none that nobody asked for, however much is sent", async () => {
    const { channel, socket } = open();
    channel.send(Buffer.alloc(1024 * 1024));
    for (let index = 0; index < 1_000; index++) channel.send(Buffer.alloc(1_000));
    await rest();
    expect(framesTo(socket)).toHaveLength(1_001);
    expect(framesTo(socket).filter((frame) => frame.startsWith("ping"))).toEqual([]);
  });

  test("of the peer are answered one by one and in order", async () => {
    const { socket, receive } = open();
    const payloads = Array.from({ length: 20 }, (_, index) => `number ${index}`);
    receive(...payloads.map((payload) => ({ opcode: Opcode.ping, payload })));
    await rest();
    expect(framesTo(socket)).toEqual(
      payloads.map((payload) => `pong ${Buffer.from(payload).toString("hex")}`),
    );
  });
});

describe("the end of what goes out", () => {
  test("is our Close: behind it goes neither a second one, nor a Ping, nor a Pong", async () => {
    const { channel, socket, receive, told } = open();
    channel.send("last words");
    channel.ping();
    channel.close(1012, "later");
    channel.close(1000, "");
    expect([channel.closeSent, channel.ping()]).toEqual([true, 1]);
    receive({ opcode: Opcode.ping, payload: "you" });
    await rest();
    channel.end();
    await socket.sentEnd();
    // As bytes: behind a Close nothing is decoded.
    expect(written(socket)).toEqual(
      Buffer.concat([
        encodeFrame(Opcode.text, "last words"),
        encodeFrame(Opcode.ping, numbered(1)),
        encodeFrame(Opcode.close, closePayload(1012, "later")),
      ]),
    );
    expect(told).toEqual(["ping you", "read"]);
  });

  test("is FIN without Close when all is flushed, and nothing is sent for a Ping any more", async () => {
    const { channel, socket, receive } = open();
    channel.send("last words");
    channel.flushAndEnd();
    expect([channel.closeSent, channel.ping()]).toEqual([true, 0]);
    channel.close(1000, "");
    receive({ opcode: Opcode.ping, payload: "you" });
    await socket.sentEnd();
    expect(framesTo(socket)).toEqual(["text last words"]);
  });

  test("fails who waits for what was sent", async () => {
    const { channel } = open();
    const told: unknown[] = [];
    const error = new Error("gone");
    channel.failWaiting(error);
    channel.send("message");
    channel.whenSent((given) => told.push(given));
    channel.destroy();
    channel.failWaiting(error);
    expect(told).toEqual([error]);
  });
});

test("nothing waits on a channel that has sent nothing, and nothing of it is compressed", () => {
  const { channel } = open();
  expect([channel.bufferedAmount, channel.bufferedMessages, channel.isCompressing]).toEqual([0, 0, false]);
  channel.send("x".repeat(20));
  expect([channel.bufferedAmount, channel.bufferedMessages, channel.isCompressing]).toEqual([22, 1, false]);
  const compressing = open({ compressed: true });
  compressing.channel.send("x".repeat(20));
  expect([compressing.channel.bufferedMessages, compressing.channel.isCompressing]).toEqual([1, true]);
});
