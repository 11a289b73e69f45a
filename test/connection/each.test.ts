/** A handler that is a function for each message, on a socket in memory. */
import { describe, expect, test } from "vitest";
import { each } from "../../src/connection/each.js";
import type { Connection, Message } from "../../src/connection/handler.js";
import { gate } from "../tools/serve.js";
import { framesTo, loneHandler, rest } from "./lone-endpoint.js";
import { fails, thenable } from "./thenable.js";

describe("a function for each message", () => {
  test("is answered by what it returns, at once or later; nothing is sent for undefined", async () => {
    const replies: Record<string, unknown> = {
      now: "at once",
      later: Promise.resolve("later"),
      nothing: undefined,
      "nothing later": Promise.resolve(),
      empty: "",
      bytes: new Uint8Array([1, 2]),
    };
    const { socket, peer, tally } = loneHandler(each((message) => replies[String(message)] as string));
    peer.send(...Object.keys(replies));
    await rest();
    expect(framesTo(socket)).toEqual(["text at once", "text later", "text ", "binary 0102"]);
    // The last is finished when the next is asked for.
    expect(tally.served).toBe(6);
  });

  test.for<[unknown, string]>([
    [null, "null"],
    [5, "5"],
    [{}, "an object (Object)"],
  ])("that returns %o fails by what it returned, and is told what sends nothing", async ([reply, named]) => {
    const { peer, errors } = loneHandler(each(() => reply as string));
    peer.send("one");
    await rest();
    expect(errors).toMatchObject([
      {
        option: "What the function of each() returns",
        message: `What the function of each() returns must be a string or bytes, or undefined, which sends nothing; it was ${named}.`,
      },
    ]);
  });

  test("has one message in hand at a time, in order, unless it is allowed more", async () => {
    for (const concurrency of [1, 3]) {
      const gates = [gate(), gate(), gate(), gate(), gate()];
      const began: string[] = [];
      const { socket, peer } = loneHandler(
        each(
          async (message) => {
            began.push(String(message));
            await gates[Number(message)]!.passed;
            return message;
          },
          { concurrency },
        ),
      );
      peer.send("0", "1", "2", "3", "4");
      await rest();
      expect(began).toEqual(["0", "1", "2", "3", "4"].slice(0, concurrency));
      // The youngest first: with one at a time the order is kept all the same.
      for (const one of [...gates].reverse()) {
        one.open();
        await rest();
      }
      const replies = framesTo(socket);
      expect(replies[0]).toBe(concurrency === 1 ? "text 0" : "text 2");
      expect(replies.sort()).toEqual(["text 0", "text 1", "text 2", "text 3", "text 4"]);
    }
  });

  test("gets its connection, and sends the replies to one chunk in one write", async () => {
    const seen = new Set<unknown>();
    const { endpoint, socket, peer } = loneHandler(
      each((message, connection) => {
        seen.add(connection);
        return message;
      }),
    );
    peer.send("one", "two", "three");
    await rest();
    expect([...seen]).toEqual([endpoint.consumer.connection]);
    expect(socket.writes).toHaveLength(1);
  });

  test("that fails is reported, and starts none of the messages behind", async () => {
    const error = new Error("on purpose");
    const began: string[] = [];
    const { socket, peer, errors, tally } = loneHandler(
      each((message) => {
        began.push(String(message));
        if (message === "bad") throw error;
        return message;
      }),
    );
    peer.send("good", "bad", "behind");
    await rest();
    expect([began, errors]).toEqual([["good", "bad"], [error]]);
    expect(framesTo(socket)).toEqual(["text good", "close 1011 internal error"]);
    expect(tally).toMatchObject({ served: 2, handedBack: 1 });
  });

  test("that fails with others in hand lets those finish first, and waits for no further message", async () => {
    const held = gate();
    const { socket, peer, errors } = loneHandler(
      each(
        async (message) => {
          if (message === "bad") throw new Error("on purpose");
          await held.passed;
          return message;
        },
        { concurrency: 4 },
      ),
    );
    peer.send("held", "bad");
    await rest();
    // Two wait for messages, one is held.
    expect([framesTo(socket), errors]).toEqual([[], []]);
    held.open();
    await rest();
    expect(framesTo(socket)).toEqual(["text held", "close 1011 internal error"]);
    expect(errors).toHaveLength(1);
  });

  test("that fails several times at once tells each of the errors, and fails with the first", async () => {
    const [failing, held] = [gate(), gate()];
    const serve = each(
      async (message) => {
        if (message === "held") return held.passed;
        await failing.passed;
        throw new Error(String(message));
      },
      { concurrency: 4 },
    );
    const failedWith: unknown[] = [];
    const { socket, peer, errors } = loneHandler(async (connection) => {
      await (serve(connection) as Promise<void>).catch((error: unknown) => failedWith.push(error));
      throw failedWith[0] as Error;
    });
    peer.send("held", "one", "two", "three");
    await rest();
    failing.open();
    await rest();
    // The others do not wait for what is held, which might be for ever.
    expect([errors, failedWith]).toEqual([[new Error("two"), new Error("three")], []]);
    held.open();
    await rest();
    expect(failedWith).toEqual([new Error("one")]);
    expect(errors).toEqual(["two", "three", "one"].map((message) => new Error(message)));
    expect(framesTo(socket)).toEqual(["close 1011 internal error"]);
  });

  const callsBackTwice = (resolve: () => void, reject: (error: Error) => void): void => {
    resolve();
    reject(new Error("late"));
  };
  const callsBackAndThrows = (resolve: () => void): void => {
    resolve();
    fails();
  };
  test.for<[string, () => unknown, errors: number]>([
    ["throws when it is asked for its `then`", () => thenable({ get: fails }), 1],
    ["throws in its `then`", () => thenable({ value: fails }), 1],
    ["calls back twice", () => thenable({ value: callsBackTwice }), 0],
    ["is a promise that does", () => thenable({ value: callsBackTwice }, Promise.resolve()), 0],
    ["is one that throws behind that", () => thenable({ value: callsBackAndThrows }, Promise.resolve()), 0],
  ])("ends once, also when what it returns %s", async ([, make, failures]) => {
    const { peer, socket, errors } = loneHandler(each(() => make() as undefined, { concurrency: 2 }));
    peer.send("one");
    await rest();
    peer.close(1001);
    await rest();
    expect(errors).toEqual(failures === 0 ? [] : [new Error("on purpose")]);
    expect(framesTo(socket)).toEqual([failures === 0 ? "close 1001 " : "close 1011 internal error"]);
  });

  test("makes nothing for what it might have in hand: what waits is one, whatever it is allowed", async () => {
    const gates = Array.from({ length: 5 }, () => gate());
    let loops = 0;
    let mostLoops = 0;
    const serve = each(
      async (message) => {
        await gates[Number(message)]!.passed;
        return message;
      },
      { concurrency: 4_096 },
    );
    const { endpoint, socket, peer, tally } = loneHandler((connection) =>
      serve({
        __proto__: null,
        send: (reply: string) => connection.send(reply),
        [Symbol.asyncIterator]() {
          const messages = connection[Symbol.asyncIterator]();
          mostLoops = Math.max(mostLoops, ++loops);
          const leave = (): Promise<IteratorResult<Message, void>> => (loops--, messages.return!());
          return { next: () => messages.next(), return: leave };
        },
      } as unknown as Connection),
    );
    expect(loops).toBe(1);
    peer.send("0", "1", "2", "3", "4");
    await rest();
    expect([loops, endpoint.consumer.wants]).toEqual([6, true]);
    for (const one of gates) {
      one.open();
      await rest();
    }
    // Each is finished when it is served, and not when the next comes.
    expect([loops, mostLoops, tally.served, endpoint.consumer.wants]).toEqual([1, 6, 5, true]);
    expect(framesTo(socket)).toEqual(["text 0", "text 1", "text 2", "text 3", "text 4"]);
  });

  test("ends when its connection does, all of its workers", async () => {
    const { socket, peer } = loneHandler(each((message) => message, { concurrency: 5 }));
    peer.send("one");
    peer.close(1001);
    await rest();
    expect(framesTo(socket)).toEqual(["text one", "close 1001 "]);
  });

  test.for([0, -1, 1.5, Infinity, NaN, "2"])("cannot be run %s at a time", (concurrency) => {
    expect(() => each(() => {}, { concurrency: concurrency as number })).toThrow(
      expect.objectContaining({ option: "concurrency" }) as Error,
    );
  });
});
