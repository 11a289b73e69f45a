/** The words of the machine that ends a connection: its states, what it is told and what it asks for. */
import type { EndCause } from "./cause.js";
import type { DrainOptions } from "./options.js";

/** Where a connection stands on its way down. */
export type EndingState = "open" | "draining" | "ending" | "closing" | "lingering" | "forced" | "closed";

/** What has happened. */
export type EndingEvent =
  /** The shutdown reaches this connection, with options of its own if it has any. */
  | { type: "drain"; options?: EndingOptions }
  /** Nothing is partial, inflating, queued or in hand any more; `busy` when something is again. */
  | { type: "idle" }
  | { type: "busy" }
  /** Our back-pressure holds the socket, or no longer does. */
  | { type: "paused" }
  | { type: "resumed" }
  /** The Ping that was asked for has this number. Numbers rise with every Ping on the connection. */
  | { type: "pinged"; nonce: number }
  /** The kernel has what was accepted before that Ping, so the peer can answer it from here on. */
  | { type: "ping-sent"; nonce: number }
  /** A Pong for a Ping with this number; it answers all earlier ones too (RFC 6455 §5.5.3). */
  | { type: "pong"; nonce: number }
  /** The peer's Close was parsed. */
  | { type: "peer-close"; code: number; reason: string }
  /** The peer's FIN was read. */
  | { type: "peer-end" }
  /** The stream is broken: the peer will be told with this code once what came before is served. */
  | { type: "violation"; code: number; reason: string }
  /** The application closes. */
  | { type: "close"; code: number; reason: string }
  | { type: "handler-settled"; failed: boolean }
  /** Bytes wait to be sent, or none do any more. */
  | { type: "unsent" }
  | { type: "sent" }
  /** A part of what waited has gone out. */
  | { type: "progress" }
  /** What is to be sent waits for our compressor, or has done so until now: no peer is to blame for that time. */
  | { type: "compressing" }
  /** The kernel was looked at: the peer's side has acknowledged so many bytes in all, and so many more are on the way. */
  | { type: "looked"; acknowledged: number; unacknowledged: number }
  | { type: "last-call" }
  | { type: "force" }
  /** More waits for the peer to read than may: it is told with this code, within a bound. */
  | { type: "slow-consumer"; code: number; reason: string; detail: string }
  /** Nothing can be done for it any more: the heartbeat found the peer dead, for one. */
  | { type: "fail"; cause: EndCause; detail?: string }
  /** `reset`: with an error, of which this is the system's name. */
  | { type: "socket-closed"; reset: boolean; detail?: string }
  /** Time has passed; due when `wakeAt` says so. */
  | { type: "tick" };

/** What is to be done. */
export type EndingAction =
  /** Send a Ping and tell its number with `pinged`. */
  | { type: "ping" }
  /** Send a Ping of which no answer is awaited: a peer that is gone resets the connection. */
  | { type: "probe" }
  /** The input ends here: what is queued is still delivered, what comes later is handed back, and reading goes on. */
  | { type: "cut" }
  /** Give up on what is queued: handed back, or abandoned when the connection is forced. */
  | { type: "drop-queue"; as: "handed back" | "abandoned" }
  /** Send what waits, then Close; nothing is sent after it. */
  | { type: "close"; code: number; reason: string }
  /** Look what the kernel still holds for the peer, and tell it with `looked`. */
  | { type: "look" }
  /** Send what waits, then FIN; reading goes on. */
  | { type: "fin" }
  /** Hand everything that waits to the socket, then FIN, without Close. */
  | { type: "flush" }
  | { type: "destroy" }
  /** Nobody can hear an answer any more. */
  | { type: "abort" }
  /** Everything is over. */
  | { type: "closed" };

/** The limits of one connection's end, in milliseconds. */
export interface EndingOptions extends Pick<
  DrainOptions,
  "patience" | "quiet" | "barrierTimeout" | "closeTimeout" | "lingerTimeout" | "code" | "reason"
> {
  /** How long the peer's Close may wait for the messages before it. */
  closeReplyTimeout: number;
  /** How long messages of a peer that is gone are still delivered. */
  goneTimeout: number;
}
