/** From a request to a connection: who is let in, and when that is decided (RFC 6455 §4.2). */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { now } from "../base/clock.js";
import { LastcallError, UpgradeRejected } from "../base/errors.js";
import type { ConnectionInfo } from "../connection/connection.js";
import {
  isSameHost,
  normalizeOrigin,
  readHandshake,
  switchingProtocols,
  type Handshake,
  type RequestHead,
} from "../wire/handshake.js";
import type { Agreement } from "./compression-offer.js";
import { EarlyBytes } from "./early-bytes.js";
import type { UpgradeOptions } from "./options.js";
import { RETRY_AFTER, type Refusals } from "./refusal.js";
import { headOf } from "./request-head.js";

/** What an upgrade needs of its server. */
export interface UpgradeHost<Principal> {
  readonly options: UpgradeOptions<Principal>;
  readonly refusals: Refusals;
  /** Why nobody is let in at the moment, if so. */
  closedBecause(): string | undefined;
  /** Serves the connection. The 101 is on its way. */
  open(socket: Duplex, head: Buffer, info: ConnectionInfo<Principal>): void;
  reportError(error: unknown): void;
  /** A handshake that had to wait is over. */
  onUpgradeSettled(): void;
}

/** Errors of a socket are followed by 'close', where they are dealt with. (One function: it holds no socket alive.) */
const ignoreError = (): void => {};

let connectionCount = 0;

export class Upgrades<Principal> {
  readonly #host: UpgradeHost<Principal>;
  /** Handshakes that wait for `authenticate`, each with what ends the wait. */
  readonly #waiting = new Map<Duplex, AbortController>();

  constructor(host: UpgradeHost<Principal>) {
    this.#host = host;
  }

  /** How many handshakes wait for `authenticate`. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Answers an upgrade request. `acceptedAt` is when its socket was accepted: the handshake's time runs from there. */
  handle(message: IncomingMessage, socket: Duplex, head: Buffer, acceptedAt: number): void {
    socket.on("error", ignoreError);
    // Refused already, for being late or for what came before it; Node's parser does not know that.
    if (!socket.writable) return;
    const request = headOf(message);
    const handshake = this.#check(request, socket);
    if (handshake === undefined) return;
    if (this.#host.options.authenticate === undefined) {
      this.#open(request, handshake, socket, head, undefined as Principal);
    } else {
      void this.#openWhenAuthenticated(request, handshake, socket, head, acceptedAt);
    }
  }

  /** Refuses every handshake that still waits. */
  refuseWaiting(): void {
    for (const [socket, abort] of this.#waiting) {
      this.#refuse(socket, 503, "The server is closing.", RETRY_AFTER);
      abort.abort();
    }
  }

