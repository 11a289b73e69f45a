/** Sockets that a TLS server has accepted and that are not encrypted yet. Nothing can be said to them in plain text. */
import type { Socket } from "node:net";
import { now, systemClock, type Timer } from "../base/clock.js";
import { LastcallError } from "../base/errors.js";

interface Encrypting {
  acceptedAt: number;
  timer: Timer;
  onClose: () => void;
}

export class TlsHandshakes {
  readonly #timeout: () => number;
  readonly #onGone: () => void;
  readonly #onError: (error: LastcallError) => void;
  /** By the plain socket: the encrypted one is another object. */
  readonly #open = new Map<Socket, Encrypting>();
  /** What failures were told of. */
  readonly #told = new Set<string>();

  /**
   * `timeout` says how many ms a handshake may take that begins now. `onGone` is called when a socket is gone before it
   * was encrypted, `onError` at the first failure of each kind.
   */
  constructor(timeout: () => number, onGone: () => void, onError: (error: LastcallError) => void) {
    this.#timeout = timeout;
    this.#onGone = onGone;
    this.#onError = onError;
  }

  get size(): number {
    return this.#open.size;
  }

  /** A plain socket was accepted. */
  begin(plain: Socket): void {
    const timer = systemClock.after(this.#timeout(), () => plain.destroy());
    const onClose = (): void => {
      this.#forget(plain);
      this.#onGone();
    };
    this.#open.set(plain, { acceptedAt: now(), timer, onClose });
    plain.once("close", onClose);
  }

  /** This is the encrypted one. Returns when its plain one was accepted, if that was seen. */
  end(encrypted: Socket): number | undefined {
    const [acceptedAt] = this.#below(encrypted).map((plain) => this.#forget(plain));
    return acceptedAt;
  }

  /**
   * The plain socket below an encrypted one. Node has no public way to tell; `_parent` is what all versions have (20 to
   * 26). Where it is missing one day it is whoever has the same other end. On a Unix socket that may be several: rather
   * forgotten than cut in the middle of what they say when they are encrypted.
   */
  #below(encrypted: Socket): Socket[] {
    const parent = (encrypted as { _parent?: Socket | null })["_parent"];
    if (parent) return this.#open.has(parent) ? [parent] : [];
    const { remoteAddress, remotePort } = encrypted;
    return [...this.#open.keys()].filter(
      (plain) => plain.remoteAddress === remoteAddress && plain.remotePort === remotePort,
    );
  }

  #forget(plain: Socket): number | undefined {
    const entry = this.#open.get(plain);
    if (entry === undefined) return undefined;
    systemClock.cancel(entry.timer);
    this.#open.delete(plain);
    plain.off("close", entry.onClose);
    return entry.acceptedAt;
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

  /** Forgets all of them; who made the server sees to them. */
  letGo(): void {
    for (const plain of this.#open.keys()) this.#forget(plain);
  }

  destroyAll(): void {
    for (const plain of this.#open.keys()) plain.destroy();
  }
}
