/**
 * A caller's HTTP server: we take the upgrades to our paths, leave everything else to the caller, and see to it that
 * plain HTTP goes down with us. Node's `close()` does not do that: it waits for silent connections without end, or, since
 * Node 26, destroys them at once.
 */
import type { IncomingMessage, Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Server as TlsServer } from "node:tls";
import { now } from "../base/clock.js";
import { InvalidOptionError, ServerStateError } from "../base/errors.js";
import { pathOf, readHandshake, type RequestHead } from "../wire/handshake.js";
import { untilNobodyComes, waitingToBeAccepted } from "./accept-queue.js";
import { Http1Handshake } from "./http1-handshake.js";
import { ignoreOtherUpgrades, takeOtherUpgrade } from "./not-websocket.js";
import { Http2Sessions, speaksHttp2, type Http1And2Server } from "./http2-sessions.js";
import { HttpLedger } from "./http-ledger.js";
import {
  NO_REQUESTS,
  untilListening,
  type Listener,
  type ListenerOwner,
  type PlainRequests,
} from "./listener.js";
import { CLOSING, NOTHING_HERE, Refusals, unavailable, type Refusal } from "./refusal.js";
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
      await this.#host.release(this);
      // It goes down with the last of us, also before it listens.
      if (this.#opening.signal.aborted && !HttpHost.isOn(this.#server)) this.#server.close();
      throw error;
    }
    return this.#server.address()!;
  }

  beginShutdown(): void {
    this.#opening.abort();
    this.#host?.countFromNow();
  }

  address(): AddressInfo | string | null {
    // Node still tells the path of a Unix socket when that is closed.
    return this.#server.listening ? this.#server.address() : null;
  }

  get guests(): number {
    return this.#host?.guestsOf(this) ?? 0;
  }

  isUnanswered(request: object): boolean {
    return this.#host?.isUnanswered(request) ?? false;
  }

  get requests(): PlainRequests {
    return this.#host?.requestsFor(this) ?? NO_REQUESTS;
  }

  get neverAccepted(): number {
    return this.#host?.neverAccepted ?? 0;
  }

  async stopAccepting(limit: number): Promise<void> {
    await this.#host?.stopAccepting(this, limit);
  }

  stopAcceptingNow(): void {
    this.#host?.stopAcceptingNow(this);
  }

  refuseSilent(): void {
    this.#host?.refuseSilent(this);
  }

  async destroy(): Promise<void> {
    await this.#host?.release(this);
  }
}

/** What is no HTTP request is refused as such, whatever it asks for (RFC 9112 §3.2). */
function notARequest(head: RequestHead): Refusal | undefined {
  const read = readHandshake(head);
  return "status" in read && read.status === 400 ? read : undefined;
}

/** A server's claim on an HTTP server. Those who came in when its door was closed are refused. */
interface Claim {
  isLeaving: boolean;
  /** How many had come in then. */
  doorClosedAfter: number;
  /** It waits no more for those who have not asked for anything. */
  isGraceOver: boolean;
}

/** So many paths are remembered at most whose servers are down. */
const MOST_DOWN = 1_000;

/** What we have put on one HTTP server, for all of our servers that share it. */
class HttpHost {
  static readonly #hosts = new WeakMap<HttpHostServer, HttpHost>();

  readonly #server: HttpHostServer;
  readonly #ledger: HttpLedger;
  readonly #refusals: Refusals;
  readonly #claims = new Map<HttpHostListener, Claim>();
  /** Paths whose servers are down. Who comes to them is told so, unless somebody else takes them over. */
  readonly #down = new Set<string | undefined>();
  /** Sockets whose TLS handshake is under way. */
  readonly #encrypting: TlsHandshakes;
  readonly #http2: Http2Sessions;
  readonly #heedOtherUpgrades: () => void;
  /** The last of our servers goes down, and the HTTP server with it. */
  #draining = false;
  /** The last one, when it has been released. */
  #last: HttpHostListener | undefined;
  #accepted = 0;
  #neverAccepted = 0;
  #warned = false;

  /**
   * @throws {@link InvalidOptionError} when another server has claimed the path.
   * @throws {@link ServerStateError} when the HTTP server is going down.
   */
  static claim(server: HttpHostServer, listener: HttpHostListener): HttpHost {
    let host = HttpHost.#hosts.get(server);
    if (host === undefined) {
      host = new HttpHost(server);
      HttpHost.#hosts.set(server, host);
    }
    host.#claim(listener);
    return host;
  }

  /** Whether one of our servers is on it. */
  static isOn(server: HttpHostServer): boolean {
    return HttpHost.#hosts.has(server);
  }

