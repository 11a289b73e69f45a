import { describe, expect, test } from "vitest";
import { MessageIterator } from "../../src/connection/iterator.js";
import { WaitingLoops } from "../../src/connection/waiting-loops.js";

/** Loops that wait, by name, and what has come of it. */
function loops(): {
  waiting: WaitingLoops;
  iterators: Record<string, MessageIterator>;
  wait: (...names: string[]) => void;
  /** What came, in the order in which it did. */
  given: () => Promise<string[]>;
} {
  const waiting = new WaitingLoops();
  const source = { next: () => waiting.wait(iterators["a"]!), finish: () => {}, release: () => {} };
  const iterators: Record<string, MessageIterator> = {};
  const given: string[] = [];
  return {
    waiting,
    iterators,
    wait: (...names) => {
      for (const name of names) {
        const iterator = (iterators[name] ??= new MessageIterator(source));
        void waiting.wait(iterator).then(({ value, done }) => given.push(`${name}: ${done ? "end" : value}`));
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
    expect(waiting.release(iterators[leaves]!)).toBe(true);
    expect(new Set(await given())).toEqual(new Set([`${leaves}: end`]));
    const more = others.map((_, index) => waiting.give(String(index + 1)));
    expect(more).toEqual([true, true, true, false]);
    expect(await given()).toEqual(others);
    expect(iterators[leaves]!.inHand).toBe(0);
  });

  test("all leave: nobody waits, and who comes then is served", async () => {
    const { waiting, iterators, wait, given } = loops();
    wait("a", "a");
    expect(waiting.release(iterators["a"]!)).toBe(false);
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
});
