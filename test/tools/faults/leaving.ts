/** Peers that leave without a word, or that have said everything before anybody could answer. */
import { resetSocket } from "../connect.js";
import { askFaulty, openFaulty, type Fault, type FaultOptions } from "./faulty-peer.js";

/** Asks, ends its side of TCP without Close, and reads on. */
export const halfCloses: Fault = async (target, options) => {
  const peer = await askFaulty(target, options);
  peer.client.end();
  return peer;
};

export interface ResetsOptions extends FaultOptions {
  /** When it resets. Default: when the server has read all that it sent. */
  when?: Promise<unknown>;
}

/** Asks, and resets. */
export const resets: Fault<ResetsOptions> = async (target, options = {}) => {
  const peer = await askFaulty(target, options);
  peer.client.ping("have you read them?");
  await (options.when ?? peer.client.until(() => peer.client.pongs.length > 0));
  resetSocket(peer.client.socket);
  return peer;
};

export interface SendsAndLeavesOptions extends Omit<FaultOptions, "requests"> {
  /** How many messages it sends. Default 1 000 000. */
  count?: number;
  /** How it goes: Close and FIN behind the last message, or RST as soon as that is with the kernel. Default Close. */
  by?: "Close" | "RST";
}

/** Sends a million tiny messages and leaves. */
export const sendsAndLeaves: Fault<SendsAndLeavesOptions> = async (target, options = {}) => {
  const { count = 1_000_000, by = "Close" } = options;
  const peer = await openFaulty(target, { request: () => "x", ...options });
  const sent = peer.pour(count);
  if (by === "RST") {
    await sent;
    resetSocket(peer.client.socket);
    return peer;
  }
  void sent.then(() => {
    peer.client.sendClose(1000);
    peer.client.end();
  });
  return peer;
};
