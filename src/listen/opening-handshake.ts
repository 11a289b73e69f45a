/**
 * A request to become a WebSocket, and the way to answer it. A listener makes it of whatever HTTP it speaks; who is let
 * in, and when that is decided, is the same for all (upgrade.ts).
 */
import type { Duplex } from "node:stream";
import type { Handshake, RequestHead } from "../wire/handshake.js";
import type { ClientTls } from "./options.js";
import type { Refusal } from "./refusal.js";

/** What a client offers. */
export type Offer = Pick<Handshake, "protocols">;

export interface OpeningHandshake {
  readonly head: RequestHead;
  /** What carries the frames once it is accepted; what is read from it before that came early. */
  readonly stream: Duplex;
  /** What came behind the request already. */
  readonly early: Buffer;
  /** When its socket was accepted, or began to ask, on the clock of `now()`: the handshake's time runs from there. */
  readonly acceptedAt: number;
  /** The address of the other end, or an empty string. */
  readonly remoteAddress: string;
  /** What TLS knows of the other end; undefined without TLS. */
  readonly tls: ClientTls | undefined;
  /** Reads what the request offers, by the rules of its HTTP version; or why it cannot be accepted. */
  read(): Offer | Refusal;
  /** Answers that it is open. Called once at most, and only after `read` has found an offer. */
  accept(protocol: string | undefined, extensions: string | undefined): void;
  /** Answers why not instead, and ends the stream. */
  refuse(refusal: Refusal): void;
}
