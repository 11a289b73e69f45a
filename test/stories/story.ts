/** A story of a shutdown: who is connected, what they do, what the handler does, and how the server is told to stop. */
import type { DrainOptions, ServerOptions } from "../../src/index.js";
import { ms } from "../tools/timing.js";
import { Random } from "../wire/random.js";

/** What a peer is like. Each sends its messages at once, unless it is said otherwise. */
const PEER_KINDS = {
  polite: "answers Ping, Close and FIN",
  conversing: "sends each message after the reply to the one before",
  "late to answer": "answers Pings late",
  "silent on Ping": "answers no Ping",
  "silent on Close": "answers no Close",
  "silent on FIN": "answers no FIN",
  "sending on": "sends through the Close, and answers it then",
  closing: "sends Close behind its messages",
  "half-closing": "ends its side of TCP behind its messages",
  resetting: "resets the connection behind its messages",
  vanishing: "closes its socket behind its messages",
  "not reading": "never reads a byte after the handshake",
  "stopping in a frame": "sends half a frame behind its messages, and no more",
  "stopping in a message": "sends the first fragment of a message behind its messages, and no more",
  violating: "breaks the protocol behind its messages",
  "late with its handshake": "is connected, and asks to be upgraded when the shutdown has begun",
  "without a word": "is connected, and says nothing",
  "coming late": "connects when the shutdown has begun",
} as const;
export type PeerKind = keyof typeof PEER_KINDS;

export interface PeerPlan {
  kind: PeerKind;
  messages: number;
  /** Bytes that are added to each message. */
  padding: number;
}

/** What the handler is like. */
const HANDLER_KINDS = {
  serial: "takes one message after the other",
  concurrent: "has three in hand at once, by each()",
  deferring: "leaves the answers to waitUntil()",
  returning: "returns after some messages",
  throwing: "throws at some message",
  pushing: "asks for no message and pushes until it is told of the drain",
  stuck: "never returns from some message, and ignores everything",
  overstaying: "gives waitUntil() a promise that never settles, at some message",
  "doing nothing": "never asks for a message and never returns",
} as const;
export type HandlerKind = keyof typeof HANDLER_KINDS;

/** Handlers that only the deadline ends. */
export const NEVER_ENDING: readonly HandlerKind[] = ["stuck", "overstaying", "doing nothing"];

export interface HandlerPlan {
  kind: HandlerKind;
  /** Milliseconds that a message takes. */
  work: number;
  /** At which message it returns, throws or gets stuck. */
  at: number;
  /** Bytes that are added to each reply. */
  padding: number;
}

/** What is done after the first call of `shutdown()`, so many ms later. */
type Intervention = { after: number } & (
  | { call: "close" }
  | { call: "shutdown"; options: Partial<DrainOptions> }
  /** The signal again that the story is stopped by. */
  | { call: "signal" }
);

export interface Story {
  seed: number;
  tls: boolean;
  compression: boolean;
  peers: PeerPlan[];
  handler: HandlerPlan;
  options: ServerOptions;
  drain: Partial<DrainOptions>;
  /** A signal of the operating system that stops it, instead of a call of `shutdown()`. */
  signal?: NodeJS.Signals;
  /** Whether it is told to stop when all messages have been read, or when the first was started. */
  stopWhen: "all are read" | "the first is started";
  interventions: Intervention[];
}

const SOME = [0, 1, 2, 5, 10, 30];

function randomPeer(random: Random): PeerPlan {
  // Half of them do nothing wrong: what others do must not hurt them.
  const kinds = Object.keys(PEER_KINDS) as PeerKind[];
  const kind = random.chance(40) ? random.pick(["polite", "conversing"] as const) : random.pick(kinds);
  return { kind, messages: random.pick(SOME), padding: random.pick([0, 0, 0, 100, 3_000, 70_000]) };
}

function randomHandler(random: Random): HandlerPlan {
  const kinds = Object.keys(HANDLER_KINDS) as HandlerKind[];
  return {
    kind: random.chance(50) ? "serial" : random.pick(kinds),
    work: random.pick([0, 1, 5, 15]),
    at: random.below(6),
    padding: random.pick([0, 0, 0, 2_000, 100_000]),
  };
}

function randomDrain(random: Random, handler: HandlerPlan): Partial<DrainOptions> {
  // The longest is only reached when something hangs that should not.
  const deadlines = NEVER_ENDING.includes(handler.kind) ? [700, 1_000] : [700, 1_000, 1_500, 8_000, 8_000];
  const drain: Partial<DrainOptions> = {
    deadline: ms(random.pick(deadlines)),
    quiet: random.pick([0, ms(20), ms(50)]),
    patience: ms(random.pick([100, 300, 600])),
    barrierTimeout: ms(random.pick([100, 200])),
    handshakeGrace: ms(random.pick([100, 200])),
    closeTimeout: ms(random.pick([150, 250])),
    lingerTimeout: ms(100),
    pace: random.pick([Infinity, 5_000, 100]),
  };
  if (random.chance(25)) drain.lastCall = ms(random.pick([50, 200]));
  // Before the last call, as it must be.
  if (random.chance(20))
    drain.lameDuck = Math.min(ms(random.pick([30, 100])), (drain.lastCall ?? Infinity) / 2);
  if (random.chance(20)) drain.code = random.pick([1001, 4000]);
  return drain;
}

function randomIntervention(random: Random): Intervention {
  const after = ms(random.pick([0, 10, 50, 200]));
  return random.chance(50)
    ? { after, call: "close" }
    : { after, call: "shutdown", options: { deadline: ms(random.pick([100, 300])) } };
}

/** The story that a seed makes, with some of it given. */
export function storyOf(seed: number, given: Partial<Story> = {}): Story {
  const random = new Random(seed, 0);
  const handler = randomHandler(random);
  const story: Story = {
    seed,
    tls: random.chance(20),
    compression: random.chance(30),
    peers: Array.from({ length: 1 + random.below(6) }, () => randomPeer(random)),
    handler,
    options: {
      inboxLimit: { messages: random.pick([2, 16, 1024]) },
      highWaterMark: random.pick([1_000, 64 * 1024]),
      heartbeat: false,
    },
    drain: randomDrain(random, handler),
    stopWhen: random.chance(50) ? "all are read" : "the first is started",
    interventions: random.chance(20) ? [randomIntervention(random)] : [],
  };
  return { ...story, ...given, drain: { ...story.drain, ...given.drain } };
}
