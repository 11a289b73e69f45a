/** Payloads of over 8 KiB are not copied: what happens when their sender takes them away before they are sent. */
import { describe, expect, test } from "vitest";
import { CompressingOutbox } from "../../src/connection/compressing-outbox.js";
import { encodeMessage } from "../../src/connection/encoded-message.js";
import { MIN_WRITE } from "../../src/connection/outbox.js";
import { heldCompression } from "./held-deflate.js";
import { framesTo, loneHandler, rest, written } from "./lone-endpoint.js";
import { loneOutbox } from "./lone-outbox.js";
import { pair } from "./pair.js";
import { openRaw } from "../tools/raw-client.js";
import { eventually, serve } from "../tools/serve.js";

const LARGE = 9_000;
const HEADER = 4;

/** As it is when it was transferred: to a worker, for one. */
function transfer(bytes: Uint8Array): void {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
  expect(bytes.length).toBe(0);
}

interface Resizable extends ArrayBuffer {
  resize(length: number): void;
}

function resizable(length: number, maxByteLength = 2 * LARGE): Resizable {
  const options = { maxByteLength };
  return new (ArrayBuffer as unknown as new (length: number, options: object) => Resizable)(length, options);
}

/** A message as it has to be on the wire, whatever has become of its memory. */
const SENT = `binary ${"00".repeat(LARGE)}`;

describe("a message whose bytes were transferred before they are sent", () => {
  test("is not begun: what came before it is sent whole, and nothing behind it", async () => {
    const { outbox, socket, told } = loneOutbox({ outboxLimit: Infinity });
    const bytes = new Uint8Array(LARGE);
    outbox.send("before");
    outbox.send(bytes);
    outbox.send("behind");
    transfer(bytes);
    await rest();
    expect(framesTo(socket)).toEqual(["text before"]);
    expect(told.filter((what) => what === "bytes gone")).toHaveLength(1);
    // None of it is taken for sent.
    expect([outbox.bufferedMessages, outbox.bufferedAmount]).toEqual([2, HEADER + LARGE + 8]);
  });

  test("ends in the middle when it was begun", async () => {
    const { outbox, socket, told } = loneOutbox({ outboxLimit: Infinity });
    const stuck = socket.holdWrites();
    const bytes = new Uint8Array(3 * MIN_WRITE);
    outbox.send(bytes);
    outbox.send("behind");
    await rest();
    transfer(bytes);
    expect(told).not.toContain("bytes gone");
    stuck.take();
    await rest();
    expect(told).toContain("bytes gone");
    expect([socket.writes.length, outbox.bufferedMessages]).toEqual([1, 2]);
  });

  test("is gone for all to whom it was to be sent, and for each of them it is told", async () => {
    const bytes = new Uint8Array(LARGE);
    const message = encodeMessage(bytes);
    const outboxes = [loneOutbox(), loneOutbox()];
    for (const { outbox } of outboxes) outbox.sendEncoded(message);
    transfer(bytes);
    await rest();
    for (const { told, socket } of outboxes) expect([told.at(-1), socket.writes]).toEqual(["bytes gone", []]);
  });

  test("is not sent in a forced stop either, and told", async () => {
    const { outbox, socket, told } = loneOutbox({ outboxLimit: Infinity });
    const bytes = new Uint8Array(LARGE);
    outbox.send("before");
    outbox.send(bytes);
    outbox.send("behind");
    transfer(bytes);
    outbox.flushAndEnd();
    await rest();
    expect(framesTo(socket)).toEqual(["text before"]);
    expect([told.at(-1), outbox.bufferedMessages >= 2]).toEqual(["bytes gone", true]);
  });

  test.for(["while it is compressed", "while it waits for the compressor"])(
    "is not taken for an empty one when that happens %s",
    async (when) => {
      const { deflate, compression } = heldCompression();
      const { outbox: inner, socket, told } = loneOutbox({ outboxLimit: Infinity });
      const outbox = new CompressingOutbox(inner, { onCompressed: () => {} }, compression);
      const bytes = new Uint8Array(LARGE);
      if (when !== "while it is compressed") outbox.send("one that is compressed before it");
      outbox.send(bytes);
      outbox.send("behind it, long enough to be compressed");
      transfer(bytes);
      while (deflate.jobs > 0) deflate.finish();
      await rest();
      expect(framesTo(socket, true)).toHaveLength(when === "while it is compressed" ? 0 : 1);
      expect(told.at(-1)).toBe("bytes gone");
    },
  );

  test("is not taken for an empty one in a forced stop, while it waits for the compressor", async () => {
    const { compression } = heldCompression();
    const { outbox: inner, socket, told } = loneOutbox({ outboxLimit: Infinity });
    const outbox = new CompressingOutbox(inner, { onCompressed: () => {} }, compression);
    const bytes = new Uint8Array(LARGE);
    outbox.send(bytes);
    transfer(bytes);
    outbox.flushAndEnd();
    await rest();
    expect([written(socket).length, told.at(-1)]).toEqual([0, "bytes gone"]);
  });

  test("ends its connection, and `onError` is told why", async () => {
    const bytes = new Uint8Array(LARGE);
    const { endpoint, socket, errors, tally } = loneHandler(() => new Promise(() => {}));
    const { connection } = endpoint.consumer;
    const { closed } = connection;
    connection.send(bytes);
    transfer(bytes);
    await rest();
    expect(socket.destroyed).toBe(true);
    expect(errors).toEqual([expect.objectContaining({ code: "LASTCALL_BYTES_GONE" })]);
    expect(await closed).toMatchObject({ code: 1006, cause: "failed" });
    expect(tally.undelivered).toBe(1);
  });

  test("takes nothing from its client of what was sent before", async () => {
    const errors: unknown[] = [];
    const { client, connection } = await pair({ onError: (error) => errors.push(error) });
    const bytes = new Uint8Array(1_000_000);
    connection.send("before");
    connection.send(bytes);
    connection.send("behind");
    transfer(bytes);
    await client.closed();
    expect([client.messages, client.close]).toEqual([["before"], undefined]);
    expect(errors).toEqual([expect.objectContaining({ code: "LASTCALL_BYTES_GONE" })]);
  });
});

