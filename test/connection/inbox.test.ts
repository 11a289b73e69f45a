/** The receiving side of a connection by itself: what it starts, when it is full, and where it ends. */
import { describe, expect, test } from "vitest";
import { TextBytes, type Consumer, type Received } from "../../src/connection/consumer.js";
import { Inbox } from "../../src/connection/inbox.js";
import { SERVER_OPTIONS } from "../wire/recording.js";
import { heldCompression, type HeldDeflate } from "./held-deflate.js";

interface Scene {
  inbox: Inbox;
  /** What the consumer was given and told, and what the owner was. */
  log: string[];
  /** Lets the consumer take so many more. */
  want: (messages: number) => void;
  deflate: HeldDeflate;
}

interface Given {
  limit?: { bytes?: number; messages?: number };
  textAsBytes?: boolean;
  inflate?: (payload: string) => string | NodeJS.ErrnoException;
}

function scene({
  limit = {},
  textAsBytes = false,
  inflate = (payload) => `inflated ${payload}`,
}: Given = {}): Scene {
  const log: string[] = [];
  let wanted = 0;
  const consumer: Consumer = {
    pending: 0,
    get wants() {
      return wanted > 0;
    },
    begin: () => {},
    start: (message: Received) => {
      wanted--;
      const shown = message instanceof TextBytes ? `bytes ${message.bytes}` : String(message);
      log.push(`start ${shown}`);
    },
    end: () => log.push("end"),
  };
  const { deflate, compression } = heldCompression({ inflate });
  const inbox = new Inbox(
    {
      consumer,
      onInboxFull: () => log.push("full"),
      onInboxLow: () => log.push("low"),
      onInflateFailed: ({ violated }, dropped) => log.push(`failed ${violated}, ${dropped} behind`),
    },
    {
      decoding: { ...SERVER_OPTIONS, textAsBytes },
      inboxLimit: { bytes: 2 ** 20, messages: 1_000, ...limit },
      highWaterMark: 1,
      outboxLimit: 1,
    },
    compression,
  );
  const want = (messages: number): void => {
    wanted = messages;
    inbox.deliver();
  };
  return { inbox, log, want, deflate };
}

describe("an inbox", () => {
  test("starts a message at once when it is wanted, and keeps the others in order until they are", () => {
    const { inbox, log, want } = scene();
    want(1);
    for (const message of ["one", "two", "three", "four"]) expect(inbox.push(message)).toBe(true);
    expect([log, inbox.queued, inbox.inHand]).toEqual([["start one"], 3, 1]);
    want(2);
    expect([log.slice(1), inbox.queued, inbox.inHand]).toEqual([["start two", "start three"], 1, 3]);
    expect([inbox.take(), inbox.take()]).toEqual(["four", undefined]);
    expect([inbox.queued, inbox.inHand]).toEqual([0, 4]);
  });

  test("never lets a message pass one that waits", () => {
    const { inbox, log, want } = scene();
    inbox.push("one");
    inbox.hold();
    want(2);
    inbox.push("two");
    inbox.letGo();
    expect(log).toEqual(["start one", "start two"]);
  });

  test("is idle when nothing waits and all that was started is finished", () => {
    const { inbox, want } = scene();
    expect(inbox.isIdle).toBe(true);
    inbox.push("one");
    expect(inbox.isIdle).toBe(false);
    want(1);
    expect(inbox.isIdle).toBe(false);
    expect(inbox.finish(1)).toBe(1);
    expect(inbox.isIdle).toBe(true);
    // Who outlives its handler finishes what is counted already.
    expect([inbox.finish(3), inbox.inHand]).toEqual([0, 0]);
  });

  test("gives out nothing while it is held, neither by asking nor by itself", () => {
    const { inbox, log, want } = scene();
    inbox.hold();
    want(5);
    inbox.push("one");
    expect([log, inbox.take(), inbox.queued]).toEqual([[], undefined, 1]);
    inbox.letGo();
    expect(log).toEqual(["start one"]);
  });
});

describe("the limit of an inbox", () => {
  test("is looked at when a chunk is read, told once, and over when half of it is started", () => {
    const { inbox, log, want } = scene({ limit: { messages: 4 } });
    for (let message = 1; message <= 6; message++) inbox.push(String(message));
    expect([log, inbox.isFull]).toEqual([[], false]);
    inbox.checkLimit();
    inbox.checkLimit();
    expect([log, inbox.isFull]).toEqual([["full"], true]);
    want(3);
    expect(log).toEqual(["full", "start 1", "start 2", "start 3"]);
    want(1);
    expect([log.slice(4), inbox.isFull]).toEqual([["low", "start 4"], false]);
  });

  test("is one of bytes as well, and what is charged counts", () => {
    const { inbox, log, want } = scene({ limit: { bytes: 400 } });
    for (const message of ["one", "two", "three"]) inbox.push(message);
    inbox.checkLimit();
    expect(log).toEqual([]);
    inbox.push("x".repeat(8));
    inbox.checkLimit();
    expect(log).toEqual(["full"]);
    want(3);
    expect(log).toEqual(["full", "start one", "start two", "low", "start three"]);
  });

  test("is over with the cut and when what waits is dropped: reading goes on", () => {
    for (const end of ["cut", "clear"] as const) {
      const { inbox, log } = scene({ limit: { messages: 2 } });
      inbox.push("one");
      inbox.push("two");
      inbox.checkLimit();
      inbox[end]();
      expect([log, inbox.isFull]).toEqual([["full", "low"], false]);
    }
  });
});

