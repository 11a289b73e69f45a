/** What was seen of a run, made up: only what a test is about has to be said. */
import type { RunFacts, SeenConversation } from "../../src/drill/facts.js";
import type { Request } from "../../src/drill/conversation.js";
import { settingsOf } from "../../src/drill/options.js";
import { profiles } from "../../src/drill/profiles.js";

/** A request that was sent at `sentAt`, unless that is given as undefined. */
export function request(n: number, given: Partial<Request> = {}): Request {
  return { n, id: `lc-test-${n}`, sentAt: 10, replies: [], ...given };
}

/** A connection that was opened at 1 and that the server ended by a Close 1001 at 100. */
export function conversation({
  client,
  ...given
}: Partial<Omit<SeenConversation, "client">> & {
  client?: Partial<SeenConversation["client"]>;
} = {}): SeenConversation {
  return {
    number: 1,
    role: "profile",
    otherMessages: 0,
    upgradeSentAt: 0,
    waited: false,
    requests: [],
    ...given,
    client: {
      connectedAt: 0,
      openedAt: 1,
      refused: undefined,
      refusedByAnswer: false,
      refusedAt: undefined,
      close: { at: 100, code: 1001, reason: "" },
      closeSentAt: 100,
      finSentAt: 101,
      finAt: 101,
      resetAt: undefined,
      endedAt: 102,
      endedFirst: "server",
      violation: undefined,
      ...client,
    },
  };
}

/** A client that was turned away at `refusedAt`. */
export function turnedAway(refused: string, refusedAt: number): Partial<SeenConversation["client"]> {
  const nothing = { closeSentAt: undefined, finAt: undefined, endedFirst: undefined };
  return { ...nothing, openedAt: undefined, close: undefined, refused, refusedAt, endedAt: refusedAt };
}

/** A run whose load began at 0, with the signal at 50, and an exit with code 0 at 110. */
export function runFacts(given: Partial<RunFacts> = {}): RunFacts {
  return {
    profileName: "pipelined",
    profile: profiles.pipelined,
    repeat: 1,
    settings: settingsOf({ seed: 1 }),
    conversations: [],
    loadBegan: 0,
    signalAt: 50,
    endedAt: 110,
    exit: { code: 0, signal: undefined, at: 110 },
    hasProcess: true,
    isChild: true,
    pid: 4711,
    output: [],
    hung: false,
    hadOrphans: false,
    hadChildren: false,
    interrupted: false,
    effects: undefined,
    servesHalfClosed: true,
    stoodStill: false,
    load: { cpu: 0.1, longestStall: 5 },
    ...given,
  };
}
