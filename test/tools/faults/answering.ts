/** Peers that do not answer control frames, or late. */
import { Opcode } from "../../../src/wire/frame.js";
import { askFaulty, type Fault, type FaultOptions, type FaultyPeer } from "./faulty-peer.js";

/** Asks, and answers no Ping. */
export const neverAnswersPing: Fault = (target, options) =>
  askFaulty(target, options, { answersPing: false });

/** Asks, and does not answer Close. It ends TCP when the server does. */
export const neverAnswersClose: Fault = (target, options) =>
  askFaulty(target, options, { answersClose: false });

export interface AnswersPingsLateOptions extends FaultOptions {
  /** Milliseconds by which a Pong is late. Default 200. */
  delay?: number;
}

/** Asks, and answers every Ping, each so much later. */
export const answersPingsLate: Fault<AnswersPingsLateOptions> = async (target, options = {}) => {
  const peer = await askFaulty(target, options, { answersPing: false });
  void answerLate(peer, options.delay ?? 200);
  return peer;
};

async function answerLate({ client, done }: FaultyPeer, delay: number): Promise<void> {
  const timers = new Set<NodeJS.Timeout>();
  void done.then(() => timers.forEach(clearTimeout));
  for (let next = 0; !client.gone; next++) {
    await client.until(() => client.pings.length > next || client.gone);
    const ping = client.pings[next];
    if (ping !== undefined) timers.add(setTimeout(() => client.sendFrame(Opcode.pong, ping), delay));
  }
}