describe("the cut", () => {
  test("lets in nothing more; what waits is started, and then the input ends once", () => {
    const { inbox, log, want } = scene();
    inbox.push("one");
    inbox.cut();
    expect(inbox.isCut).toBe(true);
    expect([inbox.push("late"), inbox.pushCompressed(Buffer.from("late"), true)]).toEqual([false, false]);
    expect(log).toEqual([]);
    want(1);
    expect(log).toEqual(["start one", "end"]);
    want(1);
    inbox.cut();
    expect(log).toEqual(["start one", "end"]);
  });

  test("is told to who asks before it is told that there is nothing", () => {
    const { inbox, log } = scene();
    inbox.push("one");
    inbox.cut();
    expect(inbox.take()).toBe("one");
    expect(log).toEqual([]);
    expect(inbox.take()).toBe(undefined);
    expect(log).toEqual(["end"]);
  });

  test("ends the input behind what is dropped, and says how many that were", () => {
    const { inbox, log } = scene();
    for (const message of ["one", "two", "three"]) inbox.push(message);
    inbox.cut();
    expect([inbox.clear(), inbox.queued, log]).toEqual([3, 0, ["end"]]);
    expect(inbox.clear()).toBe(0);
  });

  test("waits with the end for who is held back", () => {
    const { inbox, log, want } = scene();
    inbox.hold();
    want(1);
    inbox.cut();
    expect(log).toEqual([]);
    inbox.letGo();
    expect(log).toEqual(["end"]);
  });
});

describe("a compressed message", () => {
  const push = (inbox: Inbox, payload: string, isText = true): boolean =>
    // In memory of its own, for which it is charged.
    inbox.pushCompressed(Buffer.alloc(payload.length, payload), isText);

  test("keeps its place while it is inflated, one after the other", () => {
    const { inbox, log, want, deflate } = scene();
    want(10);
    push(inbox, "a");
    push(inbox, "b");
    inbox.push("plain");
    expect([log, deflate.jobs, inbox.queued]).toEqual([[], 1, 3]);
    deflate.finish();
    expect([log, deflate.jobs]).toEqual([["start inflated a"], 1]);
    deflate.finish();
    expect(log).toEqual(["start inflated a", "start inflated b", "start plain"]);
  });

  test("is text or bytes as it was sent, and text is bytes for who asks for that", () => {
    for (const [textAsBytes, expected] of [
      [false, ["start inflated t", "start inflated b"]],
      [true, ["start bytes inflated t", "start inflated b"]],
    ] as const) {
      const { inbox, log, want, deflate } = scene({ textAsBytes });
      want(2);
      push(inbox, "t");
      push(inbox, "b", false);
      deflate.finish();
      deflate.finish();
      expect(log).toEqual(expected);
    }
  });

  test("is inflated no further ahead than the limit has room, and as soon as it has", () => {
    const { inbox, log, want, deflate } = scene({
      limit: { bytes: 1_000 },
      inflate: (payload) => payload.repeat(900),
    });
    push(inbox, "a");
    push(inbox, "b");
    push(inbox, "c");
    inbox.checkLimit();
    expect(log).toEqual([]);
    deflate.finish();
    // It is charged for what it is now, although nothing more was read.
    expect([log, deflate.jobs]).toEqual([["full"], 0]);
    want(1);
    expect([log.slice(1).map((one) => one.slice(0, 9)), deflate.jobs]).toEqual([["low", "start aaa"], 1]);
  });

  test("that cannot be inflated drops those behind it, and those before it are served", () => {
    const tooBig = Object.assign(new Error("too big"), { code: "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" });
    const { inbox, log, want, deflate } = scene({ inflate: () => tooBig });
    inbox.push("before");
    push(inbox, "a");
    inbox.push("behind");
    push(inbox, "b");
    deflate.finish();
    expect([log, inbox.queued, deflate.jobs]).toEqual([["failed 1009, 2 behind"], 1, 0]);
    inbox.cut();
    want(5);
    expect(log.slice(1)).toEqual(["start before", "end"]);
  });

  test("that was dropped meanwhile is forgotten when it is done, also if another one waits by then", () => {
    const { inbox, log, want, deflate } = scene();
    push(inbox, "a");
    expect(inbox.clear()).toBe(1);
    push(inbox, "b");
    want(5);
    deflate.finish();
    expect([log, inbox.queued]).toEqual([[], 1]);
  });
});
