/** The peers of the scenario, on our own frames: what they send, and what they saw. */
import { onTestFinished } from "vitest";
import { Opcode } from "../../src/wire/frame.js";
import { openRaw, type RawClient, type RawClientOptions, type Target } from "../tools/raw-client.js";
import { CONNECTIONS, repliesTo, request, REQUESTS, requestsOf } from "../tools/scenario.js";
import { work } from "../tools/timing.js";

/** Connects the peers of one scenario. */
export async function connectPeers(target: Target, options: RawClientOptions = {}): Promise<RawClient[]> {
  const peers = await Promise.all(Array.from({ length: CONNECTIONS }, () => openRaw(target, options)));
  onTestFinished(() => peers.forEach((peer) => peer.destroy()));
  return peers;
}

/** Sends all requests of a connection at once, and a Ping behind them. */
export function sendAll(peer: RawClient, connection: number): void {
  for (const text of requestsOf(connection)) peer.send(text);
  peer.sendFrame(Opcode.ping, "have you read them?");
}

/** Resolves when the server has read all that `sendAll` has sent: its Pong says so. */
export function allRead(peer: RawClient): Promise<void> {
  return peer.until(() => peer.pongs.length > 0);
}

/** What a peer saw, from the first reply to the end of its socket. */
export async function seenBy(peer: RawClient) {
  await peer.closed();
  const { messages, close, ended, violation } = peer;
  return { messages, close, ended, violation };
}

export const RESTART = { code: 1012, reason: "service restart" };

/** What a peer sees when all goes well: its replies in order, Close, FIN. */
export function servedPeer(connection: number, close: { code: number; reason: string } = RESTART) {
  return { messages: repliesTo(connection), close, ended: "FIN", violation: undefined };
}

/** What all peers see when all goes well. */
export const servedPeers = Array.from({ length: CONNECTIONS }, (_, connection) => servedPeer(connection));

export interface ConversationOptions {
  requests?: number;
  /** Milliseconds between a reply and the next request. */
  think?: number;
}

/** Asks, waits for the reply and asks again, until all is asked or the server says Close. Resolves with what it asked. */
export async function converse(
  peer: RawClient,
  connection: number,
  { requests = REQUESTS, think = 0 }: ConversationOptions = {},
): Promise<string[]> {
  const sent: string[] = [];
  const isOver = (): boolean => peer.close !== undefined || peer.gone;
  for (let index = 0; index < requests && !isOver(); index++) {
    sent.push(request(connection, index));
    peer.send(request(connection, index));
    await peer.until(() => peer.messages.length > index || isOver());
    if (think > 0) await work(think);
  }
  return sent;
}
