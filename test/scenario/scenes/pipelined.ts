/** Peers that send all their requests at once: whatever they do then, what was received is served. */
import { once } from "node:events";
import { expect } from "vitest";
import type { Server } from "../../../src/index.js";
import type { RawClient, RawClientOptions } from "../../tools/raw-client.js";
import {
  allServed,
  CONNECTIONS,
  ended,
  outcomeOf,
  reportWith,
  Scenario,
  TOTAL,
  type Stopped,
} from "../../tools/scenario.js";
import { allRead, connectPeers, RESTART, seenBy, sendAll, servedPeer, servedPeers } from "../raw-peers.js";
import type { Leaving, Traits, Way } from "../ways/way.js";
import { openOn, type Played, type Scene } from "./scene.js";

type Seen = Awaited<ReturnType<typeof seenBy>>;

interface Run {
  stopped: Stopped;
  seen: Seen[];
}

/** Every peer sends all its requests, does what is given, and looks what comes. */
async function sendAndThen(
  way: Way,
  andThen: (peer: RawClient) => void = () => {},
  options: RawClientOptions = {},
  arrival: (peer: RawClient) => Promise<void> = allRead,
): Promise<Run> {
  const { scenario, target } = await openOn(way);
  const peers = await connectPeers(target, options);
  peers.forEach((peer, connection) => {
    sendAll(peer, connection);
    andThen(peer);
  });
  await Promise.all(peers.map(arrival));
  const stopped = await scenario.stop();
  return { stopped, seen: await Promise.all(peers.map(seenBy)) };
}

/** Every peer leaves without a word once the server has read its requests. */
async function sendAndLeave(
  way: Way,
  leave: (peer: RawClient) => void,
  arrival?: (server: Server) => Promise<unknown>,
): Promise<Stopped> {
  const { scenario, target } = await openOn(way);
  const peers = await connectPeers(target);
  peers.forEach(sendAll);
  await Promise.all(peers.map(allRead));
  peers.forEach(leave);
  await arrival?.(scenario.server);
  return scenario.stop();
}

/** Resolves when the server knows of all its peers that they hear nothing any more. */
function allReset({ connections }: Server): Promise<unknown> {
  const signals = [...connections].map(({ signal }) => signal);
  return Promise.all(signals.filter(({ aborted }) => !aborted).map((signal) => once(signal, "abort")));
}

function playedBy(stopped: Stopped, expectEnd: () => void): Played {
  return { before: stopped.before, report: stopped.report, expectEnd };
}

function served({ stopped, seen }: Run): Played {
  return playedBy(stopped, () => {
    expect(outcomeOf(stopped)).toEqual(allServed);
    expect(seen).toEqual(servedPeers);
  });
}

const everyoneLeft = { total: CONNECTIONS, left: CONNECTIONS };

/**
 * Everything was served for peers that had left, and nobody could be given the replies, but for those that something on
 * the way has taken.
 */
function expectLeft(
  stopped: Stopped,
  { countsFromBefore }: Traits,
  reasons: readonly Leaving[],
  takenOfEach: number,
): void {
  const { undelivered } = stopped.report.messages;
  const { troubled } = outcomeOf(stopped).report;
  const connections = { ...everyoneLeft, unproven: CONNECTIONS };
  expect(troubled).toHaveLength(CONNECTIONS);
  expect(reasons).toEqual(expect.arrayContaining([...new Set(troubled)]));
  expect(outcomeOf(stopped)).toEqual(
    ended(TOTAL, reportWith("unconfirmed", connections, { served: TOTAL, undelivered }, troubled)),
  );
  const sinceTheStop = TOTAL - stopped.before;
  const fromBefore = countsFromBefore ? Math.min(stopped.before, CONNECTIONS) : 0;
  expect(undelivered).toBeGreaterThanOrEqual(sinceTheStop - takenOfEach * CONNECTIONS);
  expect(undelivered).toBeLessThanOrEqual(sinceTheStop + fromBefore);
}

