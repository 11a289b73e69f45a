/** One connection as the machinery sees it, with a consumer that is called for each message. */
import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/connection/endpoint.js";
import { Opcode } from "../../src/wire/frame.js";
import { MIN_WRITE } from "../../src/connection/outbox.js";
import { VirtualTime } from "../virtual/virtual-time.js";
import { EventConsumer } from "./event-consumer.js";
import { heldCompression } from "./held-deflate.js";
import { framesTo, loneEndpoint, rest, type Lone, type LoneOptions } from "./lone-endpoint.js";

type Opened = Lone<EventConsumer>;

function open(options?: LoneOptions & { concurrency?: number }): Opened {
  return loneEndpoint((endpoint) => new EventConsumer(endpoint, options?.concurrency), options);
}

function pong(nonce: number): { opcode: Opcode; payload: Buffer } {
  return { opcode: Opcode.pong, payload: Buffer.from([0, 0, 0, nonce]) };
}

describe("what is sent", () => {
  test("over the limit of the outbox ends the connection, and is counted as never delivered", async () => {
    const { endpoint, socket, tally } = open({ outboxLimit: 1_000 });
    socket.holdWrites();
    await rest();
    expect(endpoint.send("x".repeat(2_000))).toBe(true);
    await rest();
    const failed: unknown[] = [];
    expect(endpoint.send("one too many", (error) => failed.push(error))).toBe(false);
    expect([endpoint.isOpen, socket.destroyed]).toEqual([false, false]);
    expect(failed).toEqual([
      expect.objectContaining({ code: "LASTCALL_CONNECTION_GONE", cause: "slow-consumer" }),
    ]);
    socket.destroy();
    await rest();
    expect(tally.undelivered).toBe(2);
    expect(endpoint.consumer.told).toEqual(["leaving", "unheard", "dropped 1", "dropped 1"]);
  });

  test("after our Close is refused and counted, and does not end the connection a second time", async () => {
    const { endpoint, socket, tally } = open();
    endpoint.close(3000, "enough");
    expect([endpoint.isOpen, endpoint.send("late"), endpoint.sendEncoded([])]).toEqual([false, false, false]);
    await rest();
    expect([framesTo(socket), socket.destroyed]).toEqual([["close 3000 enough"], false]);
    expect(tally.undelivered).toBe(2);
  });

  test("is told to be above the mark or below it, and so is the consumer", async () => {
    const { endpoint, socket } = open({ highWaterMark: 100 });
    const stuck = socket.holdWrites();
    expect(endpoint.isOutboxLow).toBe(true);
    endpoint.send("x".repeat(98));
    expect([endpoint.bufferedAmount, endpoint.isOutboxLow]).toEqual([100, false]);
    await rest();
    stuck.release();
    await rest();
    expect([endpoint.bufferedAmount, endpoint.isOutboxLow]).toEqual([0, true]);
    expect(endpoint.consumer.told).toEqual(["low"]);
  });
});

describe("how it ended", () => {
  test("is unknown until the socket is gone; then it is what the peer's Close said", async () => {
    const { endpoint, peer, socket } = open();
    peer.close(1001);
    await rest();
    expect(endpoint.closed).toBe(undefined);
    endpoint.settled(false);
    await rest();
    socket.destroy();
    await rest();
    expect(endpoint.closed).toMatchObject({ code: 1001, reason: "", wasClean: true, cause: "client-closed" });
    expect(endpoint.consumer.closed).toEqual(endpoint.closed);
  });

  test("is 1006 without a Close of the peer's, and not clean", async () => {
    const { endpoint, socket } = open();
    endpoint.close(1000, "");
    await rest();
    socket.destroy();
    await rest();
    expect(endpoint.closed).toMatchObject({ code: 1006, wasClean: false, cause: "destroyed" });
  });

  test("is not clean when our Close still waited: it has told nobody", async () => {
    const { endpoint, peer, socket } = open();
    socket.holdWrites();
    peer.close(1000);
    await rest();
    endpoint.settled(false);
    await rest();
    socket.destroy();
    await rest();
    expect(endpoint.closed).toMatchObject({ code: 1000, wasClean: false, cause: "client-closed" });
  });

  test("is over for the server only when the socket is gone and nothing of the consumer runs", async () => {
    const settledFirst = open();
    settledFirst.endpoint.settled(false);
    await rest();
    expect(settledFirst.isOver).toBe(false);
    settledFirst.socket.destroy();
    await rest();
    expect(settledFirst.isOver).toBe(true);
    const goneFirst = open();
    goneFirst.socket.destroy();
    await rest();
    expect(goneFirst.isOver).toBe(false);
    goneFirst.endpoint.settled(false);
    expect(goneFirst.isOver).toBe(true);
  });

  test("of a consumer that has failed is told as 1011, and in a shutdown as what the drain says", async () => {
    const failed = open();
    failed.endpoint.settled(true);
    const calm = open({ draining: true });
    calm.endpoint.settled(false);
    await rest();
    expect(framesTo(failed.socket)).toEqual(["close 1011 internal error"]);
    expect(framesTo(calm.socket).at(-1)).toBe("close 1012 service restart");
    expect(calm.endpoint.isLeaving).toBe(true);
  });

  test("gives the memory of the compressor back", async () => {
    const { deflate, compression } = heldCompression();
    const { endpoint, socket } = open({ compression });
    endpoint.settled(false);
    expect(deflate.cleanups).toBe(0);
    await rest();
    socket.destroy();
    await rest();
    expect(deflate.cleanups).toBeGreaterThan(0);
  });
});

