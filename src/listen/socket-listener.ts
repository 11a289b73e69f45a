/**
 * A listening socket whose connections are all ours: one that we open, or a caller's `net.Server` or `tls.Server`.
 * Node's HTTP parser reads the handshakes; plain requests are refused.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server as HttpServer } from "node:http";
import type { AddressInfo, ListenOptions, Server as NetServer, Socket } from "node:net";
import { Server as TlsServer, type TLSSocket } from "node:tls";
import { now, systemClock } from "../base/clock.js";
import { defer } from "../base/deferred.js";
import { InvalidOptionError, ServerStateError } from "../base/errors.js";
import { readHandshake } from "../wire/handshake.js";
import { Doorway } from "./doorway.js";
import { Http1Handshake } from "./http1-handshake.js";
import { untilNobodyComes, waitingToBeAccepted } from "./accept-queue.js";
import { NO_REQUESTS, untilListening, type Listener, type ListenerOwner } from "./listener.js";
import type { Refusal } from "./refusal.js";
import { OwnServer } from "./own-server.js";
import { headOf } from "./request-head.js";
import { SocketFile } from "./socket-file.js";
import { TlsHandshakes } from "./tls-handshakes.js";

const NO_UPGRADE: Refusal = { status: 400, message: "The header 'Connection: Upgrade' is missing." };
const HEAD_TOO_LARGE: Refusal = { status: 431, message: "The request's head is too large." };
/** RFC 9112 §3 */
const TARGET_TOO_LONG: Refusal = { status: 414, message: "The request target is too long." };
const NOT_HTTP: Refusal = { status: 400, message: "This is not HTTP." };

/** The beginning of a request of which there is no more yet than its first line. */
const REQUEST_LINE = /^[A-Z]+ \S*$/;

/** How long the last sockets, destroyed already, get to be gone. */
const RELEASE_TIMEOUT = 100;

export class SocketListener implements Listener {
  /** Servers that have one of these. Its sockets can be read by one only. */
  static readonly #claimed = new WeakSet<NetServer>();

  readonly #server: NetServer;
  readonly #options: ListenOptions | undefined;
  readonly #owner: ListenerOwner;
  readonly #http: HttpServer;
  readonly #doorway: Doorway;
  /** Sockets of a `tls.Server` whose TLS handshake is under way. */
  readonly #encrypting: TlsHandshakes;
  /** Until it listens: what ends the wait for that. */
  #opening: AbortController | undefined = new AbortController();
  /** A port of ours serves no plain requests. */
  readonly requests = NO_REQUESTS;
  #accepted = 0;
  #neverAccepted = 0;
  #closing = false;
  #socketFile: SocketFile | undefined;
  readonly #gone = defer<void>();

