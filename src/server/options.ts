/** The options of a server, and their defaults in one object. How they are checked: option-checks.ts. */
import type { Connection } from "../connection/handler.js";
import type { ConnectionOptions, HeartbeatOptions, InboxLimit } from "../connection/options.js";
import { drainDefaults, type DrainOptions } from "../drain/options.js";
import { compressionDefaults, type CompressionOptions } from "../listen/compression-offer.js";
import type { Authenticate, ProtocolChoice, UpgradeOptions } from "../listen/options.js";

/** Options of `createServer`. All are optional; times are in milliseconds, sizes in bytes. */
export interface ServerOptions<Principal = unknown> {
  /** The only path to serve, without a query; others get 404. Default: any. */
  path?: string | undefined;
  /** Subprotocols in the order of preference, or a function. No match: no header. Default: none. */
  protocols?: readonly string[] | ProtocolChoice | undefined;
  /** Origins of pages that may connect, or "*". Default: the host of the request, when there is an Origin at all. */
  origins?: readonly string[] | "*" | undefined;
  /**
   * Decides who connects: returns the principal, or `true` when there is none to tell. Whatever is falsy (undefined,
   * null, false, an empty string, 0) refuses with 401; throw `UpgradeRejected` for another answer. Anything else thrown
   * is a 500 and goes to `onError`.
   */
  authenticate?: Authenticate<Principal> | undefined;
  /** Bytes a message may have. Default 1 MiB. */
  maxPayload?: number | undefined;
  /** Fragments a message may have. Default 16 384. */
  maxFragments?: number | undefined;
  /** Connections at once, those included that left and are still served. Default: no limit. */
  maxConnections?: number | undefined;
  /** What may wait to be started. Default 1 MiB or 1 024 messages. */
  inboxLimit?: Partial<InboxLimit> | undefined;
  /** `bufferedAmount` below which the next message comes. Default 64 KiB. */
  highWaterMark?: number | undefined;
  /** `bufferedAmount` at which a connection is closed with 1008, as a slow consumer. Default 16 MiB. */
  outboxLimit?: number | undefined;
  /** How long a handshake may take, from the accepted socket on, TLS included. Default 10 000. */
  handshakeTimeout?: number | undefined;
  /** How long the peer's Close may wait for the messages before it. Default 5 000. */
  closeReplyTimeout?: number | undefined;
  /** How long messages of a peer that is gone are still served. Default 30 000. */
  goneTimeout?: number | undefined;
  /** When a peer counts as dead; false: never. Default 30 s and 10 s. */
  heartbeat?: Partial<HeartbeatOptions> | false | undefined;
  /** Compresses messages (permessage-deflate, RFC 7692) for clients that can: true, or how. Default false. */
  compression?: Partial<CompressionOptions> | boolean | undefined;
  /** How the server goes down. */
  drain?: Partial<DrainOptions> | undefined;
  /**
   * Hears of errors thrown by handlers, `authenticate` and promises given to `waitUntil`. Default: they are warnings of
   * the process, once a minute for each kind.
   */
  onError?: ((error: unknown, connection?: Connection<Principal>) => unknown) | undefined;
}

/** The defaults of `ServerOptions`; for `compression`, which is off by default, what true stands for. */
export const defaults = Object.freeze({
  path: undefined,
  protocols: Object.freeze<string[]>([]),
  origins: undefined,
  authenticate: undefined,
  maxPayload: 1024 * 1024,
  maxFragments: 16_384,
  maxConnections: Infinity,
  inboxLimit: Object.freeze({ bytes: 1024 * 1024, messages: 1024 }),
  highWaterMark: 64 * 1024,
  outboxLimit: 16 * 1024 * 1024,
  handshakeTimeout: 10_000,
  closeReplyTimeout: 5_000,
  goneTimeout: 30_000,
  heartbeat: Object.freeze({ interval: 30_000, timeout: 10_000 }),
  compression: compressionDefaults,
  drain: drainDefaults,
  onError: undefined,
});

/** Options that are complete and allowed. */
export interface ResolvedOptions<Principal> extends ConnectionOptions, UpgradeOptions<Principal> {
  maxConnections: number;
  heartbeat: HeartbeatOptions | false;
  closeReplyTimeout: number;
  goneTimeout: number;
  /** What was given for the drain, and what that comes to. */
  givenDrain: Partial<DrainOptions>;
  drain: DrainOptions;
  onError: ServerOptions<Principal>["onError"];
}
