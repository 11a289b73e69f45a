/** What the way in needs to be told: those of the server's options that are about handshakes. */
import type { RequestHead } from "../wire/handshake.js";
import type { CompressionNegotiator } from "./compression-offer.js";

/** Chooses the subprotocol: gets what the client offers, returns one of them or undefined. */
export type ProtocolChoice = (offered: readonly string[], request: RequestHead) => string | undefined;

/** Decides who connects. */
export type Authenticate<Principal> = (
  request: RequestHead,
  context: { signal: AbortSignal },
) => Principal | Promise<Principal>;

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