describe("a message whose memory was resized before it is sent", () => {
  test("is sent as it was when that has grown, whatever it was given as", async () => {
    const ways: ((memory: ArrayBuffer) => ArrayBufferView | ArrayBuffer)[] = [
      (memory) => memory,
      (memory) => new Uint8Array(memory),
      (memory) => new DataView(memory),
      (memory) => Buffer.from(memory),
      // One that follows its memory, unlike those that Node makes.
      (memory) => Object.setPrototypeOf(new Uint8Array(memory), Buffer.prototype) as Buffer,
    ];
    for (const given of ways) {
      const { endpoint, socket, errors } = loneHandler(() => new Promise(() => {}));
      const memory = resizable(LARGE);
      endpoint.consumer.connection.send(given(memory));
      memory.resize(LARGE + 1_000);
      await rest();
      expect([framesTo(socket), errors]).toEqual([[SENT], []]);
    }
  });

  test("is gone when that is too short for it", async () => {
    const { outbox, socket, told } = loneOutbox();
    const memory = resizable(LARGE);
    outbox.send(new Uint8Array(memory));
    memory.resize(LARGE - 1);
    await rest();
    expect([socket.writes, told.at(-1)]).toEqual([[], "bytes gone"]);
  });
});

test("a message of 8 KiB and less is its sender's again at once", async () => {
  const { outbox, socket, told } = loneOutbox();
  const bytes = new Uint8Array(8 * 1024);
  outbox.send(bytes);
  transfer(bytes);
  await rest();
  expect([framesTo(socket), told.includes("bytes gone")]).toEqual([
    [`binary ${"00".repeat(8 * 1024)}`],
    false,
  ]);
});

test("memory that is gone when the kernel is to read it is told as such, and not as a fault of the socket", async () => {
  const { server, port, errors } = await serve(async (connection) => {
    for await (const _ of connection) {
      const memory = resizable(12_000_000, 13_000_000);
      connection.send(new Uint8Array(memory));
      // The kernel has a part of it by now, and its client reads nothing.
      await eventually(() => connection.bufferedAmount > 0);
      await new Promise((resolve) => setTimeout(resolve, 50));
      memory.resize(1_000);
    }
  });
  const client = await openRaw(port);
  client.send("x");
  client.socket.pause();
  const [connection] = server.connections;
  await new Promise((resolve) => setTimeout(resolve, 200));
  client.socket.resume();
  expect((await connection!.closed).cause).toBe("failed");
  expect(errors).toMatchObject([{ code: "LASTCALL_BYTES_GONE" }]);
  client.destroy();
});
