/**
 * What every consumer has to hold to, and what it may rely on: src/connection/consumer.ts. Registering an implementation
 * takes what is below in `Subject`.
 */
import { describe, expect, it } from "vitest";
import { TextBytes, type Consumer, type Received } from "../../src/connection/consumer.js";
import type { Endpoint } from "../../src/connection/endpoint.js";
import { CompressionNegotiator, compressionDefaults } from "../../src/listen/compression-offer.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { PeerDeflate } from "../tools/peer-deflate.js";
import { loneEndpoint, rest, written, type Lone, type LoneOptions } from "./lone-endpoint.js";

/** A consumer that takes one message at a time, and how the test makes it go on. */
export interface Subject<Taker extends Consumer = Consumer> {
  readonly consumer: Taker;
  /** What it was given to start, in order. */
  readonly started: readonly Received[];
  /** Its input has ended. */
  readonly ended: boolean;
  /** How often it was told that it may begin, and that it has ended. */
  readonly calls: { begin: number; end: number };
  /** It is finished with the message in hand, and wants the next. */
  finish: () => void;
  /** Something is in hand beside messages, from here until what this returns is called. */
  hold: () => () => void;
  /** Nothing of it runs any more. */
  settle: () => void;
}

export type MakeSubject<Taker extends Consumer = Consumer> = (endpoint: Endpoint) => Subject<Taker>;

interface Conversation<Taker extends Consumer> extends Lone<Taker> {
  subject: Subject<Taker>;
}

function converse<Taker extends Consumer>(
  make: MakeSubject<Taker>,
  options?: LoneOptions,
): Conversation<Taker> {
  let subject!: Subject<Taker>;
  const lone = loneEndpoint((endpoint) => {
    subject = make(endpoint);
    return subject.consumer;
  }, options);
  return Object.assign(lone, { subject });
}

/** As text, whatever it came as. */
function texts(messages: readonly Received[]): string[] {
  return messages.map((message) => String(message instanceof TextBytes ? message.bytes : message));
}