describe("a shutdown", () => {
  test("reaches a connection once, asks it by a Ping, and cuts when it is quiet behind the Pong", async () => {
    const time = new VirtualTime();
    const { endpoint, peer, socket } = open({ clock: time.clock });
    endpoint.drain();
    endpoint.drain();
    expect(endpoint.consumer.told).toEqual(["leaving"]);
    await rest();
    expect(framesTo(socket)).toEqual(["ping 00000001"]);
    time.at(20, () => peer.frames(pong(1)));
    time.at(119, () => expect(endpoint.consumer.calls.end).toBe(0));
    time.at(121, () => {
      expect(endpoint.consumer.calls.end).toBe(1);
      endpoint.settled(false);
    });
    await time.run();
    expect(framesTo(socket).at(-1)).toBe("close 1012 service restart");
  });

  test("does not take a Pong for quiet behind messages of the same chunk", async () => {
    const time = new VirtualTime();
    // Where quiet takes no time, the Pong alone would be the end.
    const { endpoint, peer } = open({ clock: time.clock, drain: { quiet: 0 } });
    endpoint.drain();
    time.at(10, () => peer.frames({ opcode: Opcode.text, payload: "work" }, pong(1)));
    let cutAtPong: boolean | undefined;
    time.at(11, () => (cutAtPong = endpoint.machine!.state !== "draining"));
    time.at(1_000, () => {
      expect(endpoint.consumer.calls.end).toBe(0);
      endpoint.consumer.finish();
      endpoint.settled(false);
    });
    await time.run();
    expect(endpoint.consumer.started).toEqual(["work"]);
    expect(cutAtPong).toBe(false);
  });

  test("counts what is in hand of a consumer that has settled as served", async () => {
    const { endpoint, peer, tally } = open({ concurrency: 2 });
    await rest();
    peer.send("one", "two", "three");
    await rest();
    endpoint.settled(false);
    expect(tally).toMatchObject({ served: 2, handedBack: 1 });
  });

  test("hands back what waits at last call, and counts what comes behind the cut", async () => {
    const { endpoint, peer, tally } = open();
    await rest();
    peer.send("one", "two", "three");
    await rest();
    endpoint.lastCall();
    peer.send("late");
    await rest();
    expect(tally).toMatchObject({ handedBack: 3, served: 0 });
  });
});

describe("the heartbeat", () => {
  const options = { interval: 30, timeout: 10 };
  const beat = (endpoint: Endpoint, times: number): void => {
    for (let looks = 0; looks < times; looks++) endpoint.heartbeat(10, options);
  };

  test("asks a silent peer by a Ping, and ends a connection whose peer stays silent", async () => {
    const { endpoint, socket } = open();
    beat(endpoint, 3);
    await rest();
    expect([framesTo(socket), socket.destroyed]).toEqual([["ping 00000001"], false]);
    beat(endpoint, 1);
    expect(socket.destroyed).toBe(true);
  });

  test("takes whatever comes for a sign of life", async () => {
    const { endpoint, socket, peer } = open();
    for (let rounds = 0; rounds < 4; rounds++) {
      beat(endpoint, 3);
      await rest();
      peer.frames(pong(rounds + 1));
      await rest();
    }
    expect([framesTo(socket).length, socket.destroyed]).toEqual([4, false]);
  });

  test("lets the peer be while we do not read, unless that is because it does not read us", async () => {
    const paused = open();
    paused.endpoint.pause();
    const full = open({ inboxLimit: { bytes: 2 ** 20, messages: 1 }, highWaterMark: 100 });
    await rest();
    full.peer.send("one", "two");
    await rest();
    const deaf = open({ inboxLimit: { bytes: 2 ** 20, messages: 1 }, highWaterMark: 100 });
    deaf.socket.holdWrites();
    deaf.endpoint.send("x".repeat(200));
    await rest();
    deaf.peer.send("one", "two");
    await rest();
    for (const { endpoint } of [paused, full, deaf]) beat(endpoint, 20);
    expect([paused, full, deaf].map(({ socket }) => socket.destroyed)).toEqual([false, false, true]);
  });

  test("lets the peer be while what it is asked waits for our compressor", async () => {
    const { deflate, compression } = heldCompression();
    const { endpoint, socket } = open({ compression });
    endpoint.send("long enough to be compressed");
    beat(endpoint, 20);
    expect([deflate.jobs, socket.destroyed]).toEqual([1, false]);
    deflate.finish();
    await rest();
    // What has come out of the compressor is no sign of the peer: it is asked, and is silent.
    beat(endpoint, 3);
    await rest();
    expect([framesTo(socket, true).at(-1), socket.destroyed]).toEqual(["ping 00000001", false]);
    beat(endpoint, 1);
    expect(socket.destroyed).toBe(true);
  });

  test("asks nothing of who has closed, ended TCP or is gone: the limits of its end rule", async () => {
    const [closed, ended, gone] = [open(), open(), open()];
    closed.peer.close(1000);
    ended.peer.end();
    gone.socket.destroy();
    await rest();
    for (const { endpoint } of [closed, ended, gone]) beat(endpoint, 20);
    await rest();
    expect([closed, ended].map(({ socket }) => socket.destroyed)).toEqual([false, false]);
    expect([closed, ended, gone].flatMap(({ socket }) => framesTo(socket))).toEqual([]);
  });
});

