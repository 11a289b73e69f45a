/** Peers that begin something and do not finish it. */
import { encodeFrame, Opcode } from "../../../src/wire/frame.js";
import { askFaulty, connectFaulty, type Fault } from "./faulty-peer.js";

const MASK = Buffer.from([1, 2, 3, 4]);

/**
 * Asks, sends half of a frame and stops. It reads on, but can answer nothing: whatever it sent would be taken for the
 * rest of the frame. It ends TCP when the server does.
 */
export const stopsInFrame: Fault = async (target, options) => {
  const peer = await askFaulty(target, options, { answersPing: false, answersClose: false });
  const frame = encodeFrame(Opcode.text, "never said in full", { mask: MASK });
  peer.client.write(frame.subarray(0, frame.length / 2));
  return peer;
};

/** Asks, sends the first fragment of a message and no other. Control frames may come between, so it answers them. */
export const stopsInMessage: Fault = async (target, options) => {
  const peer = await askFaulty(target, options);
  peer.client.sendFrame(Opcode.text, "the first of two", false);
  return peer;
};

/** Sends half of the request that would open a WebSocket. */
export const holdsUpgrade: Fault = async (target, options = {}) => {
  const peer = await connectFaulty(target, options);
  const { path = "/" } = options;
  peer.client.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnec`);
  return peer;
};

/** Connects, over TLS with its handshake, and says nothing. */
export const saysNothing: Fault = (target, options) => connectFaulty(target, options);
