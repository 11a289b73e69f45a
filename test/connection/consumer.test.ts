/** The contract of consumers on each of them, and what only one that is called for each message makes use of. */
import { describe, expect, it } from "vitest";
import { TextBytes, type Received } from "../../src/connection/consumer.js";
import type { Endpoint } from "../../src/connection/endpoint.js";
import { HandlerRun } from "../../src/connection/handler-run.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { gate } from "../tools/serve.js";
import { describeConsumer, type Subject } from "./consumer-conformance.js";
import { EventConsumer } from "./event-consumer.js";
import { loneEndpoint, rest, written } from "./lone-endpoint.js";

const guest = {
  request: { method: "GET", url: "/", httpVersion: "1.1", headers: {} },
  requestIsShared: true,
  protocol: "",
  principal: undefined,
};

/** A handler with a loop. */
function loop(endpoint: Endpoint): Subject<HandlerRun<undefined>> {
  const started: Received[] = [];
  const calls = { begin: 0, end: 0 };
  const over = gate();
  let worked = gate();
  const handler = async (): Promise<void> => {
    calls.begin++;
    const ended = (async () => {
      for await (const message of consumer.connection) {
        started.push(message);
        await worked.passed;
        worked = gate();
      }
      calls.end++;
    })();
    await Promise.race([over.passed, Promise.all([ended, over.passed])]);
  };
  const consumer = new HandlerRun(
    { handler, reportError: () => {}, shutdownOf: () => Promise.reject(new Error("There is no server.")) },
    endpoint,
    guest,
  );
  return {
    consumer,
    started,
    calls,
    get ended() {
      return calls.end > 0;
    },
    finish: () => worked.open(),
    hold: () => {
      const held = gate();
      consumer.waitUntil(held.passed);
      return () => held.open();
    },
    settle: () => over.open(),
  };
}

function events(endpoint: Endpoint): Subject<EventConsumer> {
  const consumer = new EventConsumer(endpoint);
  return {
    consumer,
    started: consumer.started,
    calls: consumer.calls,
    get ended() {
      return consumer.calls.end > 0;
    },
    finish: () => consumer.finish(),
    hold: () => consumer.hold(),
    settle: () => consumer.settle(),
  };
}

describeConsumer("a handler with a loop", loop);
describeConsumer("called for each message", events);
describeConsumer("called for each message, with text as bytes", events, { textAsBytes: true });

