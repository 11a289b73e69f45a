/** Sockets that a TLS server has accepted and that are not encrypted yet. */
import type { Socket } from "node:net";
import { LastcallError } from "../base/errors.js";

export class TlsHandshakes {
  readonly #onGone: () => void;
  readonly #onError: (error: LastcallError) => void;
  /** By their other end: the encrypted socket is another object, and Node does not say whose it is. */
  readonly #sockets = new Map<string, Socket>();
  /** What failures were told of. */
  readonly #told = new Set<string>();

  /** `onGone` is called when a socket is gone before it was encrypted, `onError` at the first failure of each kind. */
  constructor(onGone: () => void, onError: (error: LastcallError) => void) {
    this.#onGone = onGone;
    this.#onError = onError;
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

  /**
   * Listens to the server's 'tlsClientError'. Whoever scans ports fails as well, so only the first failure with a code
   * is told: enough to learn that the server has a certificate which no client takes.
   */
  readonly onFailed = (error: NodeJS.ErrnoException): void => {
    const code = error.code ?? "unknown";
    // A client that left in the middle says nothing about the server.
    if (code === "ECONNRESET" || this.#told.has(code)) return;
    this.#told.add(code);
    this.#onError(
      new LastcallError(
        "LASTCALL_TLS_HANDSHAKE",
        `A client could not come in through TLS (${code}). If all of them fail, look at the server's key, cert and ` +
          "minVersion. Further failures with this code are not reported; the TLS server emits 'tlsClientError' for each.",
        { cause: error },
      ),
    );
  };

  destroyAll(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
  }
}

function otherEnd(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