  private constructor(server: HttpHostServer) {
    this.#server = server;
    const onGuestGone = (): void => this.#tellGuestGone();
    // Not those of one of our servers: it may be gone while the others still refuse.
    this.#refusals = new Refusals(onGuestGone);
    this.#ledger = new HttpLedger(server as HttpServer, onGuestGone);
    // Whose path it will ask for is not known yet: the longest time that any of them gives.
    const timeout = (): number =>
      Math.max(...[...this.#claims.keys()].map(({ owner }) => owner.handshakeTimeout));
    this.#encrypting = new TlsHandshakes(timeout, onGuestGone, (error) => {
      for (const claim of this.#claims.keys()) claim.owner.onListenerError(error);
    });
    this.#http2 = new Http2Sessions(server, onGuestGone);
    server.on("connection", this.#onConnection);
    if (server instanceof TlsServer) {
      server.on("secureConnection", this.#onSocket);
      server.on("tlsClientError", this.#encrypting.onFailed);
    }
    // First, so that who refuses what is not his own does not do it before us.
    server.prependListener("upgrade", this.#onUpgrade);
    this.#heedOtherUpgrades = ignoreOtherUpgrades(server as HttpServer);
  }

  #claim(listener: HttpHostListener): void {
    if (this.#draining) {
      throw new ServerStateError(
        "The HTTP server given to listen() is going down, with the last server that was on it. Give a new one.",
      );
    }
    const { path } = listener;
    for (const claim of this.#claims.keys()) {
      if (claim.path === path) {
        throw new InvalidOptionError(
          "path",
          path,
          path === undefined
            ? "given, since a server on the same HTTP server has none either, and takes all that nobody else has claimed"
            : "another one: a server on the same HTTP server has claimed this one already",
        );
      }
    }
    this.#claims.set(listener, { isLeaving: false, doorClosedAfter: Infinity, isGraceOver: false });
    this.#down.delete(path);
    if (path === undefined && this.#server.listenerCount("upgrade") > 1) this.#warnOnceOfSharing();
  }

  // Going down

  /** Whom a server waits for. Those who are silent may ask for another one, whose grace is not over. */
  guestsOf(listener: HttpHostListener): number {
    const claim = this.#claims.get(listener);
    if (!this.#draining) {
      // Others go on with the rest. Who came before its door was closed may still ask for it.
      if (claim === undefined || !claim.isLeaving || claim.isGraceOver) return 0;
      return this.#encrypting.size + (this.#ledger.hasNewcomers(claim.doorClosedAfter) ? 1 : 0);
    }
    const underWay = this.#ledger.underWay + this.#refusals.open + this.#http2.size;
    const isGraceOver = claim?.isGraceOver ?? true;
    // Each of thousands that are answered asks this, and who is silent has to be looked for among all.
    if (underWay > 0 || isGraceOver) return underWay;
    return this.#encrypting.size + (this.#ledger.hasSilent ? 1 : 0);
  }

  isUnanswered(request: object): boolean {
    return this.#ledger.isUnanswered(request);
  }

  /** What became of plain requests, if they go down with this server. */
  requestsFor(listener: HttpHostListener): PlainRequests {
    if (this.#last !== listener) return NO_REQUESTS;
    const { answered, left, cut } = this.#ledger.requests;
    const overHttp2 = this.#http2.requests;
    return {
      answered: answered + overHttp2.answered,
      left: left + overHttp2.left,
      cut: [...cut, ...overHttp2.cut],
    };
  }

  countFromNow(): void {
    if (this.#draining) return;
    this.#ledger.countFromNow();
    this.#http2.countFromNow();
  }

  get neverAccepted(): number {
    return this.#neverAccepted;
  }

  /** A server leaves. When it is the last one, the HTTP server goes down with it. */
  #leave(listener: HttpHostListener): void {
    const claim = this.#claims.get(listener);
    // It may have been released while it still began to listen.
    if (claim === undefined) return;
    claim.isLeaving = true;
    if (![...this.#claims.values()].every(({ isLeaving }) => isLeaving)) return;
    this.#draining = true;
    this.#ledger.drain();
  }

  async stopAccepting(listener: HttpHostListener, limit: number): Promise<void> {
    this.#leave(listener);
    const isOver = (): boolean => !this.#server.listening || !this.#claims.has(listener);
    const waiting = (): number => (isOver() ? 0 : waitingToBeAccepted(this.#server));
    this.#closeDoor(listener, await untilNobodyComes(() => this.#accepted, waiting, limit, isOver));
  }

  stopAcceptingNow(listener: HttpHostListener): void {
    this.#leave(listener);
    this.#closeDoor(listener, this.#server.listening ? waitingToBeAccepted(this.#server) : 0);
  }

  #closeDoor(listener: HttpHostListener, waiting: number): void {
    const claim = this.#claims.get(listener);
    // Those whose TLS handshake is under way have come already.
    const came = this.#ledger.entered + this.#encrypting.size;
    if (claim !== undefined) claim.doorClosedAfter = Math.min(claim.doorClosedAfter, came);
    // Others may still let in who has come to theirs: the last one closes the door.
    const isLast = [...this.#claims.values()].every(({ doorClosedAfter }) => doorClosedAfter < Infinity);
    if (!this.#draining || !isLast) return;
    this.#ledger.closeDoor();
    this.#neverAccepted += waiting;
    this.#http2.close();
  }

  refuseSilent(listener: HttpHostListener): void {
    const claim = this.#claims.get(listener);
    if (claim !== undefined) claim.isGraceOver = true;
    this.#refuseSilentBehindAll();
  }

  /** Whom they will ask for is not known: they are refused when the grace of the last server is over. */
  #refuseSilentBehindAll(): void {
    if (!this.#draining || ![...this.#claims.values()].every(({ isGraceOver }) => isGraceOver)) return;
    this.#ledger.refuseSilent(this.#refusals);
    this.#encrypting.destroyAll();
  }

  async release(listener: HttpHostListener): Promise<void> {
    if (!this.#claims.delete(listener)) return;
    this.#noteDown(listener.path);
    if (this.#claims.size > 0) return this.#refuseSilentBehindAll();
    this.#last = listener;
    HttpHost.#hosts.delete(this.#server);
    if (!this.#draining) this.#encrypting.letGo();
    else {
      this.#encrypting.destroyAll();
      this.#refusals.destroyAll();
      this.#http2.destroyAll();
      await this.#ledger.end();
    }
    this.#ledger.letGo();
    this.#http2.letGo();
    this.#server.off("connection", this.#onConnection);
    this.#server.off("secureConnection", this.#onSocket);
    this.#server.off("tlsClientError", this.#encrypting.onFailed);
    this.#server.off("upgrade", this.#onUpgrade);
    this.#heedOtherUpgrades();
  }

  #noteDown(path: string | undefined): void {
    this.#down.add(path);
    const [oldest] = this.#down;
    if (this.#down.size > MOST_DOWN) this.#down.delete(oldest);
  }

  // Who comes

  readonly #onConnection = (socket: Socket): void => {
    this.#accepted++;
    if (this.#server instanceof TlsServer) this.#encrypting.begin(socket);
    else this.#onSocket(socket);
  };

  readonly #onSocket = (socket: Socket): void => {
    this.#encrypting.end(socket);
    if (!speaksHttp2(socket)) this.#ledger.enter(socket);
  };

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const visit = this.#ledger.get(socket);
    if (takeOtherUpgrade(this.#server as HttpServer, request, socket, head)) {
      if (this.#server.listenerCount("upgrade") > 1) this.#ledger.leave(socket);
      else this.#ledger.expectMore(socket);
      return;
    }
    const answer = (): void => {
      // What was asked before is answered before (RFC 9112 §9.3.2).
      if (visit === undefined) this.#answer(request, socket, head);
      else visit.afterAnswers(() => this.#answer(request, socket, head));
    };
    if (this.#server.listenerCount("upgrade") === 1) return answer();
    const before = { written: visit?.writtenBefore ?? writtenTo(socket), readers: readersOf(socket) };
    const claim = this.#claimOf(request);
    if (claim === undefined || isAnswered(socket, before)) {
      this.#ledger.leave(socket);
      return;
    }
    // A path is ours against all others. What nobody has claimed is theirs first.
    const show = claim.path === undefined ? () => {} : hideFromOthers(socket);
    if (claim.path === undefined) this.#warnOnceOfSharing();
    afterAllListeners(() => {
      show();
      if (isAnswered(socket, before)) this.#ledger.leave(socket);
      else answer();
    });
  };

  #claimOf({ url = "" }: IncomingMessage): HttpHostListener | undefined {
    const path = pathOf(url);
    const claims = [...this.#claims.keys()];
    return claims.find((one) => one.path === path) ?? claims.find((one) => one.path === undefined);
  }

  /** Whether the server that would have taken this is down, while others on the HTTP server go on. */
  #isDown({ url = "" }: IncomingMessage): boolean {
    return this.#down.has(pathOf(url)) || this.#down.has(undefined);
  }

  #answer(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const number = this.#ledger.get(socket)?.number ?? 0;
    this.#ledger.leave(socket);
    const listener = this.#claimOf(request);
    const claim = listener && this.#claims.get(listener)!;
    if (claim === undefined || number > claim.doorClosedAfter) {
      // Nobody else will answer, and Node's timeouts do not know upgraded sockets.
      const requestHead = headOf(request);
      const refusal = claim !== undefined || this.#isDown(request) ? unavailable(CLOSING) : NOTHING_HERE;
      this.#refusals.refuse(socket, notARequest(requestHead) ?? refusal, requestHead);
      return;
    }
    // The caller's server may end our side with the peer's; replies to a peer that has sent all it has come after.
    (socket as Socket).allowHalfOpen = true;
    const { owner } = listener!;
    // Until now it was the caller's, and so was the time that it took.
    owner.onUpgrade(new Http1Handshake(request, socket, head, now(), owner.refusals));
  }

  #warnOnceOfSharing(): void {
    if (!this.#warned) warnOfSharing();
    this.#warned = true;
  }

  #tellGuestGone(): void {
    for (const claim of this.#claims.keys()) claim.owner.onGuestGone();
  }
}
