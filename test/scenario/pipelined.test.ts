/** Peers that send all their requests at once: whatever they do then, what was received is served. */
import { expect, it } from "vitest";
import {
  allServed,
  CONNECTIONS,
  ended,
  expectStoppedInTheMiddle,
  outcomeOf,
  repeatedly,
  reportWith,
  Scenario,
  tellTimes,
  TOTAL,
  type Stopped,
} from "../tools/scenario.js";
import type { RawClient, RawClientOptions } from "../tools/raw-client.js";
import { allRead, connectPeers, RESTART, seenBy, sendAll, servedPeer, servedPeers } from "./raw-peers.js";

interface Run {
  stopped: Stopped;
  seen: Awaited<ReturnType<typeof seenBy>>[];
}

/** One run in which every peer sends all its requests and then does what is given. */
async function run(
  andThen: (peer: RawClient) => void = () => {},
  options: RawClientOptions = {},
): Promise<Run> {
  const scenario = await Scenario.listen();
  const peers = await connectPeers(scenario.port, options);
  peers.forEach((peer, connection) => {
    sendAll(peer, connection);
    andThen(peer);
  });
  await Promise.all(peers.map(allRead));
  const stopped = await scenario.stop();
  return { stopped, seen: await Promise.all(peers.map(seenBy)) };
}

function tell(what: string, runs: readonly Run[]): void {
  expectStoppedInTheMiddle(runs.map(({ stopped }) => stopped));
  tellTimes(
    what,
    runs.map(({ stopped }) => stopped.report.duration),
  );
}

it("serves and answers 25 of 25 requests that were received before the stop", async () => {
  const runs = await repeatedly(() => run());
  tell("pipelined", runs);
  for (const { stopped, seen } of runs) {
    expect(outcomeOf(stopped)).toEqual(allServed);
    expect(seen).toEqual(servedPeers);
  }
});

it("serves and answers 25 of 25 before `run` settles, when its `shutdown` signal aborts", async () => {
  const runs = await repeatedly(async () => {
    const scenario = new Scenario();
    const shutdown = new AbortController();
    const running = scenario.server.run({
      listen: { port: 0, host: "127.0.0.1" },
      shutdown: shutdown.signal,
    });
    const peers = await connectPeers(await scenario.listening());
    peers.forEach(sendAll);
    await Promise.all(peers.map(allRead));
    const stopped = await scenario.stop(() => {
      shutdown.abort();
      return running;
    });
    return { stopped, seen: await Promise.all(peers.map(seenBy)) };
  });
  tell("run() and its shutdown signal", runs);
  for (const { stopped, seen } of runs) {
    expect(outcomeOf(stopped)).toEqual(allServed);
    expect(seen).toEqual(servedPeers);
  }
});

const left = ended(TOTAL, reportWith("clean", { total: CONNECTIONS, left: CONNECTIONS }, { served: TOTAL }));

it("serves and answers peers that send Close right behind their requests, and echoes it after the replies", async () => {
  const runs = await repeatedly(() => run((peer) => peer.sendClose(1000, "bye"), { answersClose: false }));
  tell("Close behind the requests", runs);
  for (const { stopped, seen } of runs) {
    expect(outcomeOf(stopped)).toEqual(left);
    expect(seen).toEqual(seen.map((_, connection) => servedPeer(connection, { code: 1000, reason: "" })));
  }
});

it("serves and answers peers that end their side of TCP without Close and still read", async () => {
  const runs = await repeatedly(() => run((peer) => peer.end()));
  tell("half-closed", runs);
  const { report } = left;
  for (const { stopped, seen } of runs) {
    expect(outcomeOf(stopped)).toEqual({
      ...left,
      // A FIN proves nothing about what was on the wire before it.
      report: { ...report, connections: { ...report.connections, unproven: CONNECTIONS } },
    });
    expect(seen).toEqual(seen.map((_, connection) => servedPeer(connection, RESTART)));
  }
});

/** One run in which every peer leaves without a word once the server has read its requests. */
async function runWithout(leave: (peer: RawClient) => void): Promise<Stopped> {
  const scenario = await Scenario.listen();
  const peers = await connectPeers(scenario.port);
  peers.forEach(sendAll);
  await Promise.all(peers.map(allRead));
  peers.forEach(leave);
  return scenario.stop();
}

/** The end of such a run. */
function leftWithout(reason: "gone" | "reset", undelivered: number) {
  const everyone = Array.from({ length: CONNECTIONS }, () => reason);
  const connections = { total: CONNECTIONS, left: CONNECTIONS, unproven: CONNECTIONS };
  return ended(TOTAL, reportWith("unconfirmed", connections, { served: TOTAL, undelivered }, everyone));
}

it("serves peers that are gone by then, and reports that nobody got their replies", async () => {
  // Closed in both directions, with everything read: FIN now, a reset for whatever is sent to it later.
  const runs = await repeatedly(() => runWithout((peer) => peer.destroy()));
  expectStoppedInTheMiddle(runs);
  for (const stopped of runs) {
    const { undelivered } = stopped.report.messages;
    expect(outcomeOf(stopped)).toEqual(leftWithout("gone", undelivered));
    // The kernel takes the first reply of each; the reset that answers it tells that nobody reads the others.
    expect(undelivered).toBeGreaterThanOrEqual(TOTAL - CONNECTIONS - stopped.before);
    expect(undelivered).toBeLessThanOrEqual(TOTAL - stopped.before);
  }
  tellTimes(
    "gone",
    runs.map(({ report }) => report.duration),
  );
});

it("serves peers that reset, and reports the reset and all replies as undelivered", async () => {
  const runs = await repeatedly(() => runWithout((peer) => peer.reset()));
  expectStoppedInTheMiddle(runs);
  for (const stopped of runs) {
    expect(outcomeOf(stopped)).toEqual(leftWithout("reset", TOTAL - stopped.before));
  }
  tellTimes(
    "reset",
    runs.map(({ report }) => report.duration),
  );
});
