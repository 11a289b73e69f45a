/** What a handler is and what it sees. */
import type { EndCause } from "../drain/cause.js";
import type { ConnectionDrainOptions } from "../drain/options.js";
import type { DrainReport } from "../drain/report.js";
import type { RequestHead } from "../wire/handshake.js";

/** A message: text as a string, binary as a Buffer that nothing overwrites later. */
export type Message = string | Buffer;

/** How a connection ended, as the WebSocket API of browsers tells it, and why. */
export interface ConnectionClosed {
  /** The code of the peer's Close; 1005 when it had none, 1006 when there was no Close. */
  code: number;
  /** The reason in the peer's Close. */
  reason: string;
  /** Both Close frames were exchanged. */
  wasClean: boolean;
  /** Why it ended: what first began to end it, or what broke that off. */
  cause: EndCause;
  /** What there is to say beyond that word, in prose that may change: what was violated, for one. May be empty. */
  detail: string;
}

/**
 * One client, as its handler sees it.
 *
 * Iterating gives its messages in the order received and ends at the peer's Close, or at the cut of a shutdown.
 * Asking for the next message says that the last one is finished; it comes when the outbox is below `highWaterMark`.
 * `break` does not end the connection: a second loop goes on where the first stopped. (An iterator that was asked by
 * hand with `next()` holds its message until it is asked again, or `return()` is called.)
 */
export interface Connection<Principal = unknown> extends AsyncIterable<Message, void, void> {
  /** A name for logs and reports, unique in this process. */
  readonly id: string;
  /** The head of the request that opened the connection. */
  readonly request: RequestHead;
  /** The subprotocol that was agreed on, or an empty string. */
  readonly protocol: string;
  /** What `authenticate` returned; undefined when there is no `authenticate`. */
  readonly principal: Principal;
  /** The address of the socket's other end, which may be a proxy. Empty on a Unix socket. */
  readonly remoteAddress: string;

  /**
   * Sends a message: a string as text, bytes as binary. Bytes of over 8 KiB are not copied: leave them alone until
   * they are sent. When their memory is transferred or resized before that, the connection is ended and `onError` told.
   *
   * Never throws for the connection's state. Returns false when the message can no longer be delivered; the drop is
   * counted and published. Over `outboxLimit` the connection is closed with 1008, as a slow consumer.
   * @throws {@link InvalidOptionError} when `data` is neither a string nor bytes.
   */
  send(data: string | ArrayBufferView | ArrayBuffer): boolean;
  /** Bytes accepted by `send` and not yet taken by the kernel. */
  readonly bufferedAmount: number;
  /**
   * Resolves when `bufferedAmount` is below `highWaterMark`. Who does not wait need not catch.
   * @throws {@link ConnectionGoneError} (as a rejection) when the connection is gone.
   */
  flushed(): Promise<void>;
  /**
   * Sends a Ping and resolves with the milliseconds until its Pong. Who does not wait need not catch.
   * @throws {@link ConnectionGoneError} (as a rejection) when the connection ends before that.
   */
  ping(): Promise<number>;
  /**
   * Sends what waits, then Close. Messages that wait to be started are not delivered any more.
   * @param code 1000 to 1014 without 1004 to 1006, or 3000 to 4999 (RFC 6455 §7.4). Default 1000.
   * @param reason Up to 123 bytes of UTF-8. Default: none.
   * @throws {@link InvalidOptionError} when the code may not be sent or the reason is too long.
   */
  close(code?: number, reason?: string): void;
  /**
   * Ends this connection as a shutdown of the server would: what was received is served, then comes Close. Resolves with
   * the account, within `deadline` and a second. It waits for the connection's own handler: called from that, it resolves
   * when `patience` is over, and before this connection is. All other calls share one promise; a later one may bring the deadline nearer.
   * @param options Laid over the server's `drain` options; `code` and `reason` say why.
   * @throws {@link InvalidOptionError} (as a rejection) for an option that is not allowed; nothing is shut down then.
   */
  shutdown(options?: Partial<ConnectionDrainOptions>): Promise<DrainReport>;
  /**
   * Resolves when the socket is gone, also while the handler still runs. And when nothing but the handler keeps it: the
   * client has closed or left, or a shutdown has taken all that it sent, and for 100 ms nothing was queued, in hand or
   * given to `waitUntil`. So a handler may wait for it; it is told what is known then, with `wasClean: false`.
   */
  readonly closed: Promise<ConnectionClosed>;
  /**
   * Work that outlives an iteration: the connection is not ended before the promise has settled. What it rejects with
   * goes to `onError`. When the handler and all such promises have settled it is too late, which `onError` is told.
   */
  waitUntil(promise: PromiseLike<unknown>): void;
  /** Aborts when nobody can hear an answer any more, or at the deadline of a shutdown. */
  readonly signal: AbortSignal;
  /**
   * Aborts when the connection begins to end, so that a handler which only pushes can wrap up: when a shutdown reaches
   * it, when the client has sent Close or ended TCP, or when it is closed for another reason.
   */
  readonly draining: AbortSignal;
}

/**
 * Serves one connection. When it returns, the connection is closed with 1000, or with the drain's code during a
 * shutdown; when it throws, with 1011, and the error goes to `onError`.
 */
export type Handler<Principal = unknown> = (connection: Connection<Principal>) => unknown;

/** What may be sent: a string as text, bytes as binary. */
export type Reply = string | ArrayBufferView | ArrayBuffer;
