/** Rule 9, no refused guest and no late guest: who was accepted, or waits to be, when the door closes is served. */
import { Worker } from "node:worker_threads";
import { expect, it, onTestFinished } from "vitest";
import { connectRaw, type RawClient } from "../tools/raw-client.js";
import {
  countsOf,
  ended,
  outcomeOf,
  repeatedly,
  repliesTo,
  reply,
  reportWith,
  request,
  Scenario,
  tellTimes,
  type Stopped,
} from "../tools/scenario.js";
import { eventually } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";
import { RESTART, seenBy } from "./raw-peers.js";

/** Shuts down at once. */
async function stopNow(scenario: Scenario): Promise<Stopped> {
  const report = await scenario.server.shutdown();
  const { connections, state } = scenario.server;
  return { before: 0, served: scenario.served.length, report, left: connections.size, state };
}

async function connectTo(port: number): Promise<RawClient> {
  const peer = await connectRaw(port);
  onTestFinished(() => peer.destroy());
  return peer;
}

const oneServed = ended(1, reportWith("clean", { total: 1, closed: 1 }, { served: 1 }));

it("serves a connection whose upgrade had not been sent when the door closed", async () => {
  const runs = await repeatedly(async () => {
    const scenario = await Scenario.listen();
    const peer = await connectTo(scenario.port);
    const stopping = stopNow(scenario);
    await eventually(() => scenario.server.address() === null);
    expect(scenario.server.connections.size).toBe(0);
    peer.sendHandshake();
    await peer.opened();
    peer.send(request(0, 0));
    return { stopped: await stopping, seen: await seenBy(peer) };
  });
  for (const { stopped, seen } of runs) {
    expect(outcomeOf(stopped)).toEqual(oneServed);
    expect(seen).toEqual({ messages: repliesTo(0, 1), close: RESTART, ended: "FIN", violation: undefined });
  }
});

it("answers 503 with Retry-After to a connection whose upgrade comes after the grace", async () => {
  const runs = await repeatedly(
    async () => {
      const scenario = await Scenario.listen({ drain: { handshakeGrace: ms(50) } });
      const peer = await connectTo(scenario.port);
      const stopped = await stopNow(scenario);
      await peer.closed();
      return { stopped, response: peer.response, end: peer.ended };
    },
    { times: 10, atOnce: 10 },
  );
  for (const { stopped, response, end } of runs) {
    expect(outcomeOf(stopped)).toEqual(ended(0, reportWith("clean", {}, {})));
    expect(response).toMatchObject({
      status: 503,
      headers: { "retry-after": "1" },
      body: "The server is closing.\n",
    });
    expect(end).toBe("FIN");
  }
});

interface Guest {
  client: number;
  opened: boolean;
  replies: string[];
  errors: string[];
  code: number;
  reason: string;
  wasClean: boolean;
}

/**
 * Lets clients in another thread connect while the event loop of the server is blocked, for `blockFor` ms and until
 * TCP has connected them all; then shuts down in the same turn.
 */
async function shutDownWithFullQueue(clients: number, blockFor: number) {
  const scenario = await Scenario.listen();
  const shared = new SharedArrayBuffer(4);
  const connected = new Int32Array(shared);
  const worker = new Worker(new URL("../fixtures/connecting-clients.mjs", import.meta.url), {
    workerData: { port: scenario.port, clients, shared },
  });
  onTestFinished(async () => void (await worker.terminate()));
  const guests: Guest[] = [];
  const allGone = new Promise<void>((resolve) => {
    worker.on("message", (guest: Guest) => {
      guests.push(guest);
      if (guests.length === clients) resolve();
    });
  });

  // In the same turn: the thread starts and its clients connect while the event loop stands.
  const began = performance.now();
  const limit = began + bound(5_000);
  while (Atomics.load(connected, 0) < clients || performance.now() < began + blockFor) {
    // Blocks the thread, and with it the event loop.
    Atomics.wait(connected, 0, Atomics.load(connected, 0), 10);
    if (performance.now() > limit)
      throw new Error(`only ${Atomics.load(connected, 0)} clients could connect`);
  }
  // All are connected, and the server has not seen one of them.
  expect(scenario.server.connections.size).toBe(0);
  const stopping = stopNow(scenario);

  const stopped = await stopping;
  await allGone;
  await worker.terminate();
  return { stopped, guests: guests.toSorted((a, b) => a.client - b.client) };
}

function expectAllGuestsServed(
  { stopped, guests }: Awaited<ReturnType<typeof shutDownWithFullQueue>>,
  clients: number,
): void {
  const expected = Array.from({ length: clients }, (_, client) => ({
    client,
    opened: true,
    replies: [reply(request(client, 0))],
    errors: [],
    ...RESTART,
    wasClean: true,
  }));
  expect(guests).toEqual(expected);
  expect(countsOf(stopped.report)).toEqual(
    reportWith("clean", { total: clients, closed: clients }, { served: clients }),
  );
  expect(stopped).toMatchObject({ served: clients, left: 0, state: "closed" });
}

it("serves a connection that waits in the accept queue", async () => {
  const runs = await repeatedly(() => shutDownWithFullQueue(1, 0), { times: 5, atOnce: 1 });
  for (const run of runs) expectAllGuestsServed(run, 1);
  tellTimes(
    "one in the accept queue",
    runs.map(({ stopped }) => stopped.report.duration),
  );
});

it("resets none of 50 clients that connect while the event loop is blocked for 300 ms, and serves them all", async () => {
  const runs = await repeatedly(() => shutDownWithFullQueue(50, 300), { times: 3, atOnce: 1 });
  for (const run of runs) expectAllGuestsServed(run, 50);
  tellTimes(
    "50 in the accept queue",
    runs.map(({ stopped }) => stopped.report.duration),
  );
});
