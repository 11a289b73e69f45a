/** What the way in needs to be told: those of the server's options that are about handshakes. */
import type { X509Certificate } from "node:crypto";
import type { RequestHead } from "../wire/handshake.js";
import type { CompressionNegotiator } from "./compression-offer.js";

/** Chooses the subprotocol: gets what the client offers, returns one of them or undefined. */
export type ProtocolChoice = (offered: readonly string[], request: RequestHead) => string | undefined;

/** What TLS knows of the client. */
export interface ClientTls {
  /** The client's certificate; undefined when it sent none, as when it was not asked for one (`requestCert`). */
  certificate: X509Certificate | undefined;
  /** Whether that certificate was verified. With `rejectUnauthorized: false` anybody may have made it. */
  authorized: boolean;
}

/** What `authenticate` may decide by, beside the request. */
export interface AuthenticateContext {
  /**
   * Aborts when nobody waits for the answer any more: the client's socket is gone, or `handshakeTimeout` is over. Also
   * when the client has ended its side without having sent anything behind the request, as one does that leaves.
   */
  signal: AbortSignal;
  /** The address of the socket's other end, which may be a proxy. Empty on a Unix socket. */
  remoteAddress: string;
  /** What TLS knows of the client; undefined without TLS. A proxy that ends TLS is a client without it. */
  tls: ClientTls | undefined;
}

/**
 * Who connects: the principal. Who has none to tell returns `true`, which is the principal then. Whatever is falsy
 * refuses with 401: undefined, null and false, which a look-up returns that has found nobody, and an empty string, 0
 * and NaN too.
 */
export type Verdict<Principal> = Principal | false | null | undefined | "" | 0 | 0n;

/** Decides who connects. */
export type Authenticate<Principal> = (
  request: RequestHead,
  context: AuthenticateContext,
) => Verdict<Principal> | Promise<Verdict<Principal>>;

/** Options that are complete and allowed. */
export interface UpgradeOptions<Principal> {
  path: string | undefined;
  protocols: readonly string[] | ProtocolChoice;
  origins: readonly string[] | "*" | undefined;
  authenticate: Authenticate<Principal> | undefined;
  handshakeTimeout: number;
  /** Agrees on compression, when it is on. */
  compression: CompressionNegotiator | undefined;
}
