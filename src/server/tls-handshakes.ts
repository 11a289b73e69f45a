/** Sockets that a TLS server has accepted and that are not encrypted yet. */
import type { Socket } from "node:net";

export class TlsHandshakes {
  readonly #onGone: () => void;
  /** By their other end: the encrypted socket is another object, and Node does not say whose it is. */
  readonly #sockets = new Map<string, Socket>();

  /** `onGone` is called when a socket is gone before it was encrypted. */
  constructor(onGone: () => void) {
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** A plain socket was accepted. */
  begin(socket: Socket): void {
    const key = otherEnd(socket);
    this.#sockets.set(key, socket);
    socket.once("close", () => {
      if (this.#sockets.delete(key)) this.#onGone();
    });
  }

  /** This is the encrypted one. */
  end(socket: Socket): void {
    this.#sockets.delete(otherEnd(socket));
  }

  destroyAll(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
  }
}

function otherEnd(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
