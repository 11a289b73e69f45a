/** From a request to a connection: who is let in, and when that is decided (RFC 6455 §4.2). */
import { now } from "../base/clock.js";
import { describeValue, LastcallError, UpgradeRejected } from "../base/errors.js";
import type { Guest } from "../connection/connection.js";
import type { Accepted } from "../connection/endpoint.js";
import { hostOf, isSameHost, normalizeOrigin, pathOf, type RequestHead } from "../wire/handshake.js";
import type { Agreement } from "./compression-offer.js";
import { askedFor, upgradeEvents } from "./diagnostics.js";
import { EarlyBytes } from "./early-bytes.js";
import type { Offer, OpeningHandshake } from "./opening-handshake.js";
import type { UpgradeOptions, Verdict } from "./options.js";
import { CLOSING, NOTHING_HERE, TOO_SLOW, unavailable, type Refusal } from "./refusal.js";

/** What an upgrade needs of its server. */
export interface UpgradeOwner<Principal> {
  readonly options: UpgradeOptions<Principal>;
  /** Why nobody is let in at the moment, if so. */
  closedBecause(): string | undefined;
  /** Serves the connection. The answer that it is open is on its way; `early` is what came behind the request. */
  open(accepted: Accepted, guest: Guest<Principal>, early: Buffer): void;
  reportError(error: unknown): void;
  /** A handshake that had to wait is over. */
  onUpgradeSettled(): void;
}

/** Errors of a socket are followed by 'close', where they are dealt with. (One function: it holds no socket alive.) */
const ignoreError = (): void => {};

const WRONG_ORIGIN: Refusal = { status: 403, message: "Pages from this origin may not connect." };
const NOT_AUTHENTICATED: Refusal = { status: 401, message: "Only who is authenticated may connect." };
const NOT_CHECKED: Refusal = { status: 500, message: "The handshake could not be checked." };
const NOT_CHOSEN: Refusal = { status: 500, message: "The subprotocol could not be chosen." };
const MALFORMED_EXTENSIONS: Refusal = {
  status: 400,
  message: "The Sec-WebSocket-Extensions header is malformed.",
};

let connectionCount = 0;

export class Upgrades<Principal> {
  readonly #owner: UpgradeOwner<Principal>;
  /** Handshakes that wait for `authenticate`, each with what ends the wait. */
  readonly #waiting = new Map<OpeningHandshake, AbortController>();

  constructor(owner: UpgradeOwner<Principal>) {
    this.#owner = owner;
  }

  /** How many handshakes wait for `authenticate`. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Answers a request to become a WebSocket. */
  handle(handshake: OpeningHandshake): void {
    const { stream, early } = handshake;
    stream.on("error", ignoreError);
    // Refused already, for being late or for what came before it; Node's parser does not know that.
    if (!stream.writable) return;
    const offer = this.#check(handshake);
    if ("status" in offer) {
      handshake.refuse(offer);
    } else if (this.#owner.options.authenticate === undefined) {
      this.#open(handshake, offer, undefined as Principal, early);
    } else {
      void this.#openWhenAuthenticated(handshake, offer);
    }
  }

  /** Refuses every handshake that still waits. */
  refuseWaiting(): void {
    for (const [handshake, abort] of this.#waiting) {
      handshake.refuse(unavailable(CLOSING));
      abort.abort();
    }
  }

  /** What is offered, or why it is not accepted. */
  #check(handshake: OpeningHandshake): Offer | Refusal {
    const { head } = handshake;
    const { path } = this.#owner.options;
    if (path !== undefined && pathOf(head.url) !== path) return NOTHING_HERE;
    const offer = handshake.read();
    if ("status" in offer) return offer;
    if (!this.#isOriginAllowed(head)) return WRONG_ORIGIN;
    const closed = this.#owner.closedBecause();
    return closed === undefined ? offer : unavailable(closed);
  }