export function describeConsumer<Taker extends Consumer>(
  name: string,
  make: MakeSubject<Taker>,
  { textAsBytes = false }: { textAsBytes?: boolean } = {},
): void {
  const open = (options?: LoneOptions): Conversation<Taker> => converse(make, { textAsBytes, ...options });

  describe(`a consumer that is ${name}`, () => {
    it("begins once, before anything is read", async () => {
      const { subject, peer } = open();
      expect(subject.calls.begin).toBe(1);
      expect(subject.started).toEqual([]);
      peer.send("one");
      await rest();
      expect(subject.calls.begin).toBe(1);
    });

    it("starts messages in the order received, each once, and only while it wants one", async () => {
      const { subject, peer, endpoint } = open();
      await rest();
      expect(endpoint.consumer.wants).toBe(true);
      peer.send("one", "two", "three");
      await rest();
      expect(texts(subject.started)).toEqual(["one"]);
      expect(endpoint.consumer.wants).toBe(false);
      for (const count of [2, 3]) {
        subject.finish();
        await rest();
        expect(subject.started).toHaveLength(count);
      }
      subject.finish();
      await rest();
      expect(texts(subject.started)).toEqual(["one", "two", "three"]);
      expect(endpoint.consumer.wants).toBe(true);
    });

    it("gets text as it asks for it, and binary as a Buffer", async () => {
      const { subject, peer } = open();
      peer.send("tëxt", Buffer.from("binary"));
      await rest();
      subject.finish();
      await rest();
      const [text, binary] = subject.started;
      expect(text).toEqual(textAsBytes ? new TextBytes(Buffer.from("tëxt")) : "tëxt");
      expect(binary).toEqual(Buffer.from("binary"));
    });

    it("has what it finished counted as served, and more than it had in hand not", async () => {
      const { subject, peer, tally, endpoint } = open();
      peer.send("one", "two");
      await rest();
      expect(tally.served).toBe(0);
      subject.finish();
      await rest();
      expect(tally.served).toBe(1);
      endpoint.finished(5);
      expect(tally.served).toBe(2);
    });

    it("is held back while the outbox is above its mark, and goes on below it", async () => {
      const { subject, peer, endpoint, socket } = open({ highWaterMark: 1000 });
      const stuck = socket.holdWrites();
      await rest();
      endpoint.send("x".repeat(2000));
      peer.send("one");
      await rest();
      expect(subject.started).toEqual([]);
      stuck.release();
      await rest();
      expect(texts(subject.started)).toEqual(["one"]);
    });

    it("is held back by nothing once nothing can be sent any more", async () => {
      const { subject, peer, endpoint, socket } = open({ highWaterMark: 1000 });
      socket.holdWrites();
      await rest();
      endpoint.send("x".repeat(2000));
      peer.send("one", "two");
      await rest();
      expect(subject.started).toEqual([]);
      socket.destroy();
      await rest();
      subject.finish();
      await rest();
      expect(texts(subject.started)).toEqual(["one", "two"]);
    });

    it("is read for no further than the inbox holds, and again at half of that", async () => {
      const { subject, peer, socket } = open({ inboxLimit: { bytes: 2 ** 20, messages: 4 } });
      await rest();
      peer.send("0", "1", "2", "3", "4", "5");
      await rest();
      expect(socket.isPaused()).toBe(true);
      for (let finished = 0; finished < 2; finished++) {
        subject.finish();
        await rest();
        expect(socket.isPaused()).toBe(true);
      }
      subject.finish();
      await rest();
      expect(socket.isPaused()).toBe(false);
    });

    it("starts after the cut what came before it; what comes later is handed back; its input ends once", async () => {
      const { subject, peer, endpoint, tally } = open();
      await rest();
      peer.send("one", "two");
      endpoint.cutInput();
      peer.send("three");
      await rest();
      expect(subject.ended).toBe(false);
      subject.finish();
      await rest();
      expect(texts(subject.started)).toEqual(["one", "two"]);
      subject.finish();
      await rest();
      expect(subject.calls.end).toBe(1);
      expect(tally).toMatchObject({ served: 2, handedBack: 1 });
      endpoint.cutInput();
      await rest();
      expect(subject.calls.end).toBe(1);
    });

    it("ends at once when nothing waits at the cut", async () => {
      const { subject, endpoint } = open();
      await rest();
      endpoint.cutInput();
      await rest();
      expect(subject.ended).toBe(true);
    });

    it("has what waits at last call handed back, and what is in hand left in hand", async () => {
      const { subject, peer, endpoint, tally } = open();
      await rest();
      peer.send("one", "two", "three");
      await rest();
      endpoint.lastCall();
      await rest();
      subject.finish();
      await rest();
      expect(texts(subject.started)).toEqual(["one"]);
      expect(subject.ended).toBe(true);
      expect(tally).toEqual({ served: 1, handedBack: 2, undelivered: 0, abandoned: 0 });
    });

    it("keeps the order over messages that have to be inflated first", async () => {
      const negotiator = new CompressionNegotiator({ ...compressionDefaults }, 2 ** 20);
      const agreed = negotiator.negotiate("permessage-deflate; client_no_context_takeover");
      if (agreed === undefined || agreed === "malformed") throw new Error("nothing was agreed on");
      const { subject, peer } = open({ compression: agreed.compression });
      const client = new PeerDeflate(agreed.header);
      const deflated = (text: string): Buffer => client.deflate(Buffer.from(text));
      const long = "long ".repeat(1000);
      peer.frames(
        { opcode: Opcode.text, reserved: 0x40, payload: deflated(long) },
        { opcode: Opcode.text, payload: "plain" },
        { opcode: Opcode.text, reserved: 0x40, payload: deflated("short") },
      );
      for (const count of [1, 2, 3]) {
        while (subject.started.length < count) await rest();
        subject.finish();
      }
      expect(texts(subject.started)).toEqual([long, "plain", "short"]);
    });

    it("is answered with Close when it has settled; what waits then is handed back", async () => {
      const { subject, peer, socket, tally } = open();
      await rest();
      peer.send("one", "two");
      await rest();
      subject.settle();
      await rest();
      expect(tally).toMatchObject({ served: 1, handedBack: 1 });
      expect(written(socket)).toEqual(encodeFrame(Opcode.close, Buffer.from([0x03, 0xe8])));
    });

    it("keeps the connection from being over until it has settled, also when its peer is gone", async () => {
      const conversation = open();
      const { subject, peer, socket } = conversation;
      await rest();
      peer.send("one", "two");
      await rest();
      socket.destroy();
      await rest();
      expect(conversation.isOver).toBe(false);
      subject.finish();
      await rest();
      expect(texts(subject.started)).toEqual(["one", "two"]);
      subject.finish();
      await rest();
      subject.settle();
      await rest();
      expect(conversation.isOver).toBe(true);
      expect(conversation.tally).toMatchObject({ served: 2, handedBack: 0 });
    });

    it("keeps a drain from its cut while it has anything in hand", async () => {
      const { subject, endpoint, peer } = open();
      await rest();
      const release = subject.hold();
      endpoint.drain();
      await rest();
      peer.frames({ opcode: Opcode.pong, payload: Buffer.from([0, 0, 0, 1]) });
      await rest();
      expect(endpoint.consumer.pending).toBe(1);
      // Neither the Pong nor quiet is enough.
      expect(endpoint.machine!.wakeAt - performance.now()).toBeGreaterThan(1_000);
      release();
      await rest();
      peer.frames({ opcode: Opcode.pong, payload: Buffer.from([0, 0, 0, 2]) });
      await rest();
      expect(endpoint.consumer.pending).toBe(0);
      expect(endpoint.machine!.wakeAt - performance.now()).toBeLessThan(1_000);
    });

    it("has what it holds when it is forced counted as abandoned, and nothing of it as served", async () => {
      const { subject, peer, endpoint, tally } = open();
      await rest();
      peer.send("one", "two", "three");
      await rest();
      const release = subject.hold();
      endpoint.force();
      await rest();
      expect(tally).toMatchObject({ served: 0, handedBack: 0, abandoned: 3 });
      expect(endpoint.account()).toMatchObject({ queued: 2, running: 2 });
      subject.finish();
      release();
      await rest();
      expect(texts(subject.started)).toEqual(["one"]);
      expect(tally.served).toBe(0);
    });
  });
}
