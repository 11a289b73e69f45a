import { describe, expect, test } from "vitest";
import type { Supply } from "../../src/connection/consumer.js";
import { MessageIterator } from "../../src/connection/iterator.js";
import { MessageLoops } from "../../src/connection/message-loops.js";

/** Loops on a supply that has nothing until it is told. */
class Loops extends MessageLoops {
  finished = 0;
  readonly ready: string[] = [];
  protected readonly supply = {
    take: () => this.ready.shift(),
    finished: (messages: number) => (this.finished += messages),
  } as unknown as Supply;

  /** Starts a message, and says whether a loop still waits. */
  give(message: string): boolean {
    this.start(message);
    return this.wants;
  }

  /** Lets a loop leave, and says whether another still waits. */
  leave(iterator: MessageIterator): boolean {
    this.release(iterator);
    return this.wants;
  }
}

/** Loops by name, and what has come of them. */
function loops(): {
  waiting: Loops;
  iterators: Record<string, MessageIterator>;
  wait: (...names: string[]) => void;
  /** What came, in the order in which it did. */
  given: () => Promise<string[]>;
} {
  const waiting = new Loops();
  const iterators: Record<string, MessageIterator> = {};
  const given: string[] = [];
  return {
    waiting,
    iterators,
    wait: (...names) => {
      for (const name of names) {
        const iterator = (iterators[name] ??= new MessageIterator(waiting));
        void waiting.next(iterator).then(({ value, done }) => given.push(`${name}: ${done ? "end" : value}`));
      }
    },
    given: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return given.splice(0);
    },
  };
}

describe("loops that wait", () => {
  test("are given messages in the order in which they asked, and hold what they were given", async () => {
    const { waiting, iterators, wait, given } = loops();
    wait("a", "b", "a");
    expect([waiting.give("1"), waiting.give("2"), waiting.give("3")]).toEqual([true, true, false]);
    expect(await given()).toEqual(["a: 1", "b: 2", "a: 3"]);
    expect([iterators["a"]!.inHand, iterators["b"]!.inHand]).toEqual([2, 1]);
  });

  test("can come again when all were served: the order begins anew", async () => {
    const { waiting, wait, given } = loops();
    wait("a");
    waiting.give("1");
    wait("b", "a");
    expect([waiting.give("2"), waiting.give("3")]).toEqual([true, false]);
    expect(await given()).toEqual(["a: 1", "b: 2", "a: 3"]);
  });

  test.for([
    { leaves: "a", others: ["b: 1", "c: 2", "b: 3", "c: 4"] },
    { leaves: "b", others: ["a: 1", "c: 2", "a: 3", "c: 4"] },
    { leaves: "c", others: ["a: 1", "b: 2", "a: 3", "b: 4"] },
  ])("one of which leaves ($leaves) keep their places, and its own waits end", async ({ leaves, others }) => {
    const { waiting, iterators, wait, given } = loops();
    wait("a", "b", "c", "a", "b", "c");
    expect(waiting.leave(iterators[leaves]!)).toBe(true);
    expect(new Set(await given())).toEqual(new Set([`${leaves}: end`]));
    const more = others.map((_, index) => waiting.give(String(index + 1)));
    expect(more).toEqual([true, true, true, false]);
    expect(await given()).toEqual(others);
    expect(iterators[leaves]!.inHand).toBe(0);
  });

  test("all leave: nobody waits, and who comes then is served", async () => {
    const { waiting, iterators, wait, given } = loops();
    wait("a", "a");
    expect(waiting.leave(iterators["a"]!)).toBe(false);
    expect(await given()).toEqual(["a: end", "a: end"]);
    wait("b");
    expect(waiting.give("1")).toBe(false);
    expect(await given()).toEqual(["b: 1"]);
  });

  test("end together, in their order", async () => {
    const { waiting, iterators, wait, given } = loops();
    wait("a", "b", "a");
    waiting.end();
    expect(await given()).toEqual(["a: end", "b: end", "a: end"]);
    expect(iterators["a"]!.inHand).toBe(0);
    waiting.end();
    expect(await given()).toEqual([]);
  });

  test("take what there is at once, and end at once behind the end", async () => {
    const { waiting, iterators, wait, given } = loops();
    waiting.ready.push("1");
    wait("a", "b");
    expect(await given()).toEqual(["a: 1"]);
    // Who asks while others wait waits behind them, also when there is something.
    waiting.ready.push("2");
    wait("a");
    expect(await given()).toEqual([]);
    expect([waiting.give("3"), waiting.give("4")]).toEqual([true, false]);
    expect(await given()).toEqual(["b: 3", "a: 4"]);
    waiting.end();
    waiting.ready.shift();
    wait("b");
    expect(await given()).toEqual(["b: end"]);
    expect([iterators["a"]!.inHand, iterators["b"]!.inHand]).toEqual([2, 1]);
  });

  test("tell the supply what is finished, and nothing when nothing is", () => {
    const { waiting } = loops();
    waiting.finish(0);
    waiting.finish(2);
    expect(waiting.finished).toBe(2);
  });
});
