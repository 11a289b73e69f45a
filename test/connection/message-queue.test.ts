import { describe, expect, test } from "vitest";
import { TextBytes, type Received } from "../../src/connection/consumer.js";
import { CompressedMessage, MessageQueue } from "../../src/connection/message-queue.js";

const OVERHEAD = 128;

/** Bytes in memory of their own. */
function own(length: number): Buffer {
  return Buffer.alloc(length);
}

function compressed(length: number): CompressedMessage {
  return new CompressedMessage(own(length), true);
}

function drained(queue: MessageQueue): Received[] {
  return Array.from({ length: queue.ready }, () => queue.shift());
}

describe("messages that wait", () => {
  test("come out in their order, whatever they are", () => {
    const queue = new MessageQueue();
    const messages: Received[] = ["text", own(3), new TextBytes(own(4)), ""];
    for (const message of messages) queue.push(message);
    expect([queue.length, queue.ready]).toEqual([4, 4]);
    expect(drained(queue)).toEqual(messages);
    expect(queue.length).toBe(0);
  });

  test("keep order and charge over thousands, while others come and go, compressed ones among them", () => {
    const queue = new MessageQueue();
    const out: string[] = [];
    let pushed = 0;
    for (let round = 0; round < 1_500; round++) {
      for (let index = 0; index < 3; index++, pushed++) {
        if (pushed % 5 === 0) queue.push(compressed(1));
        else queue.push(String(pushed).padStart(5));
      }
      const first = queue.firstCompressed;
      if (queue.ready === 0 && first !== undefined) queue.inflateFirst("inflt");
      out.push(queue.shift() as string);
      if (queue.ready > 0) out.push(queue.shift() as string);
    }
    while (queue.length > 0) {
      if (queue.ready === 0) queue.inflateFirst("inflt");
      out.push(queue.shift() as string);
    }
    expect(out).toEqual(
      Array.from({ length: pushed }, (_, index) => (index % 5 === 0 ? "inflt" : String(index).padStart(5))),
    );
    expect(queue.charged).toBe(0);
  });

  test("are charged for their bytes, and 128 for being there", () => {
    const queue = new MessageQueue();
    queue.push("");
    expect(queue.charged).toBe(OVERHEAD);
    queue.push("ä€");
    expect(queue.charged).toBe(2 * OVERHEAD + 5);
    queue.push(new TextBytes(own(10)));
    expect(queue.charged).toBe(3 * OVERHEAD + 15);
    queue.push(compressed(100));
    expect(queue.charged).toBe(4 * OVERHEAD + 115);
    queue.shift();
    expect(queue.charged).toBe(3 * OVERHEAD + 115);
  });

  test("pay for the whole chunk that they are views of, the first of each chunk", () => {
    const queue = new MessageQueue();
    const [one, two] = [own(1000), own(2000)];
    queue.push(one.subarray(0, 1));
    queue.push(new TextBytes(one.subarray(1, 2)));
    queue.push("between");
    queue.push(one.subarray(2, 3));
    queue.push(new CompressedMessage(two.subarray(5, 6), false));
    expect(queue.charged).toBe(5 * OVERHEAD + 1000 + 7 + 2000);
    queue.shift();
    expect(queue.charged).toBe(4 * OVERHEAD + 7 + 2000);
  });
});

describe("a compressed message", () => {
  test("holds those behind it until it is inflated, and then takes its own place", () => {
    const queue = new MessageQueue();
    const [first, second] = [compressed(5), compressed(6)];
    for (const message of ["one", first, "two", second, "three"]) queue.push(message);
    expect([queue.length, queue.ready, queue.firstCompressed]).toEqual([5, 1, first]);
    queue.inflateFirst("inflated one");
    expect([queue.ready, queue.firstCompressed]).toEqual([3, second]);
    expect(drained(queue)).toEqual(["one", "inflated one", "two"]);
    expect([queue.length, queue.ready]).toEqual([2, 0]);
    queue.inflateFirst("inflated two");
    expect(queue.firstCompressed).toBe(undefined);
    expect(drained(queue)).toEqual(["inflated two", "three"]);
  });

  test("is charged for what it is: compressed first, and then inflated", () => {
    const queue = new MessageQueue();
    queue.push(compressed(10));
    queue.push("behind");
    expect(queue.charged).toBe(2 * OVERHEAD + 16);
    queue.inflateFirst("x".repeat(5_000));
    expect(queue.charged).toBe(2 * OVERHEAD + 5_006);
    drained(queue);
    expect(queue.charged).toBe(0);
  });

  test("that cannot be inflated is dropped with all behind it; those before it stay", () => {
    const queue = new MessageQueue();
    for (const message of ["one", "two", compressed(500), "three", compressed(600), "four"])
      queue.push(message);
    expect(queue.dropFromFirstCompressed()).toBe(3);
    expect([queue.length, queue.ready, queue.charged]).toEqual([2, 2, 2 * OVERHEAD + 6]);
    expect(queue.firstCompressed).toBe(undefined);
    queue.push("five");
    expect(drained(queue)).toEqual(["one", "two", "five"]);
    expect(queue.charged).toBe(0);
  });
});
