/** What an outbox counts, when it tells its owner, and what it refuses: on a socket in memory. */
import { describe, expect, test } from "vitest";
import { encodeMessage } from "../../src/connection/encoded-message.js";
import { MAX_WRITE, type Outbox } from "../../src/connection/outbox.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { framesTo, rest, written } from "./lone-endpoint.js";
import { loneOutbox } from "./lone-outbox.js";

/** Bytes that a message of 200 has on the wire. */
const FRAME = 204;
const message = "m".repeat(200);

function counts(outbox: Outbox): [bytes: number, messages: number] {
  return [outbox.bufferedAmount, outbox.bufferedMessages];
}

describe("the mark of an outbox", () => {
  test("is told once when it is reached and once when the outbox is below it again", async () => {
    const { outbox, socket, told } = loneOutbox({ highWaterMark: 4 * FRAME });
    const stuck = socket.holdWrites();
    for (let sent = 0; sent < 3; sent++) outbox.send(message);
    expect(told).toEqual([]);
    outbox.send(message);
    expect(told).toEqual(["full"]);
    for (let sent = 0; sent < 3; sent++) outbox.send(message);
    await rest();
    expect(told).toEqual(["full"]);
    stuck.release();
    await rest();
    expect(told).toEqual(["full", "low"]);
    for (let sent = 0; sent < 4; sent++) outbox.send(message);
    await rest();
    expect(told).toEqual(["full", "low", "full", "low"]);
  });

  test("is not told as passed while exactly that much waits, and what is being written counts", async () => {
    const { outbox, socket, told, writtenAt } = loneOutbox({ highWaterMark: 2 * FRAME });
    const stuck = socket.holdWrites();
    outbox.send(message);
    await rest();
    outbox.send(message);
    outbox.send(message);
    await rest();
    expect(counts(outbox)).toEqual([3 * FRAME, 3]);
    // The first is with the kernel: exactly the mark is left.
    stuck.take();
    await rest();
    expect([counts(outbox), told]).toEqual([[2 * FRAME, 2], ["full"]]);
    stuck.take();
    await rest();
    expect([counts(outbox), told]).toEqual([
      [0, 0],
      ["full", "low"],
    ]);
    expect(writtenAt).toEqual([2 * FRAME, 0]);
  });

  test("is told of whatever is accepted: encoded messages, control frames, what waits to come", async () => {
    const ways: ((outbox: Outbox) => void)[] = [
      (outbox) => outbox.sendEncoded(encodeMessage(message)),
      (outbox) => outbox.enqueue(encodeMessage(Buffer.alloc(9_000))),
      (outbox) => outbox.sendControl(encodeFrame(Opcode.ping, "p".repeat(100))),
      (outbox) => outbox.countAhead(100, 1),
    ];
    for (const accept of ways) {
      const { outbox, told } = loneOutbox({ highWaterMark: 100 });
      accept(outbox);
      expect(told).toEqual(["full"]);
    }
    const { outbox, told } = loneOutbox({ highWaterMark: 100 });
    outbox.countAhead(100, 1);
    outbox.countAhead(-1, 0);
    expect(told).toEqual(["full", "low"]);
  });
});

describe("the limit of an outbox", () => {
  test("takes a message of any size while less waits, and none from there on", async () => {
    const { outbox, socket } = loneOutbox({ outboxLimit: 1_000 });
    const stuck = socket.holdWrites();
    outbox.send("x".repeat(900));
    expect(outbox.takes).toBe(true);
    expect(outbox.send(Buffer.alloc(100_000))).toBe(true);
    const before = counts(outbox);
    expect(outbox.takes).toBe(false);
    expect([outbox.send("small"), outbox.send(Buffer.alloc(9_000))]).toEqual([false, false]);
    expect(outbox.sendEncoded(encodeMessage("small"))).toBe(false);
    expect(counts(outbox)).toEqual(before);
    stuck.release();
    await rest();
    expect(outbox.takes).toBe(true);
    expect(framesTo(socket)).toHaveLength(2);
  });

  test("is no limit for control frames: a Close goes out behind what waits", async () => {
    const { outbox, socket } = loneOutbox({ outboxLimit: 100 });
    outbox.send("x".repeat(200));
    outbox.sendControl(encodeFrame(Opcode.close, Buffer.from([0x03, 0xe8])));
    await rest();
    expect(framesTo(socket)).toEqual([`text ${"x".repeat(200)}`, "close 1000 "]);
  });

  test("counts what waits to come, until it does not", () => {
    const { outbox } = loneOutbox({ outboxLimit: 1_000 });
    outbox.countAhead(1_000, 2);
    expect([outbox.takes, counts(outbox)]).toEqual([false, [1_000, 2]]);
    outbox.countAhead(-1, -1);
    expect([outbox.takes, counts(outbox)]).toEqual([true, [999, 1]]);
  });
});

