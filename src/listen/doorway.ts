/** The way from an accepted socket to an upgrade request: who has come in and not yet asked for anything. */
import type { Duplex } from "node:stream";
import { now, systemClock, type Timer } from "../base/clock.js";
import { CLOSING, TOO_SLOW, unavailable, type Refusals } from "./refusal.js";

/** What a doorway needs and tells. */
export interface DoorwayOwner {
  readonly refusals: Refusals;
  /** Somebody who had not asked for anything, or whose plain request was under way, is gone. */
  onGuestGone(): void;
}

interface Silent {
  timer: Timer;
  acceptedAt: number;
  /** Our listener to the socket's 'close'. It goes when the socket is silent no more: upgraded ones live for long. */
  onClose: () => void;
}

/** Accepted sockets, all of them ours, whose request has not come yet. */
export class Doorway {
  readonly #owner: DoorwayOwner;
  readonly #timeout: number;
  readonly #silent = new Map<Duplex, Silent>();

  /** `timeout`: ms until a silent socket is refused. */
  constructor(owner: DoorwayOwner, timeout: number) {
    this.#owner = owner;
    this.#timeout = timeout;
  }

  /** Sockets that have not asked for anything. */
  get silent(): number {
    return this.#silent.size;
  }

  /** A socket comes in; what it took to be encrypted before is part of its time. */
  enter(socket: Duplex, acceptedAt = now()): void {
    const left = Math.max(0, acceptedAt + this.#timeout - now());
    const timer = systemClock.after(left, () => this.#owner.refusals.refuse(socket, TOO_SLOW));
    const onClose = (): void => {
      this.leave(socket);
      this.#owner.onGuestGone();
    };
    this.#silent.set(socket, { timer, acceptedAt, onClose });
    socket.on("close", onClose);
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

  destroySilent(): void {
    for (const socket of this.#silent.keys()) socket.destroy();
  }
}