  #isOriginAllowed(head: RequestHead): boolean {
    const { origins } = this.#owner.options;
    const { origin } = head.headers;
    if (origin === undefined || origins === "*") return true;
    if (origins === undefined) return isSameHost(origin, hostOf(head));
    const normalized = normalizeOrigin(origin);
    return normalized !== undefined && origins.includes(normalized);
  }

  async #openWhenAuthenticated(handshake: OpeningHandshake, offer: Offer): Promise<void> {
    const early = new EarlyBytes(handshake.stream, handshake.early);
    const principal = await this.#authenticate(handshake);
    this.#waiting.delete(handshake);
    const bytes = early.take();
    if (principal !== undefined) this.#open(handshake, offer, principal.value, bytes);
    this.#owner.onUpgradeSettled();
  }

  /** The principal, or undefined when the handshake is refused or its socket gone. */
  async #authenticate(handshake: OpeningHandshake): Promise<{ value: Principal } | undefined> {
    const { head, stream, acceptedAt, remoteAddress, tls } = handshake;
    const { authenticate, handshakeTimeout } = this.#owner.options;
    const abort = new AbortController();
    const onLeave = (): void => {
      // Its FIN before there was an answer: nobody waits for one any more.
      stream.destroy();
      abort.abort();
    };
    const timer = setTimeout(
      () => {
        handshake.refuse(TOO_SLOW);
        abort.abort();
      },
      Math.max(0, acceptedAt + handshakeTimeout - now()),
    );
    this.#waiting.set(handshake, abort);
    stream.once("end", onLeave);
    stream.once("close", onLeave);
    // The wait ends with the client or its time, also when `authenticate` does not listen to its signal.
    const aborted = new Promise<undefined>((resolve) => {
      abort.signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    try {
      const context = { signal: abort.signal, remoteAddress, tls };
      const asked = (async () => ({ verdict: await authenticate!(head, context) }))();
      const answer = await Promise.race([asked, aborted]);
      return answer === undefined ? undefined : this.#admit(handshake, answer.verdict);
    } catch (error) {
      this.#refuseFor(error, handshake, NOT_CHECKED);
      return undefined;
    } finally {
      clearTimeout(timer);
      stream.off("end", onLeave);
      stream.off("close", onLeave);
    }
  }

  #admit(handshake: OpeningHandshake, verdict: Verdict<Principal>): { value: Principal } | undefined {
    // Not only false: `token && users.get(token)` is an empty string for an empty token.
    if (verdict) return { value: verdict };
    handshake.refuse(NOT_AUTHENTICATED);
    return undefined;
  }

  /** Refuses as the application says that throws `UpgradeRejected`; what else it throws is an error of its own. */
  #refuseFor(error: unknown, handshake: OpeningHandshake, otherwise: Refusal): void {
    if (error instanceof UpgradeRejected) {
      handshake.refuse({ status: error.status, message: error.body, headers: error.headers });
      return;
    }
    this.#owner.reportError(error);
    handshake.refuse(otherwise);
  }

  #open(handshake: OpeningHandshake, offer: Offer, principal: Principal, early: Buffer): void {
    const { head, stream, remoteAddress } = handshake;
    const protocol = this.#chooseProtocol(offer.protocols, head);
    if (protocol instanceof Error) {
      this.#refuseFor(protocol, handshake, NOT_CHOSEN);
      return;
    }
    const agreed = this.#agreeOnCompression(head);
    if (agreed === "malformed") {
      handshake.refuse(MALFORMED_EXTENSIONS);
      return;
    }
    // The last look, and nothing is awaited behind it: who gets a 101 is served.
    const closed = this.#owner.closedBecause();
    if (closed !== undefined) {
      handshake.refuse(unavailable(closed));
      return;
    }
    if (!stream.writable) return;
    handshake.accept(protocol, agreed?.header);
    if (protocol === undefined && offer.protocols.length > 0) {
      const offered = offer.protocols;
      upgradeEvents.publish(() => ({ event: "no subprotocol", offered, remoteAddress, ...askedFor(head) }));
    }
    // From here on the connection listens.
    stream.off("error", ignoreError);
    this.#owner.open(
      { number: ++connectionCount, socket: stream, remoteAddress, compression: agreed?.compression },
      { request: head, requestIsShared: this.#showsRequests, protocol: protocol ?? "", principal },
      early,
    );
  }

  /** Whether the application has requests in hand before there is a connection. */
  get #showsRequests(): boolean {
    const { authenticate, protocols } = this.#owner.options;
    return authenticate !== undefined || typeof protocols === "function";
  }

  /** Extensions are only looked at when there is one here. */
  #agreeOnCompression({ headers }: RequestHead): Agreement | "malformed" | undefined {
    const offers = headers["sec-websocket-extensions"];
    return offers === undefined ? undefined : this.#owner.options.compression?.negotiate(offers);
  }

  /** The subprotocol; an Error when the application's function threw or returned what was not offered. */
  #chooseProtocol(offered: readonly string[], request: RequestHead): string | undefined | Error {
    const { protocols } = this.#owner.options;
    if (typeof protocols !== "function") return protocols.find((protocol) => offered.includes(protocol));
    if (offered.length === 0) return undefined;
    try {
      const chosen = protocols(offered, request);
      if (chosen === undefined || offered.includes(chosen)) return chosen;
      // A promise comes too late to be waited for, and its rejection would be nobody's.
      Promise.resolve<unknown>(chosen).catch(() => {});
      return new LastcallError(
        "LASTCALL_PROTOCOL_NOT_OFFERED",
        `The function given as 'protocols' must return one of the offered subprotocols or undefined; it returned ${describeValue(chosen)}.`,
      );
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}
