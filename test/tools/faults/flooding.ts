/** Peers that send more than anybody has asked for. */
import { openFaulty, type Fault, type FaultOptions } from "./faulty-peer.js";

export interface FloodOptions extends Omit<FaultOptions, "requests"> {
  /** Messages after which it has enough. Default: never. */
  count?: number;
  /** Milliseconds after which it has enough. Default 10 000. */
  duration?: number;
}

function clockOf({ duration = 10_000 }: FloodOptions): () => boolean {
  const end = performance.now() + duration;
  return () => performance.now() >= end;
}

/** Sends without a pause, as fast as the socket takes it, until the server says Close; then it answers, and ends. */
export const floods: Fault<FloodOptions> = async (target, options = {}) => {
  // Its answer to Close stands behind what it has sent by then: the client gives it at once.
  const peer = await openFaulty(target, options);
  const isOver = clockOf(options);
  void peer.pour(options.count ?? Infinity, () => peer.client.close !== undefined || isOver());
  return peer;
};

export interface SendsThroughCloseOptions extends FloodOptions {
  /** Messages that it sends behind the server's Close before it answers. Default 1 000; Infinity: it never answers. */
  afterClose?: number;
}

/** Floods, and goes on behind the server's Close; then it answers, if it ever does. */
export const sendsThroughClose: Fault<SendsThroughCloseOptions> = async (target, options = {}) => {
  const { afterClose = 1000, count = Infinity } = options;
  const peer = await openFaulty(target, options, { answersClose: false });
  const { client } = peer;
  const isOver = clockOf(options);
  void (async () => {
    await peer.pour(count, () => client.close !== undefined || isOver());
    await peer.pour(peer.sent + afterClose, () => client.ended !== undefined || isOver());
    if (afterClose < Infinity) client.sendClose(client.close?.code);
  })();
  return peer;
};
