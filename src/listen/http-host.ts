/**
 * A caller's HTTP server: we take the upgrades to our paths, leave everything else to the caller, and see to it that
 * plain HTTP goes down with us. Node's `close()` does not do that: it waits for silent connections without end, or, since
 * Node 26, destroys them at once.
 */
import { Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Server as TlsServer } from "node:tls";
import { now } from "../base/clock.js";
import { InvalidOptionError } from "../base/errors.js";
import { pathOf } from "../wire/handshake.js";
import { Doorway } from "./doorway.js";
import { Http1Handshake } from "./http1-handshake.js";
import { Http2Sessions, isHttp2Server, speaksHttp2, type Http1And2Server } from "./http2-sessions.js";
import { untilListening, untilNobodyComes, type Listener, type ListenerOwner } from "./listener.js";
import { NOTHING_HERE, Refusals } from "./refusal.js";
import { headOf } from "./request-head.js";
import {
  afterAllListeners,
  hideFromOthers,
  isAnswered,
  readersOf,
  warnOfSharing,
  writtenTo,
} from "./shared-upgrade.js";
import { TlsHandshakes } from "./tls-handshakes.js";

/** What speaks HTTP/1.1; the last one HTTP/2 as well, which is the caller's. */
export type HttpHostServer = HttpServer | HttpsServer | Http1And2Server;

/** One server's share of an HTTP server: the upgrades to its path. */
export class HttpHostListener implements Listener {
  readonly owner: ListenerOwner;
  /** The only path, or undefined for all that nobody else has claimed. */
  readonly path: string | undefined;
  readonly #server: HttpHostServer;
  readonly #opening = new AbortController();
  #host: HttpHost | undefined;

  constructor(server: HttpHostServer, owner: ListenerOwner, path: string | undefined) {
    this.#server = server;
    this.owner = owner;
    this.path = path;
  }