  /**
   * `options` is where to listen; undefined for a caller's server, which listens where the caller says.
   * @throws {@link InvalidOptionError} when another of ours is on it.
   */
  constructor(server: NetServer, options: ListenOptions | undefined, owner: ListenerOwner) {
    if (SocketListener.#claimed.has(server)) {
      throw new InvalidOptionError(
        "listen",
        server,
        "a server on which no other one listens; several can share an http.Server or https.Server, each with its path",
      );
    }
    SocketListener.#claimed.add(server);
    this.#server = server;
    this.#options = options;
    this.#owner = owner;
    this.#doorway = new Doorway(owner, owner.handshakeTimeout);
    this.#encrypting = new TlsHandshakes(
      () => owner.handshakeTimeout,
      () => owner.onGuestGone(),
      (error) => owner.onListenerError(error),
    );
    this.#http = this.#createParser();
    if (server instanceof OwnServer) server.onClosing = this.#onClosing;
    this.#server.once("close", this.#onClose);
    this.#server.on("connection", this.#onConnection);
    if (server instanceof TlsServer) {
      server.on("secureConnection", this.#onSocket);
      server.on("tlsClientError", this.#encrypting.onFailed);
    }
  }

  get guests(): number {
    return this.#doorway.silent + this.#encrypting.size;
  }

  async open(): Promise<AddressInfo | string> {
    const { signal } = this.#opening!;
    if (this.#options === undefined) await this.#untilListening(signal);
    else await this.#bind(this.#options, signal);
    this.#opening = undefined;
    return this.address()!;
  }

  async #untilListening(signal: AbortSignal): Promise<void> {
    try {
      await untilListening(this.#server, signal);
    } catch (error) {
      this.#letGo();
      // It goes down with us, also before it listens.
      if (signal.aborted) this.#server.close();
      throw error;
    }
  }

  /** Listens at a place of our own. */
  async #bind(options: ListenOptions, signal: AbortSignal): Promise<void> {
    const file = options.path === undefined ? undefined : SocketFile.for(options.path);
    try {
      await this.#listen(file === undefined ? options : { ...options, path: file.boundPath }, signal);
      file?.publish();
    } catch (error) {
      this.#close();
      throw file === undefined ? error : file.explain(error);
    }
    this.#socketFile = file;
  }

  async #listen(options: ListenOptions, signal: AbortSignal): Promise<void> {
    // To a server that is closed Node opens no port, whether it waits for a look-up or for a cluster's primary.
    signal.addEventListener("abort", () => this.#close());
    this.#server.listen(options);
    try {
      // `once` rejects when 'error' comes first.
      await Promise.race([once(this.#server, "listening"), this.#gone.promise]);
    } catch (error) {
      const { fd } = options as { fd?: number };
      if (fd === undefined) throw error;
      // Node says only EINVAL, or EEXIST for one that its loop watches already.
      const isTaken = (error as NodeJS.ErrnoException).code === "EEXIST";
      const allowed = `the descriptor of a bound TCP or Unix socket${isTaken ? " that nothing else in this process uses" : ""}`;
      throw new InvalidOptionError("listen.fd", fd, allowed, { cause: error });
    }
    if (!this.#server.listening) throw new ServerStateError("It was closed before it listened.");
    // From here on an error is one of accepting, such as EMFILE: it must not end the process.
    this.#server.on("error", (error) => this.#owner.onListenerError(error));
  }

  beginShutdown(): void {
    this.#opening?.abort();
  }

  address(): AddressInfo | string | null {
    if (!this.#server.listening) return null;
    return this.#socketFile?.path ?? this.#server.address();
  }

  /** Whoever asks for plain HTTP here is refused. */
  isUnanswered(): boolean {
    return false;
  }

  get neverAccepted(): number {
    return this.#neverAccepted;
  }

  async stopAccepting(limit: number): Promise<void> {
    const waiting = await untilNobodyComes(
      () => this.#accepted,
      () => waitingToBeAccepted(this.#server),
      limit,
      () => !this.#server.listening,
    );
    this.#closeDoor(waiting);
  }

  stopAcceptingNow(): void {
    this.#closeDoor(waitingToBeAccepted(this.#server));
  }

  #closeDoor(waiting: number): void {
    if (!this.#server.listening) return;
    try {
      this.#socketFile?.unpublish();
    } catch (error) {
      this.#owner.onListenerError(error);
    }
    this.#neverAccepted = waiting;
    this.#close();
  }

  #close(): void {
    this.#closing = true;
    this.#server.close();
  }

  refuseSilent(): void {
    this.#doorway.refuseSilent();
    this.#encrypting.destroyAll();
  }

  async destroy(): Promise<void> {
    this.stopAcceptingNow();
    this.#doorway.destroySilent();
    this.#encrypting.destroyAll();
    const timer = systemClock.after(RELEASE_TIMEOUT, () => this.#gone.resolve());
    await this.#gone.promise;
    systemClock.cancel(timer);
    this.#letGo();
  }

  /** Takes our listeners off a caller's server. */
  #letGo(): void {
    SocketListener.#claimed.delete(this.#server);
    this.#server.off("close", this.#onClose);
    this.#server.off("connection", this.#onConnection);
    this.#server.off("secureConnection", this.#onSocket);
    this.#server.off("tlsClientError", this.#encrypting.onFailed);
  }

  readonly #onClosing = (): void => {
    if (!this.#closing) this.#owner.onListenerClosed();
  };

  readonly #onClose = (): void => this.#gone.resolve();

  readonly #onConnection = (socket: Socket): void => {
    this.#accepted++;
    if (this.#server instanceof TlsServer) this.#encrypting.begin(socket);
    else this.#onSocket(socket);
  };

  readonly #onSocket = (socket: Socket | TLSSocket): void => {
    const acceptedAt = this.#encrypting.end(socket);
    // A caller's server may end our side with the peer's; the replies to a peer that has sent all it has come after.
    socket.allowHalfOpen = true;
    this.#doorway.enter(socket, acceptedAt);
    this.#http.emit("connection", socket);
    // Nobody else will: they are all ours.
    if (pausesOnConnect(this.#server)) socket.resume();
  };

  #createParser(): HttpServer {
    const http = createServer({ requireHostHeader: false });
    // The handshake has a limit of its own, from the accepted socket on.
    http.headersTimeout = 0;
    http.requestTimeout = 0;
    const { refusals } = this.#owner;
    http.on("upgrade", (request, socket, head) => {
      const acceptedAt = this.#doorway.leave(socket) ?? now();
      this.#owner.onUpgrade(new Http1Handshake(request, socket, head, acceptedAt, refusals));
    });
    // Not through Node's response: it destroys the socket with whatever the client still sends unread.
    const refuse = (request: IncomingMessage): void => {
      const head = headOf(request);
      const refusal = readHandshake(head);
      request.resume();
      refusals.refuse(request.socket, "status" in refusal ? refusal : NO_UPGRADE, head);
    };
    for (const event of ["request", "checkExpectation", "connect"]) http.on(event, refuse);
    http.on("clientError", (error: ParserError, socket) => refusals.refuse(socket, refusalFor(error)));
    return http;
  }
}

/** Whether a caller's server accepts sockets paused. The types do not know that it tells. */
function pausesOnConnect(server: NetServer): boolean {
  return (server as { pauseOnConnect?: boolean }).pauseOnConnect === true;
}

/** What Node's parser says of what it cannot read. */
interface ParserError extends NodeJS.ErrnoException {
  /** The segment in which it gave up, and how much of it was read. */
  rawPacket?: Buffer;
  bytesParsed?: number;
}

function refusalFor({ code, rawPacket, bytesParsed }: ParserError): Refusal {
  if (code !== "HPE_HEADER_OVERFLOW") return NOT_HTTP;
  const read = rawPacket?.toString("latin1", 0, bytesParsed) ?? "";
  return REQUEST_LINE.test(read) ? TARGET_TOO_LONG : HEAD_TOO_LARGE;
}
