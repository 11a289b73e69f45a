/** What a server listens with, seen by the server. */
import { once } from "node:events";
import type { AddressInfo, Server as NetServer } from "node:net";
import { ServerStateError } from "../base/errors.js";
import type { DoorwayOwner } from "./doorway.js";
import type { OpeningHandshake } from "./opening-handshake.js";

/** What a listener needs and tells. */
export interface ListenerOwner extends DoorwayOwner {
  /** Milliseconds from the accepted socket to the end of the handshake. */
  readonly handshakeTimeout: number;
  /** A socket that asks to be upgraded; it is the owner's from here on. */
  onUpgrade(handshake: OpeningHandshake): void;
  /** A socket could not be accepted, or a name not be removed. */
  onListenerError(error: unknown): void;
  /** A socket that is all ours was closed by somebody else: nobody is accepted any more. */
  onListenerClosed(): void;
}

/** A plain request that was not answered to its end. */
export interface CutRequest {
  /** Empty, as the path is, for one that had begun before we came: Node does not say what it is. */
  method: string;
  /** Without what stands behind the question mark: there may be secrets in it. */
  path: string;
  remoteAddress: string;
}

/** What became of plain requests since the drain began. */
export interface PlainRequests {
  answered: number;
  /** Their client left. */
  left: number;
  cut: CutRequest[];
}

export const NO_REQUESTS: PlainRequests = { answered: 0, left: 0, cut: [] };

/**
 * What a server listens with: a socket of its own, or a server of the caller's.
 *
 * An implementation MUST accept until it is told to stop, MUST NOT reset whoever it has accepted, and MUST leave
 * nothing of its own behind when `destroy` has resolved.
 */
export interface Listener {
  /** Begins to listen; rejects with Node's error when it cannot, and with ours for a server that was closed. */
  open(): Promise<AddressInfo | string>;
  address(): AddressInfo | string | null;
  /**
   * A shutdown begins: what does not listen yet does not begin any more, and `open` rejects. Plain requests are counted
   * from here.
   */
  beginShutdown(): void;
  /** Whom a shutdown waits for beside connections: sockets that have not asked for anything, and plain requests. */
  readonly guests: number;
  /** Whether somebody is a plain request of these that is not answered yet (base/callers.ts). */
  isUnanswered(request: object): boolean;
  /** What became of plain requests, if they went down with this. */
  readonly requests: PlainRequests;
  /** How many waited to be accepted when it stopped, as far as the system tells: they were reset. */
  readonly neverAccepted: number;
  /** Stops accepting as soon as nobody waits to be accepted, or when others kept coming for `limit` ms. */
  stopAccepting(limit: number): Promise<void>;
  stopAcceptingNow(): void;
  /** Refuses those that have not asked for anything. */
  refuseSilent(): void;
  /** Ends what is left, and resolves when it is gone. */
  destroy(): Promise<void>;
}

/** A caller's server that does not listen yet, and how many of ours wait for it: one set of listeners for all of them. */
interface Wait {
  waiters: number;
  /** Resolves when it listens; rejects when it cannot, or is closed. */
  readonly listening: Promise<unknown>;
  readonly stop: () => void;
}

const waits = new WeakMap<NetServer, Wait>();

/**
 * Resolves when a caller's server listens.
 * @throws {@link ServerStateError} when it was closed, or is closed meanwhile; Node's error when it cannot listen.
 */
export async function untilListening(server: NetServer, signal: AbortSignal): Promise<void> {
  if (server.listening) return;
  if (hasListened(server)) throw closedError();
  signal.throwIfAborted();
  const wait = waits.get(server) ?? beginWait(server);
  wait.waiters++;
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
  try {
    await Promise.race([wait.listening, aborted]);
  } finally {
    wait.waiters--;
    if (wait.waiters === 0) wait.stop();
  }
}

function beginWait(server: NetServer): Wait {
  const over = new AbortController();
  const { signal } = over;
  const closed = async (): Promise<never> => {
    await once(server, "close", { signal });
    throw closedError();
  };
  const stop = (): void => {
    waits.delete(server);
    over.abort();
  };
  const listening = Promise.race([once(server, "listening", { signal }), closed()]);
  const wait = { waiters: 0, listening, stop };
  waits.set(server, wait);
  return wait;
}

/**
 * Whether a server that does not listen now did so before. Node has no public way to tell; this property is what
 * `listen()` leaves, and where it is missing one day, such a server is waited for like one that never listened.
 */
function hasListened(server: NetServer): boolean {
  return typeof (server as { _connectionKey?: unknown })["_connectionKey"] === "string";
}

function closedError(): ServerStateError {
  return new ServerStateError(
    "The server given to listen() was closed. Give it after its own listen(), or give a new one.",
  );
}
