/**
 * The seam between a connection and whoever takes its messages: a handler with loops (handler-run.ts), or a face that is
 * called for each message. Order, limit, inflating, the cut and last call are on the connection's side and the same for
 * all; what a consumer adds is how a message is started, and when it is finished.
 *
 * test/connection/consumer-conformance.ts holds an implementation against this contract.
 */
import type { LastcallError } from "../base/errors.js";
import type { ConnectionClosed, Message } from "./handler.js";

/** Text as bytes, for whoever does not want a string made of it. It is UTF-8: that is checked all the same. */
export class TextBytes {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** A message as a consumer gets it: text as `TextBytes` where `decoding.textAsBytes` asks for it. */
export type Received = Message | TextBytes;

/** Takes the messages of one connection. */
export interface Consumer {
  /**
   * Whether a message may be started now. MUST be true only if `start` takes it at once. When it turns true, the consumer
   * MUST call `supply.ready()`, or take with `supply.take()` what it wants.
   */
  readonly wants: boolean;
  /**
   * Work in hand beside messages, each unit counted as running in the report. While it is not 0 the connection is not
   * idle. MUST call `supply.changed()` when it has changed.
   */
  readonly pending: number;
  /** The connection is open and may be sent to. Called once, before anything else. MUST NOT throw. */
  begin(): void;
  /**
   * Takes a message, which is in hand until `supply.finished`. Called in the order received and only while `wants`. MUST
   * NOT throw; MAY call everything of the supply before it returns.
   */
  start(message: Received): void;
  /** Nothing will be started any more. Called once; messages may still be in hand. MUST NOT throw. */
  end(): void;

  // What it may want to be told beside that. None of these may throw.

  /** A Ping of the peer, which is answered without its doing. The payload MUST NOT be kept: it is a view of a chunk. */
  onPing?(payload: Buffer): void;
  /** Any Pong of the peer, answers to our Pings among them. The same holds for its payload. */
  onPong?(payload: Buffer): void;
  /** A Pong for the Ping with this number, and so for all before it. */
  onPingAnswered?(nonce: number): void;
  /** `bufferedAmount` is below `highWaterMark` again. */
  onOutboxLow?(): void;
  /** The consumer has made it impossible to send what it gave: the connection is ended, and this says why. */
  onFailed?(error: LastcallError): void;
  /** So many messages that were to be sent will never be. */
  onDropped?(messages: number): void;
  /** The connection is on its way out: a shutdown has reached it, or nothing more will come of its peer. Called once. */
  onLeaving?(): void;
  /** Nothing comes any more, nothing is queued or in hand: nothing but this keeps the connection. May be called again. */
  onAwaited?(): void;
  /** Nobody can hear an answer any more, or the deadline has come. */
  onUnheard?(): void;
  /** The socket is gone. Messages may still be in hand. */
  onClosed?(closed: ConnectionClosed): void;
}

/** What a consumer tells its connection, and takes from it. */
export interface Supply {
  /** `wants` has turned true. What waits is started before this returns. */
  ready(): void;
  /** The next message, if one may be started now: it is in hand from here on. */
  take(): Received | undefined;
  /** So many of the messages in hand are finished; more than there are in hand counts as all of them. */
  finished(messages: number): void;
  /** `pending` has changed. */
  changed(): void;
  /** Nothing should be read for now. What was read already is still started while `wants`; the cut ends the pause. */
  pause(): void;
  resume(): void;
  /**
   * Nothing of the consumer runs any more: what is in hand counts as finished, what waits is handed back, and the
   * connection is closed. MUST be called once, also when the connection is gone; until then it is not over.
   */
  settled(failed: boolean): void;
}