export const pipelined: Scene = {
  title: "serves and answers 25 of 25 requests that were received before the stop",
  play: async (way) => served(await sendAndThen(way)),
};

export const runAndSignal: Scene = {
  title: "serves and answers 25 of 25 before `run` settles, when its `shutdown` signal aborts",
  async play(way) {
    const scenario = new Scenario();
    const shutdown = new AbortController();
    const running = scenario.server.run({ listen: await way.host(), signals: { shutdown: shutdown.signal } });
    const peers = await connectPeers(await way.entrance(await scenario.listening()));
    peers.forEach(sendAll);
    await Promise.all(peers.map(allRead));
    const stopped = await scenario.stop(() => {
      shutdown.abort();
      return running;
    });
    return served({ stopped, seen: await Promise.all(peers.map(seenBy)) });
  },
};

export const closeBehind: Scene = {
  title:
    "serves and answers peers that send Close right behind their requests, and echoes it after the replies",
  async play(way) {
    const { stopped, seen } = await sendAndThen(way, (peer) => peer.sendClose(1000, "bye"), {
      answersClose: false,
    });
    return playedBy(stopped, () => {
      expect(outcomeOf(stopped)).toEqual(ended(TOTAL, reportWith("clean", everyoneLeft, { served: TOTAL })));
      expect(seen).toEqual(seen.map((_, connection) => servedPeer(connection, { code: 1000, reason: "" })));
    });
  },
};

/** What peers see whose proxy has ended everything when they ended their side: 0 of 5 replies. */
const cutOff: Seen = { messages: [], close: undefined, ended: "FIN", violation: undefined };

export const halfClosed: Scene = {
  title: "serves peers that end their side of TCP without Close, and answers those that can still read",
  async play(way) {
    const { halfClosed: outcome, repliesTakenForTheGone } = way.traits;
    const end = (peer: RawClient): void => peer.end();
    if (outcome !== "still reads") {
      // Nothing comes back that could say what has arrived.
      const { stopped, seen } = await sendAndThen(way, end, {}, (peer) => peer.closed());
      return playedBy(stopped, () => {
        // What stands between may take a reply and give it to nobody.
        expectLeft(stopped, way.traits, outcome, repliesTakenForTheGone);
        expect(seen).toEqual(seen.map(() => cutOff));
      });
    }
    const { stopped, seen } = await sendAndThen(way, end);
    return playedBy(stopped, () => {
      // A FIN proves nothing about what was on the wire before it.
      const connections = { ...everyoneLeft, unproven: CONNECTIONS };
      expect(outcomeOf(stopped)).toEqual(ended(TOTAL, reportWith("clean", connections, { served: TOTAL })));
      expect(seen).toEqual(seen.map((_, connection) => servedPeer(connection, RESTART)));
    });
  },
};

export const gone: Scene = {
  title: "serves peers that are gone by then, and reports that nobody got their replies",
  async play(way) {
    // Closed in both directions, with everything read: FIN now, a reset for whatever is sent to it later.
    const stopped = await sendAndLeave(way, (peer) => peer.destroy());
    const { gone: reasons, repliesTakenForTheGone } = way.traits;
    return playedBy(stopped, () => expectLeft(stopped, way.traits, reasons, repliesTakenForTheGone));
  },
};

export const reset: Scene = {
  title: "serves peers that reset, and reports that nobody got their replies",
  async play(way) {
    const { reset: reasons, repliesTakenForTheGone } = way.traits;
    // Where the reset comes in as one, it is waited for, and no reply is taken. A FIN is not told to handlers.
    const comesIn = !reasons.includes("gone");
    const stopped = await sendAndLeave(way, (peer) => peer.reset(), comesIn ? allReset : undefined);
    return playedBy(stopped, () =>
      expectLeft(stopped, way.traits, reasons, comesIn ? 0 : repliesTakenForTheGone),
    );
  },
};