describe("a peer that answers as soon as it is asked", () => {
  const LONG = "long enough to be compressed";

  /** Answers the Ping of the drain, and Close, as soon as they are there. */
  async function answer({ socket, peer }: Opened): Promise<void> {
    await rest();
    expect(framesTo(socket, true).at(-1)).toBe("ping 00000001");
    peer.frames(pong(1));
    await rest();
  }

  test("is not taken for silent while its Ping waits for our compressor, and has its patience from there", async () => {
    const time = new VirtualTime();
    const { deflate, compression } = heldCompression();
    const opened = open({ compression, clock: time.clock });
    opened.endpoint.send(LONG);
    opened.endpoint.send(LONG);
    time.at(0, () => opened.endpoint.drain());
    time.at(7_900, () => deflate.finish());
    time.at(9_000, () => deflate.finish());
    time.at(9_001, () => void answer(opened));
    time.at(9_050, () => opened.peer.send("another"));
    time.at(13_000, () => opened.endpoint.consumer.finish());
    time.at(13_000, () => time.at(13_001, () => opened.peer.frames(pong(2))));
    time.at(13_050, () => expect(opened.endpoint.isOpen).toBe(true));
    await time.run();
    expect(opened.endpoint.consumer.started).toEqual(["another"]);
    expect(opened.endpoint.machine).toMatchObject({ unproven: false });
  });

  test("is not taken for silent while its Ping waits behind what it reads slowly", async () => {
    const time = new VirtualTime();
    const opened = open({ clock: time.clock, outboxLimit: Infinity, drain: { patience: 60_000 } });
    const stuck = opened.socket.holdWrites();
    opened.endpoint.send(Buffer.alloc(4 * MIN_WRITE));
    time.at(0, () => opened.endpoint.drain());
    for (let writes = 1; writes < 5; writes++) time.at(1_900 * writes, () => stuck.take());
    time.at(1_900 * 5, () => {
      stuck.release();
      void answer(opened);
    });
    time.at(10_000, () => opened.endpoint.destroy());
    await time.run();
    expect(opened.endpoint.machine).toMatchObject({ unproven: false });
  });

  test("is taken for silent when it reads nothing of what stands before its Ping", async () => {
    const time = new VirtualTime();
    const { endpoint, socket } = open({ clock: time.clock });
    socket.holdWrites();
    endpoint.send("x".repeat(100_000));
    time.at(0, () => endpoint.drain());
    const unproven: boolean[] = [];
    for (const at of [1_999, 2_001]) time.at(at, () => unproven.push(endpoint.machine!.unproven));
    time.at(3_000, () => endpoint.destroy());
    await time.run();
    expect(unproven).toEqual([false, true]);
  });

  test("has all of its time to read what our compressor was late with", async () => {
    const time = new VirtualTime();
    const { deflate, compression } = heldCompression();
    const { endpoint, socket } = open({ compression, clock: time.clock });
    socket.holdWrites();
    endpoint.send(LONG);
    const destroyedAt: number[] = [];
    socket.once("close", () => destroyedAt.push(time.now));
    time.at(0, () => {
      endpoint.drain();
      endpoint.close(1000, "");
    });
    // Nobody looks at that moment whether it is still at work.
    time.at(2_900, () => deflate.finish());
    await time.run();
    expect(destroyedAt).toEqual([5_900]);
  });
});

test("a message that cannot be inflated closes with its code, and what came behind it is handed back", async () => {
  const { deflate, compression } = heldCompression({ inflate: () => new Error("broken") });
  const { endpoint, peer, socket, tally } = open({ compression });
  const squeezed = { opcode: Opcode.text, reserved: 0x40, payload: "squeezed" };
  await rest();
  peer.frames(squeezed, { opcode: Opcode.text, payload: "behind" }, { opcode: Opcode.text, payload: "too" });
  await rest();
  deflate.finish();
  peer.send("not decoded any more");
  await rest();
  endpoint.settled(false);
  await rest();
  expect(framesTo(socket)[0]).toMatch(/^close 1007 /);
  expect([endpoint.consumer.started, tally.handedBack]).toEqual([[], 2]);
});
