/** A listening socket of our own, and the sockets it has accepted that have not yet asked for anything. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { linkSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server as HttpServer } from "node:http";
import cluster from "node:cluster";
import type { AddressInfo, ListenOptions, Socket } from "node:net";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import { readHandshake } from "../wire/handshake.js";
import { now } from "./clock.js";
import { defer } from "./deferred.js";
import { InvalidOptionError } from "./errors.js";
import { RETRY_AFTER, type Refusals } from "./refusal.js";

/** Where to listen: a port, or Node's options for `net.Server.listen` (port and host, or path). */
export type ListenTarget = number | ListenOptions;

/** How long the last sockets, destroyed already, get to be gone. */
const RELEASE_TIMEOUT = 100;

/** How long closing the door waits for a turn of the event loop in which nobody came. */
const ACCEPT_QUEUE_TIMEOUT = 250;

/** What a listener needs and tells. */
export interface ListenerOwner {
  readonly refusals: Refusals;
  /** A socket that asks to be upgraded; it is the owner's from here on. */
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, acceptedAt: number): void;
  /** A socket could not be accepted. */
  onAcceptError(error: Error): void;
  /** A socket that had not asked for anything is gone. */
  onSilentSocketGone(): void;
}

export class Listener {
  readonly #server: HttpServer;
  readonly #owner: ListenerOwner;
  readonly #handshakeTimeout: number;
  /** Accepted sockets whose request has not come yet, with the timer that ends them. */
  readonly #silent = new Map<Duplex, { timer: NodeJS.Timeout; acceptedAt: number }>();
  #accepted = 0;
  #socketFile: SocketFile | undefined;
  readonly #gone = defer<void>();

