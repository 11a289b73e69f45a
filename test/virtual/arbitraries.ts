/** Random peers, handlers, options and whole worlds. Times are whole milliseconds, so that bounds are exact. */
import fc from "fast-check";
import type { DrainOptions } from "../../src/drain/options.js";
import type { PeerScript, PeerStep } from "./virtual-peer.js";
import type { HandlerScript } from "./watched-connection.js";
import type { WorldConnection, WorldScript } from "./world.js";

/** Peers send and leave within this time. */
export const LIVELY = 3_000;

function ms(min: number, max: number): fc.Arbitrary<number> {
  return fc.integer({ min, max });
}

/** Of these, 20, 50 and 80 % are whole milliseconds too. */
export function tens(min: number, max: number): fc.Arbitrary<number> {
  return ms(min / 10, max / 10).map((ten) => 10 * ten);
}

const endings = fc.constantFrom("close", "malformed", "fin", "leave", "reset");

const sendSteps = fc.array(
  fc.record({
    at: ms(0, LIVELY),
    what: fc.constant<"send">("send"),
    unfinished: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, ms(1, 400)),
  }),
  { maxLength: 12 },
);

/** Sends at any time, and ends the connection in any way or not at all. */
const steps: fc.Arbitrary<PeerStep[]> = fc
  .tuple(sendSteps, fc.array(fc.record({ at: ms(0, LIVELY), what: endings }), { maxLength: 2 }))
  .map(([sent, ends]) => [...sent, ...ends]);

const conversation = fc.record({ messages: fc.constantFrom(0, 0, 1, 5, 30), think: ms(0, 400) });

/** Any peer at all. */
const anyPeer: fc.Arbitrary<PeerScript> = fc.record({
  // What answers comes later than what it answers: so the two are told apart by their times.
  delay: ms(1, 300),
  steps,
  conversation,
  answersPing: fc.boolean(),
  answersClose: fc.boolean(),
  endsTcp: fc.boolean(),
  sendsThroughClose: fc.boolean(),
  readTime: fc.constantFrom(0, 0, 0, 1, 40, 700, Infinity),
});

/** Stays, reads, and answers everything. */
const loyalPeer: fc.Arbitrary<PeerScript> = fc.record({
  delay: ms(0, 150),
  steps: sendSteps,
  conversation,
  answersPing: fc.constant(true),
  answersClose: fc.constant(true),
  endsTcp: fc.constant(true),
  sendsThroughClose: fc.constant(false),
  readTime: fc.constantFrom(0, 0, 1, 20),
});

/** Serves until its input ends, in finite time. */
const patientHandler: fc.Arbitrary<HandlerScript> = fc.record({
  work: fc.array(ms(0, 400), { minLength: 1, maxLength: 4 }),
});

const anyHandler: fc.Arbitrary<HandlerScript> = fc.record({
  work: fc.array(fc.oneof({ weight: 9, arbitrary: ms(0, 400) }, fc.constant(Infinity)), {
    minLength: 1,
    maxLength: 4,
  }),
  stops: fc.option(
    fc.record({
      after: fc.nat(6),
      how: fc.constantFrom<"returns" | "throws" | "hangs">("returns", "throws", "hangs"),
    }),
    { nil: undefined, freq: 2 },
  ),
  lastWords: fc.option(ms(0, 300), { nil: undefined, freq: 2 }),
  strays: fc.array(ms(0, 2 * LIVELY), { maxLength: 3 }),
});

const limits = {
  inboxLimit: fc.constantFrom(Infinity, 1, 2, 5),
  highWaterMark: fc.constantFrom(Infinity, 1, 3),
  kernelBuffer: fc.constantFrom(Infinity, 1, 5),
};

export const anyConnection: fc.Arbitrary<WorldConnection> = fc.record({
  peer: anyPeer,
  handler: anyHandler,
  ...limits,
  closesAt: fc.option(ms(0, LIVELY), { nil: undefined, freq: 4 }),
});

/** Nothing goes wrong here, however slow it is. */
const loyalConnection: fc.Arbitrary<WorldConnection> = fc.record({
  peer: loyalPeer,
  handler: patientHandler,
  ...limits,
});

const anyDrain: fc.Arbitrary<Partial<DrainOptions>> = fc
  .record({
    deadline: tens(100, 8_000),
    share: fc.constantFrom(0.2, 0.5, 0.8, 1),
    patience: fc.oneof(ms(0, 4_000), fc.constant(Infinity)),
    quiet: fc.oneof(ms(0, 500), fc.constant(Infinity)),
    barrierTimeout: ms(1, 2_000),
    closeTimeout: ms(1, 3_000),
    lingerTimeout: ms(1, 1_000),
    lameDuck: fc.constantFrom(0, 0, 50),
    pace: fc.constantFrom(Infinity, 1),
  })
  .map(({ share, ...options }) => ({ ...options, lastCall: share * options.deadline }));

/** A drain that takes its time: only peers and handlers can end it early. */
const calmDrain: fc.Arbitrary<Partial<DrainOptions>> = fc.record({
  deadline: fc.constant(1_000_000),
  patience: ms(0, 5_000),
  quiet: ms(0, 500),
  barrierTimeout: ms(1, 3_000),
});

export type OneWorld = Partial<WorldScript> & { connections: [WorldConnection] };

const surroundings = {
  shutdownAt: ms(0, LIVELY),
  closeReplyTimeout: ms(1, 2_000),
  goneTimeout: ms(1, 2_000),
};

function one(connection: fc.Arbitrary<WorldConnection>): fc.Arbitrary<[WorldConnection]> {
  return fc.tuple(connection);
}

/** One connection of any kind, and a shutdown of any kind. */
export const anyWorld: fc.Arbitrary<OneWorld> = fc.record({
  connections: one(anyConnection),
  drain: anyDrain,
  ...surroundings,
});

/** One loyal peer with a patient handler, and a shutdown without haste. */
export const loyalWorld: fc.Arbitrary<OneWorld> = fc.record({
  connections: one(loyalConnection),
  drain: calmDrain,
  ...surroundings,
});

/** Some connections of any kind at once. */
export const crowdedWorld: fc.Arbitrary<Partial<WorldScript>> = fc.record({
  connections: fc.array(anyConnection, { maxLength: 5 }),
  drain: anyDrain,
  ...surroundings,
});
