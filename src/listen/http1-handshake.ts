/** The opening handshake over HTTP/1.1 (RFC 6455 §4). */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { readHandshake, switchingProtocols, type RequestHead } from "../wire/handshake.js";
import type { Offer, OpeningHandshake } from "./opening-handshake.js";
import type { ClientTls } from "./options.js";
import type { Refusal, Refusals } from "./refusal.js";
import { headOf } from "./request-head.js";

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

export class Http1Handshake implements OpeningHandshake {
  readonly head: RequestHead;
  readonly stream: Duplex;
  readonly early: Buffer;
  readonly acceptedAt: number;
  readonly #refusals: Refusals;
  #key = "";

  /** What an HTTP server's 'upgrade' comes with, when its socket was accepted, and who refuses it. */
  constructor(
    request: IncomingMessage,
    stream: Duplex,
    early: Buffer,
    acceptedAt: number,
    refusals: Refusals,
  ) {
    this.head = headOf(request);
    this.stream = stream;
    this.early = early;
    this.acceptedAt = acceptedAt;
    this.#refusals = refusals;
  }

  get remoteAddress(): string {
    return (this.stream as Partial<Socket>).remoteAddress ?? "";
  }

  get tls(): ClientTls | undefined {
    const socket = this.stream as Partial<TLSSocket>;
    if (socket.encrypted !== true) return undefined;
    return { certificate: socket.getPeerX509Certificate?.(), authorized: socket.authorized === true };
  }

  read(): Offer | Refusal {
    const handshake = readHandshake(this.head);
    if ("key" in handshake) this.#key = handshake.key;
    return handshake;
  }

  accept(protocol: string | undefined, extensions: string | undefined): void {
    // Frames leave as whole writes once per tick; Nagle would only hold them back.
    (this.stream as Partial<Socket>).setNoDelay?.(true);
    // Who expects a 100 MUST get it before the 101 (RFC 9110 §7.8).
    const interim = this.head.headers["expect"]?.toLowerCase() === "100-continue" ? CONTINUE : "";
    this.stream.write(interim + switchingProtocols(this.#key, protocol, extensions));
  }

  refuse(refusal: Refusal): void {
    this.#refusals.refuse(this.stream, refusal, this.head);
  }
}