  constructor(owner: ListenerOwner, handshakeTimeout: number) {
    this.#owner = owner;
    this.#handshakeTimeout = handshakeTimeout;
    this.#server = createServer({ requireHostHeader: false });
    // The handshake has a limit of its own, from the accepted socket on.
    this.#server.headersTimeout = 0;
    this.#server.requestTimeout = 0;
    this.#server.once("close", () => this.#gone.resolve());
    this.#server.on("connection", (socket) => this.#onConnection(socket));
    this.#server.on("upgrade", (request, socket, head) => this.#onUpgrade(request, socket, head));
    this.#server.on("request", (request) => {
      const refusal = readHandshake(headOf(request));
      // Not through Node's response: it destroys the socket with whatever the client still sends unread.
      request.resume();
      if ("status" in refusal)
        owner.refusals.refuse(request.socket, refusal.status, refusal.message, refusal.headers);
      else owner.refusals.refuse(request.socket, 400, "The header 'Connection: Upgrade' is missing.");
    });
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      if (error.code === "HPE_HEADER_OVERFLOW")
        owner.refusals.refuse(socket, 431, "The request's head is too large.");
      else owner.refusals.refuse(socket, 400, "This is not HTTP.");
    });
  }

  /** How many accepted sockets have not asked for anything yet. */
  get silent(): number {
    return this.#silent.size;
  }

  /** Begins to listen; rejects with Node's error when it cannot. */
  async listen(target: ListenTarget): Promise<AddressInfo | string> {
    const options = checkTarget(target);
    if (options.path !== undefined && SocketFile.isNeededFor(options.path)) {
      this.#socketFile = new SocketFile(options.path);
      await this.#bind({ ...options, path: this.#socketFile.boundPath });
      try {
        this.#socketFile.publish();
      } catch (error) {
        this.#socketFile = undefined;
        this.#server.close();
        throw error;
      }
    } else {
      await this.#bind(options);
    }
    return this.address()!;
  }

  async #bind(options: ListenOptions): Promise<void> {
    this.#server.listen(options);
    // `once` rejects when 'error' comes first.
    await once(this.#server, "listening");
    // From here on an error is one of accepting, such as EMFILE: it must not end the process.
    this.#server.on("error", (error) => this.#owner.onAcceptError(error));
  }

  address(): AddressInfo | string | null {
    if (!this.#server.listening) return null;
    return this.#socketFile?.path ?? this.#server.address();
  }

  /**
   * Stops accepting. Closing a listening socket resets whoever waits in its accept queue, so it comes after a turn of
   * the event loop in which nobody did.
   */
  async stopAccepting(): Promise<void> {
    const limit = now() + ACCEPT_QUEUE_TIMEOUT;
    let before: number;
    do {
      before = this.#accepted;
      // The first may be called in the turn that we are in; between it and the second lies a whole poll.
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#accepted !== before && now() < limit);
    this.stopAcceptingNow();
  }

  stopAcceptingNow(): void {
    if (!this.#server.listening) return;
    this.#socketFile?.unpublish();
    this.#server.close();
  }

  /** Refuses all sockets that have not asked for anything yet. */
  refuseSilent(): void {
    for (const socket of this.#silent.keys()) {
      this.#owner.refusals.refuse(socket, 503, "The server is closing.", RETRY_AFTER);
    }
  }

  /** Ends what is left, and resolves when it is gone. */
  async destroy(): Promise<void> {
    this.stopAcceptingNow();
    for (const socket of this.#silent.keys()) socket.destroy();
    const timer = setTimeout(() => this.#gone.resolve(), RELEASE_TIMEOUT);
    await this.#gone.promise;
    clearTimeout(timer);
  }

  #onConnection(socket: Socket): void {
    this.#accepted++;
    const timer = setTimeout(
      () => this.#owner.refusals.refuse(socket, 408, "The handshake took too long."),
      this.#handshakeTimeout,
    );
    this.#silent.set(socket, { timer, acceptedAt: now() });
    socket.on("error", ignore);
    socket.once("close", () => {
      if (this.#forget(socket) !== undefined) this.#owner.onSilentSocketGone();
    });
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const acceptedAt = this.#forget(socket) ?? now();
    this.#owner.onUpgrade(request, socket, head, acceptedAt);
  }

  #forget(socket: Duplex): number | undefined {
    const entry = this.#silent.get(socket);
    clearTimeout(entry?.timer);
    this.#silent.delete(socket);
    return entry?.acceptedAt;
  }
}

/** An error of a socket that we end anyway is followed by its 'close', where it is dealt with. */
function ignore(): void {}

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

function checkTarget(target: ListenTarget): ListenOptions {
  const options = typeof target === "number" ? { port: target } : target;
  const { port, path } = typeof options === "object" && options !== null ? options : {};
  const isPort = Number.isInteger(port) && port! >= 0 && port! <= 65_535;
  if (!isPort && !(port === undefined && typeof path === "string" && path !== "")) {
    throw new InvalidOptionError("listen", target, "a port from 0 to 65 535, { port, host } or { path }");
  }
  return { ...options };
}

/**
 * A Unix socket's name in the file system, ours as long as nobody else has taken it over.
 *
 * libuv unlinks the name that it bound when the socket closes, whoever owns that name by then: a successor that has
 * replaced the file would lose it. So libuv binds a name of its own, which vanishes at once, and the name that was
 * asked for is a link which is only removed while it still is ours.
 */
class SocketFile {
  readonly path: string;
  readonly boundPath: string;
  #inode: bigint | undefined;

  constructor(path: string) {
    this.path = path;
    this.boundPath = join(dirname(path), `.${randomBytes(6).toString("hex")}`);
  }

  /** Abstract sockets and Windows pipes are no files; in a cluster the primary binds. */
  static isNeededFor(path: string): boolean {
    return !path.startsWith("\0") && process.platform !== "win32" && !cluster.isWorker;
  }

  /** Gives the bound socket its name. Fails, as binding would, when the name is taken. */
  publish(): void {
    try {
      linkSync(this.boundPath, this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw Object.assign(new Error(`listen EADDRINUSE: address already in use ${this.path}`), {
        code: "EADDRINUSE",
        errno: -98,
        syscall: "listen",
        address: this.path,
      });
    } finally {
      unlinkSync(this.boundPath);
    }
    this.#inode = lstatSync(this.path, { bigint: true }).ino;
  }

  /** Removes the name, unless it is somebody else's by now. The inode is ours while the socket is open. */
  unpublish(): void {
    try {
      if (lstatSync(this.path, { bigint: true }).ino === this.#inode) unlinkSync(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
