/** The traps that docs/recipes.md warns of: each is what it says, and no other. */
import { Readable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import type { Connection, DrainReport, Message } from "../../src/index.js";
import { openRaw } from "../tools/raw-client.js";
import { eventually, serve } from "../tools/serve.js";
import { atLeast, ms, work } from "../tools/timing.js";

test("a next() that lost a race has taken its message, which counts as served when the next is asked for", async () => {
  const seen: unknown[] = [];
  const { server, port } = await serve(async (connection) => {
    const messages = connection[Symbol.asyncIterator]();
    seen.push(await Promise.race([messages.next(), work(10)]));
    connection.send("ready");
    seen.push((await messages.next()).value, (await messages.next()).value);
    connection.send("done");
    await new Promise((resolve) => connection.draining.addEventListener("abort", resolve));
  });
  const client = await openRaw(port);
  await client.received(1);
  for (const message of ["one", "two", "three"]) client.send(message);
  await client.received(2);
  expect(seen).toEqual([undefined, "two", "three"]);
  const report = await server.shutdown();
  expect(report).toMatchObject({ outcome: "clean", messages: { handedBack: 0, abandoned: 0 } });
});

/** Six messages that are worked on one by one, and a last call in the middle of the first. */
async function stoppedInTheFirst(
  sourceOf: (connection: Connection<undefined>) => AsyncIterable<Message>,
): Promise<{ started: Message[]; report: DrainReport }> {
  const started: Message[] = [];
  const { server, port } = await serve(async (connection) => {
    for await (const message of sourceOf(connection)) {
      started.push(message);
      await work(ms(400));
      connection.send(`done: ${message}`);
    }
  });
  const client = await openRaw(port);
  for (let number = 1; number <= 6; number++) client.send(String(number));
  await eventually(() => started.length === 1);
  // What is read ahead is read by now.
  await work(20);
  const report = await server.shutdown({ deadline: ms(4_000), lastCall: ms(100), patience: ms(50) });
  return { started, report };
}

test("Readable.from() reads ahead: after the last call as many are started as it has taken", async () => {
  const direct = await stoppedInTheFirst((connection) => connection);
  expect(direct.started).toEqual(["1"]);
  expect(direct.report.messages).toMatchObject({ served: 1, handedBack: 5 });

  const stream = await stoppedInTheFirst((connection) => Readable.from(connection));
  expect(stream.started).toEqual(["1", "2"]);
  expect(stream.report.messages).toMatchObject({ handedBack: 4 });

  const ahead = await stoppedInTheFirst((connection) => Readable.from(connection, { highWaterMark: 4 }));
  expect(ahead.started).toEqual(["1", "2", "3", "4", "5"]);
  expect(ahead.report.messages).toMatchObject({ handedBack: 1 });
});

test("a handler that waits for `signal` alone waits for itself in a drain; one that waits for `closed` does not", async () => {
  const deadline = ms(1_500);
  const aborted = ({ signal }: Connection<undefined>): Promise<unknown> =>
    new Promise((resolve) => signal.addEventListener("abort", resolve));
  for (const [waits, outcome, code] of [
    [aborted, "forced", undefined],
    [({ closed }: Connection<undefined>) => closed, "clean", 1012],
  ] as const) {
    const { server, port } = await serve(waits);
    const client = await openRaw(port);
    const report = await server.shutdown({ deadline });
    await client.closed();
    expect([report.outcome, client.close?.code]).toEqual([outcome, code]);
    expect(report.duration >= atLeast(1_500)).toBe(outcome === "forced");
  }
});

test("a message that nobody reads makes the end of a handler that waits for `draining` partial", async () => {
  const { server, port } = await serve(async ({ draining }) => {
    await new Promise((resolve) => draining.addEventListener("abort", resolve));
  });
  const client = await openRaw(port);
  client.send("what nobody wants");
  client.ping();
  await client.until(() => client.log.includes("pong"));
  const report = await server.shutdown();
  expect(report).toMatchObject({ outcome: "partial", messages: { handedBack: 1 } });
});

test("what onError throws is a warning: it neither ends the process nor fails another handler", async () => {
  const warnings: Error[] = [];
  const hear = (warning: Error): void => void warnings.push(warning);
  process.on("warning", hear);
  onTestFinished(() => void process.off("warning", hear));
  const { server, port } = await serve(
    async (connection) => {
      for await (const message of connection) {
        if (message === "fail") throw new Error("of the handler");
        connection.send(message);
      }
    },
    {
      onError: () => {
        throw new Error("of onError");
      },
    },
  );
  const [one, other] = [await openRaw(port), await openRaw(port)];
  one.send("fail");
  await one.closed();
  expect(one.close?.code).toBe(1011);
  await eventually(() => warnings.length > 0);
  expect(warnings.map(String)).toEqual(["LastcallWarning: An error in onError itself: Error: of onError"]);
  other.send("hello");
  await other.received(1);
  expect(other.messages).toEqual(["hello"]);
  await server.shutdown();
});
