import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, onTestFinished, test } from "vitest";
import { Publisher } from "../../src/base/diagnostics.js";

/** What arrives on a channel until the test is over, or `stop` is called. */
function heardOn(channel: string): { events: unknown[]; stop: () => void } {
  const events: unknown[] = [];
  const listener = (event: unknown): void => void events.push(event);
  subscribe(channel, listener);
  const stop = (): void => void unsubscribe(channel, listener);
  onTestFinished(stop);
  return { events, stop };
}

describe("a publisher", () => {
  test("tells all who subscribe to its name behind `lastcall:`, and nobody else", () => {
    const publisher = new Publisher<{ event: string }>("test-name");
    const [one, two, other] = [
      heardOn("lastcall:test-name"),
      heardOn("lastcall:test-name"),
      heardOn("test-name"),
    ];
    publisher.publish(() => ({ event: "happened" }));
    expect([one.events, two.events]).toEqual([[{ event: "happened" }], [{ event: "happened" }]]);
    expect(other.events).toEqual([]);
  });

  test("makes an event once for all, and none while nobody subscribes", () => {
    const publisher = new Publisher<number>("test-made");
    let made = 0;
    const publish = (): void => publisher.publish(() => ++made);
    publish();
    expect(made).toBe(0);
    const subscriptions = [heardOn("lastcall:test-made"), heardOn("lastcall:test-made")];
    publish();
    expect(subscriptions.map(({ events }) => events)).toEqual([[1], [1]]);
    for (const { stop } of subscriptions) stop();
    publish();
    expect(made).toBe(1);
  });
});