  async open(): Promise<AddressInfo | string> {
    this.#host = HttpHost.claim(this.#server, this);
    try {
      await untilListening(this.#server, this.#opening.signal);
    } catch (error) {
      this.#host.release(this);
      throw error;
    }
    return this.#server.address()!;
  }

  abandonOpening(): void {
    this.#opening.abort();
  }

  address(): AddressInfo | string | null {
    // Node still tells the path of a Unix socket when that is closed.
    return this.#server.listening ? this.#server.address() : null;
  }

  get guests(): number {
    return this.#host?.isDraining ? this.#host.guests : 0;
  }

  async stopAccepting(): Promise<void> {
    if (this.#host?.beginDraining(this)) await this.#host.stopAccepting();
  }

  stopAcceptingNow(): void {
    if (this.#host?.beginDraining(this)) this.#host.stopAcceptingNow();
  }

  refuseSilent(): void {
    if (this.#host?.isDraining) this.#host.refuseSilent();
  }

  destroy(): Promise<void> {
    this.#host?.release(this);
    return Promise.resolve();
  }
}

/** What we have put on one HTTP server, for all of our servers that share it. */
class HttpHost {
  static readonly #hosts = new WeakMap<HttpHostServer, HttpHost>();

  readonly #server: HttpHostServer;
  readonly #doorway: Doorway;
  readonly #refusals: Refusals;
  readonly #claims = new Set<HttpHostListener>();
  readonly #leaving = new Set<HttpHostListener>();
  readonly #responses = new Set<ServerResponse>();
  /** How many of them are under way on a connection: requests may be pipelined. */
  readonly #responsesOn = new Map<Socket, number>();
  /** Sockets whose TLS handshake is under way. */
  readonly #encrypting: TlsHandshakes;
  readonly #http2: Http2Sessions;
  #accepted = 0;
  #draining = false;
  #warned = false;

  /** @throws {@link InvalidOptionError} when another server has claimed the path. */
  static claim(server: HttpHostServer, listener: HttpHostListener): HttpHost {
    let host = HttpHost.#hosts.get(server);
    if (host === undefined) {
      host = new HttpHost(server);
      HttpHost.#hosts.set(server, host);
    }
    for (const claim of host.#claims) {
      if (claim.path === listener.path) {
        throw new InvalidOptionError(
          "path",
          listener.path,
          "another one: a server on the same HTTP server has claimed this one already",
        );
      }
    }
    host.#claims.add(listener);
    if (listener.path === undefined && server.listenerCount("upgrade") > 1) host.#warnOnceOfSharing();
    return host;
  }

  private constructor(server: HttpHostServer) {
    this.#server = server;
    const onGuestGone = (): void => this.#tellGuestGone();
    // Not those of one of our servers: it may be gone while the others still refuse.
    this.#refusals = new Refusals(onGuestGone);
    // Who connects to somebody else's server and says nothing is that server's to time out.
    this.#doorway = new Doorway({ refusals: this.#refusals, onGuestGone }, Infinity);
    // Whose path it will ask for is not known yet: the longest time that any of them gives.
    const timeout = (): number => Math.max(...[...this.#claims].map(({ owner }) => owner.handshakeTimeout));
    this.#encrypting = new TlsHandshakes(timeout, onGuestGone, (error) => {
      for (const claim of this.#claims) claim.owner.onListenerError(error);
    });
    this.#http2 = new Http2Sessions(server, onGuestGone);
    server.on("connection", this.#onConnection);
    if (server instanceof TlsServer) {
      server.on("secureConnection", this.#onSocket);
      server.on("tlsClientError", this.#encrypting.onFailed);
    }
    // First, so that who refuses what is not his own does not do it before us.
    server.prependListener("upgrade", this.#onUpgrade);
    // On a server of node:http2 a first listener turns on Node's own answers to HTTP/2: that is the caller's to do.
    if (isHttp2Server(server) && server.listenerCount("request") === 0)
      server.on("newListener", this.#onNewListener);
    else server.prependListener("request", this.#onRequest);
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  get guests(): number {
    return (
      this.#doorway.silent +
      this.#encrypting.size +
      this.#responses.size +
      this.#refusals.open +
      this.#http2.size
    );
  }

  /** Returns whether the last of the servers is leaving, so that the HTTP server goes down with it. */
  beginDraining(listener: HttpHostListener): boolean {
    this.#leaving.add(listener);
    return this.#leaving.size === this.#claims.size;
  }

  async stopAccepting(): Promise<void> {
    this.#drainHttp();
    await untilNobodyComes(() => this.#accepted);
    this.stopAcceptingNow();
  }

  stopAcceptingNow(): void {
    this.#drainHttp();
    this.#doorway.sparingNew(() => {
      if (this.#server.listening) this.#server.close();
      this.#server.closeIdleConnections();
    });
  }

  #drainHttp(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const response of this.#responses) endConnectionWith(response);
    this.#http2.close();
  }

  refuseSilent(): void {
    this.#doorway.refuseSilent();
    this.#encrypting.destroyAll();
  }

  release(listener: HttpHostListener): void {
    this.#claims.delete(listener);
    this.#leaving.delete(listener);
    if (this.#claims.size > 0) return;
    HttpHost.#hosts.delete(this.#server);
    if (!this.#draining) this.#encrypting.letGo();
    else {
      this.#encrypting.destroyAll();
      this.#refusals.destroyAll();
      this.#http2.destroyAll();
      // A server of node:http2 has the connections, and not the method.
      HttpServer.prototype.closeAllConnections.call(this.#server);
    }
    this.#http2.letGo();
    this.#server.off("newListener", this.#onNewListener);
    this.#server.off("connection", this.#onConnection);
    this.#server.off("secureConnection", this.#onSocket);
    this.#server.off("tlsClientError", this.#encrypting.onFailed);
    this.#server.off("upgrade", this.#onUpgrade);
    this.#server.off("request", this.#onRequest);
  }

  readonly #onConnection = (socket: Socket): void => {
    this.#accepted++;
    if (this.#server instanceof TlsServer) this.#encrypting.begin(socket);
    else this.#onSocket(socket);
  };

  readonly #onSocket = (socket: Socket): void => {
    const acceptedAt = this.#encrypting.end(socket);
    if (!speaksHttp2(socket)) this.#doorway.enter(socket, acceptedAt);
  };

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const claim = this.#claimOf(request);
    if (this.#server.listenerCount("upgrade") === 1) {
      this.#answer(claim, request, socket, head);
      return;
    }
    const written = this.#doorway.writtenBefore(socket) ?? writtenTo(socket);
    const before = { written, readers: readersOf(socket) };
    if (claim === undefined || isAnswered(socket, before)) {
      this.#doorway.leave(socket);
      return;
    }
    // A path is ours against all others. What nobody has claimed is theirs first.
    const show = claim.path === undefined ? () => {} : hideFromOthers(socket);
    if (claim.path === undefined) this.#warnOnceOfSharing();
    afterAllListeners(() => {
      show();
      if (isAnswered(socket, before)) this.#doorway.leave(socket);
      else this.#answer(claim, request, socket, head);
    });
  };

  #claimOf({ url = "" }: IncomingMessage): HttpHostListener | undefined {
    const path = pathOf(url);
    const claims = [...this.#claims];
    return claims.find((one) => one.path === path) ?? claims.find((one) => one.path === undefined);
  }

  #answer(claim: HttpHostListener | undefined, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const acceptedAt = this.#doorway.leave(socket) ?? now();
    if (claim === undefined) {
      // Nobody else will answer, and Node's timeouts do not know upgraded sockets.
      this.#refusals.refuse(socket, NOTHING_HERE, headOf(request));
      return;
    }
    // The caller's server may end our side with the peer's; replies to a peer that has sent all it has come after.
    (socket as Socket).allowHalfOpen = true;
    claim.owner.onUpgrade(new Http1Handshake(request, socket, head, acceptedAt, claim.owner.refusals));
  }

  #warnOnceOfSharing(): void {
    if (!this.#warned) warnOfSharing();
    this.#warned = true;
  }

  readonly #onNewListener = (event: string | symbol): void => {
    if (event !== "request") return;
    this.#server.off("newListener", this.#onNewListener);
    this.#server.prependListener("request", this.#onRequest);
  };

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    // Its session knows of it.
    if (request.httpVersionMajor === 2) return;
    const { socket } = request;
    this.#doorway.leave(socket);
    this.#responses.add(response);
    this.#responsesOn.set(socket, (this.#responsesOn.get(socket) ?? 0) + 1);
    if (this.#draining) endConnectionWith(response);
    response.once("close", () => {
      this.#responses.delete(response);
      const others = this.#responsesOn.get(socket)! - 1;
      if (others > 0) {
        this.#responsesOn.set(socket, others);
      } else {
        this.#responsesOn.delete(socket);
        // Kept alive: the head of its next request may be under way.
        if (!socket.destroyed) this.#doorway.comeBack(socket);
      }
      this.#tellGuestGone();
      // Its connection counts as idle from the next turn on.
      if (this.#draining) setImmediate(() => this.#closeIdle());
    });
  };

  #closeIdle(): void {
    this.#doorway.sparingNew(() => this.#server.closeIdleConnections());
  }

  #tellGuestGone(): void {
    for (const claim of this.#claims) claim.owner.onGuestGone();
  }
}

/** This answer is the last one on its connection. */
function endConnectionWith(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("Connection", "close");
}
