/**
 * Peers that misbehave, each in one way. They know no test runner: a test, or a drill, starts one against a server and
 * destroys it.
 */
import { answersPingsLate, neverAnswersClose, neverAnswersPing } from "./answering.js";
import { floods, sendsThroughClose } from "./flooding.js";
import { halfCloses, resets, sendsAndLeaves } from "./leaving.js";
import { neverReads, readsSlowly, stopsReading } from "./reading.js";
import { holdsUpgrade, saysNothing, stopsInFrame, stopsInMessage } from "./stopping.js";

export { FaultyPeer } from "./faulty-peer.js";

/** Every fault under its name: how to start it, and what it does in a sentence. */
export const faults = {
  neverReads: { start: neverReads, does: "asks and never reads" },
  readsSlowly: { start: readsSlowly, does: "reads 1 kB/s" },
  stopsReading: { start: stopsReading, does: "stops reading in the middle of a reply" },
  neverAnswersPing: { start: neverAnswersPing, does: "never answers Ping" },
  neverAnswersClose: { start: neverAnswersClose, does: "never answers Close" },
  answersPingsLate: { start: answersPingsLate, does: "answers every Ping late" },
  halfCloses: { start: halfCloses, does: "ends its side of TCP without Close and waits for its replies" },
  resets: { start: resets, does: "resets while its requests are worked on" },
  sendsAndLeaves: { start: sendsAndLeaves, does: "sends a million tiny messages and leaves" },
  floods: { start: floods, does: "floods without a pause" },
  sendsThroughClose: { start: sendsThroughClose, does: "goes on sending through the Close" },
  stopsInFrame: { start: stopsInFrame, does: "stops in the middle of a frame" },
  stopsInMessage: { start: stopsInMessage, does: "stops in the middle of a fragmented message" },
  holdsUpgrade: { start: holdsUpgrade, does: "sends half of its upgrade request" },
  saysNothing: { start: saysNothing, does: "connects and says nothing" },
} as const;