  #check(request: RequestHead, socket: Duplex): Handshake | undefined {
    const { path } = this.#host.options;
    if (path !== undefined && request.url.split("?", 1)[0] !== path) {
      return this.#refuse(socket, 404, "There is no WebSocket at this path.");
    }
    const handshake = readHandshake(request);
    if ("status" in handshake) {
      return this.#refuse(socket, handshake.status, handshake.message, handshake.headers);
    }
    if (!this.#isOriginAllowed(request)) {
      return this.#refuse(socket, 403, "Pages from this origin may not connect.");
    }
    const closed = this.#host.closedBecause();
    if (closed !== undefined) return this.#refuse(socket, 503, closed, RETRY_AFTER);
    return handshake;
  }

  #isOriginAllowed({ headers }: RequestHead): boolean {
    const { origins } = this.#host.options;
    const { origin, host } = headers;
    if (origin === undefined || origins === "*") return true;
    if (origins === undefined) return isSameHost(origin, host);
    const normalized = normalizeOrigin(origin);
    return normalized !== undefined && origins.includes(normalized);
  }

  async #openWhenAuthenticated(
    request: RequestHead,
    handshake: Handshake,
    socket: Duplex,
    head: Buffer,
    acceptedAt: number,
  ): Promise<void> {
    const early = new EarlyBytes(socket, head);
    const principal = await this.#authenticate(request, socket, acceptedAt);
    this.#waiting.delete(socket);
    const bytes = early.take();
    if (principal !== undefined) this.#open(request, handshake, socket, bytes, principal.value);
    this.#host.onUpgradeSettled();
  }

  /** The principal, or undefined when the handshake is refused or its socket gone. */
  async #authenticate(
    request: RequestHead,
    socket: Duplex,
    acceptedAt: number,
  ): Promise<{ value: Principal } | undefined> {
    const { authenticate, handshakeTimeout } = this.#host.options;
    const abort = new AbortController();
    const onLeave = (): void => {
      // Its FIN before there was an answer: nobody waits for one any more.
      socket.destroy();
      abort.abort();
    };
    const timer = setTimeout(
      () => {
        this.#refuse(socket, 408, "The handshake took too long.");
        abort.abort();
      },
      Math.max(0, acceptedAt + handshakeTimeout - now()),
    );
    this.#waiting.set(socket, abort);
    socket.once("end", onLeave);
    socket.once("close", onLeave);
    // The wait ends with the client or its time, also when `authenticate` does not listen to its signal.
    const aborted = new Promise<undefined>((resolve) => {
      abort.signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    try {
      const principal = (async () => ({ value: await authenticate!(request, { signal: abort.signal }) }))();
      return await Promise.race([principal, aborted]);
    } catch (error) {
      if (error instanceof UpgradeRejected) {
        this.#refuse(socket, error.status, error.body, error.headers);
      } else {
        this.#host.reportError(error);
        this.#refuse(socket, 500, "The handshake could not be checked.");
      }
      return undefined;
    } finally {
      clearTimeout(timer);
      socket.off("end", onLeave);
      socket.off("close", onLeave);
    }
  }

  #open(
    request: RequestHead,
    handshake: Handshake,
    socket: Duplex,
    head: Buffer,
    principal: Principal,
  ): void {
    const protocol = this.#chooseProtocol(handshake.protocols, request);
    if (protocol instanceof Error) {
      this.#host.reportError(protocol);
      this.#refuse(socket, 500, "The subprotocol could not be chosen.");
      return;
    }
    const agreed = this.#agreeOnCompression(request);
    if (agreed === "malformed") {
      this.#refuse(socket, 400, "The Sec-WebSocket-Extensions header is malformed.");
      return;
    }
    // The last look, and nothing is awaited behind it: who gets a 101 is served.
    const closed = this.#host.closedBecause();
    if (closed !== undefined) {
      this.#refuse(socket, 503, closed, RETRY_AFTER);
      return;
    }
    if (!socket.writable) return;
    const { setNoDelay, remoteAddress } = socket as Partial<Socket>;
    // Frames leave as whole writes once per tick; Nagle would only hold them back.
    setNoDelay?.call(socket as Socket, true);
    socket.write(switchingProtocols(handshake.key, protocol, agreed?.header));
    // From here on the connection listens.
    socket.off("error", ignoreError);
    this.#host.open(socket, head, {
      number: ++connectionCount,
      request,
      requestIsShared: this.#isShown,
      protocol: protocol ?? "",
      principal,
      remoteAddress: remoteAddress ?? "",
      compression: agreed?.compression,
    });
  }

  /** Whether the application has had requests in hand before their connection. */
  get #isShown(): boolean {
    const { authenticate, protocols } = this.#host.options;
    return authenticate !== undefined || typeof protocols === "function";
  }

  /** Extensions are only looked at when there is one here. */
  #agreeOnCompression({ headers }: RequestHead): Agreement | "malformed" | undefined {
    const offers = headers["sec-websocket-extensions"];
    return offers === undefined ? undefined : this.#host.options.compression?.negotiate(offers);
  }

  /** The subprotocol; an Error when the application's function threw or returned what was not offered. */
  #chooseProtocol(offered: readonly string[], request: RequestHead): string | undefined | Error {
    const { protocols } = this.#host.options;
    if (typeof protocols !== "function") return protocols.find((protocol) => offered.includes(protocol));
    if (offered.length === 0) return undefined;
    try {
      const chosen = protocols(offered, request);
      if (chosen === undefined || offered.includes(chosen)) return chosen;
      return new LastcallError(
        "LASTCALL_PROTOCOL_NOT_OFFERED",
        `The function given as 'protocols' must return one of the offered subprotocols or undefined; it returned "${chosen}".`,
      );
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #refuse(
    socket: Duplex,
    status: number,
    message: string,
    headers?: Readonly<Record<string, string>>,
  ): undefined {
    this.#host.refusals.refuse(socket, status, message, headers);
  }
}