describe("a consumer that is called for each message", () => {
  it("sees Pings and Pongs with their payload, and the Pings are answered all the same", async () => {
    const { endpoint, peer, socket } = loneEndpoint((one) => new EventConsumer(one));
    peer.frames(
      { opcode: Opcode.ping, payload: "are you there" },
      { opcode: Opcode.pong, payload: "unasked" },
    );
    await rest();
    expect(endpoint.consumer.told).toEqual(["ping are you there", "pong unasked"]);
    expect(written(socket)).toEqual(encodeFrame(Opcode.pong, "are you there"));
  });

  it("may take many at once, and what it sends within its call goes out in one write", async () => {
    const { endpoint, peer, socket, tally } = loneEndpoint((one) => new EventConsumer(one, Infinity));
    endpoint.consumer.onStart = (message) => {
      endpoint.send(message as string);
      endpoint.finished(1);
    };
    await rest();
    peer.send("one", "two", "three");
    await rest();
    expect(endpoint.consumer.started).toEqual(["one", "two", "three"]);
    expect(socket.writes).toHaveLength(1);
    expect(tally.served).toBe(3);
  });

  it("stops the reading when it pauses, and goes on where it was", async () => {
    const { endpoint, peer, socket } = loneEndpoint((one) => new EventConsumer(one, Infinity));
    await rest();
    endpoint.consumer.onStart = () => endpoint.consumer.pause();
    peer.send("one", "two");
    await rest();
    expect(socket.isPaused()).toBe(true);
    expect(endpoint.consumer.started).toEqual(["one"]);
    endpoint.consumer.onStart = undefined;
    endpoint.consumer.resume();
    await rest();
    expect(socket.isPaused()).toBe(false);
    peer.send("three");
    await rest();
    expect(endpoint.consumer.started).toEqual(["one", "two", "three"]);
  });

  it("that pauses while the inbox is full is read again only when both are over", async () => {
    const limit = { inboxLimit: { bytes: 2 ** 20, messages: 2 } };
    const { endpoint, peer, socket } = loneEndpoint((one) => new EventConsumer(one), limit);
    await rest();
    peer.send("one", "two", "three");
    await rest();
    expect(socket.isPaused()).toBe(true);
    endpoint.consumer.pause();
    endpoint.consumer.resume();
    await rest();
    expect(socket.isPaused()).toBe(true);
    endpoint.consumer.pause();
    endpoint.consumer.finish();
    await rest();
    expect(socket.isPaused()).toBe(true);
    endpoint.consumer.resume();
    await rest();
    expect(socket.isPaused()).toBe(false);
  });

  it("is paused for no longer than until the cut: what comes then is read and handed back", async () => {
    const { endpoint, peer, socket, tally } = loneEndpoint((one) => new EventConsumer(one));
    await rest();
    endpoint.consumer.pause();
    await rest();
    endpoint.cutInput();
    await rest();
    expect(socket.isPaused()).toBe(false);
    peer.send("late");
    await rest();
    expect(tally.handedBack).toBe(1);
    endpoint.pause();
    await rest();
    expect(socket.isPaused()).toBe(false);
  });

  it("is told of each message when the kernel has it, in order, and of one that it will never have", async () => {
    const { endpoint, socket, tally } = loneEndpoint((one) => new EventConsumer(one));
    const sent: string[] = [];
    const send = (message: string): boolean =>
      endpoint.send(message, (error) =>
        sent.push(`${message}: ${error === undefined ? "sent" : error.name}`),
      );
    send("one");
    send("two");
    await rest();
    expect(sent).toEqual(["one: sent", "two: sent"]);
    const stuck = socket.holdWrites();
    send("three");
    await rest();
    send("four");
    await rest();
    expect(sent).toHaveLength(2);
    stuck.release();
    await rest();
    expect(sent.slice(2)).toEqual(["three: sent", "four: sent"]);

    socket.holdWrites();
    send("five");
    await rest();
    socket.destroy();
    await rest();
    expect(send("six")).toBe(false);
    expect(sent.slice(4)).toEqual(["five: ConnectionGoneError", "six: ConnectionGoneError"]);
    expect(tally.undelivered).toBe(2);
    expect(endpoint.consumer.told).toContain("dropped 1");
  });

  it("is told of the drain, of the mark, and how it ended", async () => {
    const { endpoint, peer, socket } = loneEndpoint((one) => new EventConsumer(one), { highWaterMark: 100 });
    endpoint.drain();
    endpoint.send("x".repeat(200));
    await rest();
    endpoint.consumer.settle();
    await rest();
    peer.close(1012);
    await rest();
    peer.end();
    await rest();
    expect(socket.ended).toBe(true);
    expect(endpoint.consumer.told).toEqual(["leaving", "low", "unheard"]);
    expect(endpoint.consumer.closed).toMatchObject({ code: 1012, wasClean: true, cause: "shutdown" });
  });

  it("gets text as the bytes that came, checked for UTF-8", async () => {
    const { endpoint, peer, socket } = loneEndpoint((one) => new EventConsumer(one), { textAsBytes: true });
    peer.send("tëxt");
    await rest();
    expect(endpoint.consumer.started).toEqual([new TextBytes(Buffer.from("tëxt"))]);
    endpoint.consumer.finish();
    peer.frames({ opcode: Opcode.text, payload: Buffer.from([0xff]) });
    await rest();
    endpoint.consumer.settle();
    await rest();
    expect(written(socket).readUInt16BE(2)).toBe(1007);
  });
});

describe("the mark of an outbox", () => {
  it.for([1, 2, 50])(
    "of %i bytes is told when Pongs alone pass it, and holds nobody for ever",
    async (highWaterMark) => {
      const { endpoint, peer, socket } = loneEndpoint((one) => new EventConsumer(one), { highWaterMark });
      await rest();
      const stuck = socket.holdWrites();
      peer.frames({ opcode: Opcode.ping, payload: "x".repeat(100) });
      await rest();
      expect(endpoint.isOutboxLow).toBe(false);
      peer.send("one");
      await rest();
      expect(endpoint.consumer.started).toEqual([]);
      stuck.release();
      await rest();
      expect(endpoint.isOutboxLow).toBe(true);
      expect(endpoint.consumer.told).toContain("low");
      expect(endpoint.consumer.started).toEqual(["one"]);
    },
  );
});
