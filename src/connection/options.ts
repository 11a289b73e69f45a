/** What a connection needs to be told: those of the server's options that are about one connection. */
import type { DecoderOptions } from "../wire/decoder.js";

/** How many messages and bytes of one connection may wait to be started before reading pauses. */
export interface InboxLimit {
  /** Each message is charged its memory (a binary one: the chunk that it came in) and 128 bytes. Default 1 MiB. */
  bytes: number;
  /** Default 1 024. */
  messages: number;
}

/** When a peer counts as dead. */
export interface HeartbeatOptions {
  /** Silence after which a Ping is sent, in milliseconds. Default 30 000. */
  interval: number;
  /** How long anything may take to come after that, in milliseconds. Default 10 000. */
  timeout: number;
}

/** How much may wait to be sent on one connection, in bytes. */
export interface OutboxLimits {
  /** `bufferedAmount` below which the next message is started. */
  highWaterMark: number;
  /** `bufferedAmount` at which no further message is taken. */
  outboxLimit: number;
}

/** Options that are complete and allowed. One object for all connections of a server. */
export interface ConnectionOptions extends OutboxLimits {
  /** What connections without compression accept. */
  decoding: DecoderOptions;
  inboxLimit: InboxLimit;
}
