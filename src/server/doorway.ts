/** The way from an accepted socket to an upgrade request: who has come in and not yet asked for anything. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { now } from "./clock.js";
import { RETRY_AFTER, type Refusals } from "./refusal.js";

/** What a doorway needs and tells. */
export interface DoorwayOwner {
  readonly refusals: Refusals;
  /** Somebody who had not asked for anything, or whose plain request was under way, is gone. */
  onGuestGone(): void;
}

interface Silent {
  timer: NodeJS.Timeout | undefined;
  acceptedAt: number;
  /** Never asked for anything. */
  isNew: boolean;
}

/** Accepted sockets whose first request has not come yet. */
export class Doorway {
  readonly #owner: DoorwayOwner;
  readonly #timeout: number;
  readonly #silent = new Map<Duplex, Silent>();
  /** Those whose 'close' we listen to. */
  readonly #watched = new WeakSet<Duplex>();
  #accepted = 0;

  /** `timeout`: ms until a silent socket is refused; Infinity when that is somebody else's business. */
  constructor(owner: DoorwayOwner, timeout: number) {
    this.#owner = owner;
    this.#timeout = timeout;
  }

  /** Sockets that were ever accepted. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Sockets that have not asked for anything. */
  get silent(): number {
    return this.#silent.size;
  }

  enter(socket: Duplex): void {
    this.#accepted++;
    const refuse = (): void => this.#owner.refusals.refuse(socket, 408, "The handshake took too long.");
    const timer = this.#timeout === Infinity ? undefined : setTimeout(refuse, this.#timeout);
    this.#note(socket, { timer, acceptedAt: now(), isNew: true });
  }

  /** A socket is silent again; it need not have entered here, when it is older than this doorway. */
  comeBack(socket: Duplex): void {
    this.#note(socket, { timer: undefined, acceptedAt: now(), isNew: false });
  }

  #note(socket: Duplex, entry: Silent): void {
    this.#silent.set(socket, entry);
    if (this.#watched.has(socket)) return;
    this.#watched.add(socket);
    socket.once("close", () => {
      if (this.leave(socket) !== undefined) this.#owner.onGuestGone();
    });
  }

  /** The socket has asked for something. Returns when it was accepted, if that was seen and it was silent until now. */
  leave(socket: Duplex): number | undefined {
    const entry = this.#silent.get(socket);
    clearTimeout(entry?.timer);
    this.#silent.delete(socket);
    return entry?.acceptedAt;
  }

  refuseSilent(): void {
    for (const socket of this.#silent.keys()) {
      this.#owner.refusals.refuse(socket, 503, "The server is closing.", RETRY_AFTER);
    }
  }

  /**
   * Runs what destroys sockets that are kept alive, and keeps it from those that have not asked for anything yet. Since
   * Node 26 (nodejs/node#63470) they count as idle too, but their handshake may be on its way, and Node cannot be asked
   * for the others only.
   */
  sparingNew(destroyIdle: () => void): void {
    const fresh = [...this.#silent].filter(([, { isNew }]) => isNew).map(([socket]) => socket);
    const restore = fresh.map(makeIndestructible);
    try {
      destroyIdle();
    } finally {
      for (const undo of restore) undo();
    }
  }

  destroySilent(): void {
    for (const socket of this.#silent.keys()) socket.destroy();
  }
}

/** From now on `destroy()` does nothing. Returns what undoes that. */
function makeIndestructible(socket: Duplex): () => void {
  const own = Object.getOwnPropertyDescriptor(socket, "destroy");
  socket.destroy = () => socket;
  return () => {
    if (own === undefined) Reflect.deleteProperty(socket, "destroy");
    else Object.defineProperty(socket, "destroy", own);
  };
}

/** The head of a request, without the parser's objects. */
export function headOf(request: IncomingMessage): {
  method: string;
  url: string;
  httpVersion: string;
  headers: IncomingMessage["headers"];
} {
  return {
    method: request.method ?? "",
    url: request.url ?? "",
    httpVersion: request.httpVersion,
    headers: request.headers,
  };
}
