/** The way from an accepted socket to an upgrade request: who has come in and not yet asked for anything. */
import type { Duplex } from "node:stream";
import { now, systemClock, type Timer } from "../base/clock.js";
import { overlay } from "./overlay.js";
import { CLOSING, TOO_SLOW, unavailable, type Refusals } from "./refusal.js";
import { writtenTo } from "./shared-upgrade.js";

/** What a doorway needs and tells. */
export interface DoorwayOwner {
  readonly refusals: Refusals;
  /** Somebody who had not asked for anything, or whose plain request was under way, is gone. */
  onGuestGone(): void;
}

interface Silent {
  timer: Timer | undefined;
  acceptedAt: number;
  /** Never asked for anything. */
  isNew: boolean;
  /** What was written to it before: who has more written to him has been answered. */
  written: number;
  /** Our listener to the socket's 'close'. It goes when the socket is silent no more: upgraded ones live for long. */
  onClose: () => void;
}

/** Accepted sockets whose first request has not come yet. */
export class Doorway {
  readonly #owner: DoorwayOwner;
  readonly #timeout: number;
  readonly #silent = new Map<Duplex, Silent>();
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

  /** A socket comes in; what it took to be encrypted before is part of its time. */
  enter(socket: Duplex, acceptedAt = now()): void {
    this.#accepted++;
    this.#note(socket, this.#limit(socket, acceptedAt), true, acceptedAt);
  }

  /** A socket is silent again; it need not have entered here, when it is older than this doorway. */
  comeBack(socket: Duplex): void {
    this.#note(socket, undefined, false, now());
  }

  #limit(socket: Duplex, acceptedAt: number): Timer | undefined {
    if (this.#timeout === Infinity) return undefined;
    const left = Math.max(0, acceptedAt + this.#timeout - now());
    return systemClock.after(left, () => this.#owner.refusals.refuse(socket, TOO_SLOW));
  }

  #note(socket: Duplex, timer: Timer | undefined, isNew: boolean, acceptedAt: number): void {
    this.leave(socket);
    const onClose = (): void => {
      this.leave(socket);
      this.#owner.onGuestGone();
    };
    this.#silent.set(socket, { timer, acceptedAt, isNew, written: writtenTo(socket), onClose });
    socket.on("close", onClose);
  }

  /** What was written to a socket when it came in, or was silent again; undefined when that was not seen. */
  writtenBefore(socket: Duplex): number | undefined {
    return this.#silent.get(socket)?.written;
  }

  /** The socket has asked for something. Returns when it was accepted, if that was seen and it was silent until now. */
  leave(socket: Duplex): number | undefined {
    const entry = this.#silent.get(socket);
    if (entry === undefined) return undefined;
    systemClock.cancel(entry.timer);
    this.#silent.delete(socket);
    socket.off("close", entry.onClose);
    return entry.acceptedAt;
  }

  refuseSilent(): void {
    for (const socket of this.#silent.keys()) {
      this.#owner.refusals.refuse(socket, unavailable(CLOSING));
    }
  }

  /**
   * Runs what destroys sockets that are kept alive, and keeps it from those that have not asked for anything yet. Since
   * Node 26 (nodejs/node#63470) they count as idle too, but their handshake may be on its way, and Node cannot be asked
   * for the others only.
   */
  sparingNew(destroyIdle: () => void): void {
    const fresh = [...this.#silent].filter(([, { isNew }]) => isNew).map(([socket]) => socket);
    const restore = fresh.map((socket) => overlay(socket, { destroy: () => socket }));
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
