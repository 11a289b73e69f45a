/** What is told of a connection in the report of a shutdown. */
import { describe, expect, test } from "vitest";
import { EventConsumer } from "./event-consumer.js";
import { loneEndpoint, rest, type Lone, type LoneOptions } from "./lone-endpoint.js";

function open(options?: LoneOptions): Lone<EventConsumer> {
  return loneEndpoint((endpoint) => new EventConsumer(endpoint), options);
}

describe("the account of a connection", () => {
  test("tells what it held when it was forced, once, and not what became of it", async () => {
    const { endpoint, peer, socket, tally } = open();
    await rest();
    const stuck = socket.holdWrites();
    peer.send("in hand", "queued", "queued too");
    await rest();
    endpoint.send("unsent");
    endpoint.consumer.hold();
    endpoint.force();
    endpoint.force();
    endpoint.finished(1);
    stuck.release();
    socket.destroy();
    await rest();
    expect(endpoint.account()).toMatchObject({
      remoteAddress: "192.0.2.1",
      end: "forced",
      queued: 2,
      running: 2,
      unsentBytes: 8,
      handlerRuns: true,
    });
    expect(tally).toMatchObject({ served: 0, abandoned: 3 });
    expect(endpoint.consumer.told.filter((what) => what === "leaving")).toHaveLength(1);
  });

  test("says that a handler ran on when only it kept the connection", async () => {
    const { endpoint } = open();
    endpoint.cutInput();
    endpoint.force();
    endpoint.settled(false);
    await rest();
    expect(endpoint.account()).toMatchObject({ handlerRuns: true, queued: 0, running: 0 });
    const cut = open();
    cut.endpoint.cutInput();
    cut.endpoint.settled(false);
    await rest();
    cut.endpoint.force();
    expect(cut.endpoint.account()).toMatchObject({ handlerRuns: false });
  });

  test("does not know what was unread when back-pressure held the socket at its end", async () => {
    const full = open({ inboxLimit: { bytes: 2 ** 20, messages: 2 } });
    await rest();
    full.peer.send("one", "two", "three");
    await rest();
    const paused = open();
    paused.endpoint.pause();
    const neither = open();
    for (const { endpoint, socket } of [full, paused, neither]) {
      socket.destroy();
      await rest();
      endpoint.settled(false);
    }
    const unknown = [full, paused, neither].map(({ endpoint }) => endpoint.account().unreadUnknown);
    expect(unknown).toEqual([true, true, false]);
  });
});