describe("a message", () => {
  test("counts until its last byte is with the kernel, however many writes it takes", async () => {
    const { outbox, socket } = loneOutbox({ outboxLimit: Infinity });
    const stuck = socket.holdWrites();
    outbox.send("first");
    outbox.send(Buffer.alloc(2 * MAX_WRITE));
    outbox.send("last");
    const messagesAfterEachWrite = [outbox.bufferedMessages];
    while (outbox.bufferedAmount > 0) {
      await rest();
      stuck.take();
      messagesAfterEachWrite.push(outbox.bufferedMessages);
    }
    // The first goes out with a part of the second, which is whole with the last.
    expect([...new Set(messagesAfterEachWrite)]).toEqual([3, 2, 0]);
    expect(messagesAfterEachWrite.length).toBeGreaterThan(4);
    expect(written(socket).length).toBeGreaterThan(2 * MAX_WRITE);
  });

  test("that was torn by the end of its socket counts as never sent, with those behind it", async () => {
    const { outbox, socket } = loneOutbox({ outboxLimit: Infinity });
    const stuck = socket.holdWrites();
    outbox.send("first");
    outbox.send(Buffer.alloc(2 * MAX_WRITE));
    outbox.send("last");
    await rest();
    stuck.take();
    await rest();
    socket.destroy();
    await rest();
    stuck.release();
    await rest();
    expect(outbox.bufferedMessages).toBe(2);
    expect(outbox.bufferedAmount).toBeGreaterThan(MAX_WRITE);
  });

  test("that is flushed with FIN counts until the FIN is sent behind it", async () => {
    const { outbox, socket } = loneOutbox({ outboxLimit: Infinity });
    const stuck = socket.holdWrites();
    outbox.send("first");
    await rest();
    outbox.send("second");
    outbox.countAhead(50, 0);
    outbox.flushAndEnd();
    await rest();
    expect([counts(outbox), socket.ended]).toEqual([[7 + 8 + 50, 2], false]);
    stuck.release();
    await socket.sentEnd();
    await rest();
    // What was said to come later is not taken for sent.
    expect(counts(outbox)).toEqual([50, 0]);
    expect(framesTo(socket)).toEqual(["text first", "text second"]);
  });
});

describe("who waits for messages to be sent", () => {
  test("is called when all that were accepted before are with the kernel, and in order", async () => {
    const { outbox, socket } = loneOutbox({ outboxLimit: Infinity });
    // What nobody waited for counts as well.
    outbox.send("zero");
    outbox.send("zero again");
    await rest();
    const stuck = socket.holdWrites();
    const sent: string[] = [];
    const wait = (name: string): void =>
      outbox.whenSent((error) => sent.push(error ? `${name} failed` : name));
    outbox.send("one");
    wait("one");
    wait("one again");
    await rest();
    outbox.send(Buffer.alloc(MAX_WRITE + 1));
    wait("two");
    outbox.send("three");
    wait("three");
    await rest();
    expect(sent).toEqual([]);
    stuck.take();
    expect(sent).toEqual(["one", "one again"]);
    await rest();
    stuck.release();
    await rest();
    expect(sent).toEqual(["one", "one again", "two", "three"]);
    outbox.fail(new Error("gone"));
    expect(sent).toHaveLength(4);
  });

  test("may send and wait again when it is called", async () => {
    const { outbox } = loneOutbox();
    const sent: number[] = [];
    const sendNext = (): void => {
      outbox.send("next");
      outbox.whenSent(() => {
        sent.push(sent.length);
        if (sent.length < 5) sendNext();
      });
    };
    sendNext();
    await rest();
    await rest();
    expect(sent).toEqual([0, 1, 2, 3, 4]);
  });

  test("is told once when it never will be, in order, and those who were called already are not", async () => {
    const { outbox, socket } = loneOutbox();
    const told: unknown[] = [];
    outbox.send("sent");
    outbox.whenSent((error) => told.push(error));
    await rest();
    const stuck = socket.holdWrites();
    const error = new Error("gone");
    for (const name of ["one", "two"]) {
      outbox.send(name);
      outbox.whenSent((given) => told.push(name, given));
    }
    await rest();
    outbox.fail(error);
    outbox.fail(new Error("a second time"));
    stuck.release();
    await rest();
    expect(told).toEqual([undefined, "one", error, "two", error]);
  });

  test("is called also when everything is flushed with FIN, once that is sent", async () => {
    const { outbox, socket } = loneOutbox();
    let sent = 0;
    outbox.send("last words");
    outbox.whenSent(() => sent++);
    outbox.flushAndEnd();
    expect(sent).toBe(0);
    await socket.sentEnd();
    await rest();
    expect(sent).toBe(1);
  });
});
