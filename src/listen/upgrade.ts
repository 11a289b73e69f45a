/** From a request to a connection: who is let in, and when that is decided (RFC 6455 §4.2). */
import { isAbortOf } from "../base/abort.js";
import { systemClock } from "../base/clock.js";
import { defer, mayBeIgnored } from "../base/deferred.js";
import { describeValue, LastcallError, lookAt, UpgradeRejected } from "../base/errors.js";
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
const CLIENT_ENDED: Refusal = { status: 400, message: "The client ended before the handshake was answered." };
const MALFORMED_EXTENSIONS: Refusal = {
  status: 400,
  message: "The Sec-WebSocket-Extensions header is malformed.",
};

/**
 * Milliseconds that `authenticate` has at least, if `handshakeTimeout` is not shorter: a request that was read late may
 * have come in time, while our loop stood.
 */
const LEAST_TIME = 1_000;

/** The subprotocol, or what the application's function failed with. */
type Choice = { readonly protocol: string | undefined } | { readonly failure: unknown };

let connectionCount = 0;

/** That somebody waits for `authenticate`. */
class Wait {
  readonly #abort = new AbortController();
  readonly #over = defer<undefined>();

  /** What `authenticate` is told by. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Resolves when nobody waits any more. */
  get over(): Promise<undefined> {
    return this.#over.promise;
  }

  /** Tells that most likely nobody will hear the answer. */
  warn(): void {
    this.#abort.abort();
  }

  giveUp(): void {
    this.#over.resolve(undefined);
    this.#abort.abort();
  }
}

export class Upgrades<Principal> {
  readonly #owner: UpgradeOwner<Principal>;
  /** Handshakes that wait for `authenticate`, each with its wait. */
  readonly #waiting = new Map<OpeningHandshake, Wait>();

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
    for (const [handshake, wait] of this.#waiting) {
      handshake.refuse(unavailable(CLOSING));
      wait.giveUp();
    }
  }

  /** What is offered, or why it is not accepted. */
  #check(handshake: OpeningHandshake): Offer | Refusal {
    const { head } = handshake;
    const { path } = this.#owner.options;
    const offer = handshake.read();
    // What is no request is none at any path (RFC 9112 §3.2).
    const isElsewhere = path !== undefined && pathOf(head.url) !== path;
    if ("status" in offer) return isElsewhere && offer.status !== 400 ? NOTHING_HERE : offer;
    if (isElsewhere) return NOTHING_HERE;
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
    const principal = await this.#authenticate(handshake, early);
    this.#waiting.delete(handshake);
    const bytes = early.take();
    if (principal !== undefined) this.#open(handshake, offer, principal.value, bytes);
    this.#owner.onUpgradeSettled();
  }

  /**
   * The principal, or undefined when the handshake is refused or its socket gone. FIN does not end the wait: who has sent
   * all that there is to say may still wait for the answer. With nothing sent it is most likely a client that has left,
   * so `authenticate` is told, and may stop; what it answers all the same is done.
   */
  async #authenticate(
    handshake: OpeningHandshake,
    early: EarlyBytes,
  ): Promise<{ value: Principal } | undefined> {
    const { stream, acceptedAt } = handshake;
    const wait = new Wait();
    const onEnd = (): void => {
      if (early.isEmpty) wait.warn();
    };
    const onGone = (): void => wait.giveUp();
    const timer = systemClock.after(this.#timeLeft(acceptedAt), () => {
      handshake.refuse(TOO_SLOW);
      wait.giveUp();
    });
    this.#waiting.set(handshake, wait);
    stream.once("end", onEnd);
    stream.once("close", onGone);
    const asked = this.#ask(handshake, wait.signal);
    try {
      // The wait ends with the client or its time, also when `authenticate` does not listen to its signal.
      const answer = await Promise.race([asked, wait.over]);
      if (answer === undefined) asked.catch((error: unknown) => this.#reportLate(error, wait.signal));
      return answer === undefined ? undefined : this.#admit(handshake, answer.verdict);
    } catch (error) {
      if (isAbortOf(wait.signal, error)) handshake.refuse(CLIENT_ENDED);
      else this.#refuseFor(error, handshake, NOT_CHECKED);
      return undefined;
    } finally {
      systemClock.cancel(timer);
      stream.off("end", onEnd);
      stream.off("close", onGone);
    }
  }

  #timeLeft(acceptedAt: number): number {
    const { handshakeTimeout } = this.#owner.options;
    const left = acceptedAt + handshakeTimeout - systemClock.now();
    return Math.max(left, Math.min(LEAST_TIME, handshakeTimeout));
  }

  async #ask(
    { head, remoteAddress, tls }: OpeningHandshake,
    signal: AbortSignal,
  ): Promise<{ verdict: Verdict<Principal> }> {
    return { verdict: await this.#owner.options.authenticate!(head, { signal, remoteAddress, tls }) };
  }

  /** What `authenticate` threw when nobody waited for its answer any more: an error, unless it refuses or says just that. */
  #reportLate(error: unknown, signal: AbortSignal): void {
    if (!isRejection(error) && !isAbortOf(signal, error)) this.#owner.reportError(error);
  }

  #admit(handshake: OpeningHandshake, verdict: Verdict<Principal>): { value: Principal } | undefined {
    // Returned instead of thrown, it means the same.
    if (isRejection(verdict)) throw verdict;
    // Not only false: `token && users.get(token)` is an empty string for an empty token.
    if (verdict) return { value: verdict };
    handshake.refuse(NOT_AUTHENTICATED);
    return undefined;
  }

  /** Refuses as the application says that throws `UpgradeRejected`; what else it throws is an error of its own. */
  #refuseFor(error: unknown, handshake: OpeningHandshake, otherwise: Refusal): void {
    if (isRejection(error)) {
      handshake.refuse({ status: error.status, message: error.body, headers: error.headers });
      return;
    }
    this.#owner.reportError(error);
    handshake.refuse(otherwise);
  }

  #open(handshake: OpeningHandshake, offer: Offer, principal: Principal, early: Buffer): void {
    const { head, stream, remoteAddress } = handshake;
    const choice = this.#chooseProtocol(offer.protocols, head);
    if ("failure" in choice) {
      this.#refuseFor(choice.failure, handshake, NOT_CHOSEN);
      return;
    }
    const { protocol } = choice;
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

  /** The subprotocol; or what the application's function threw, which may be any value, or that it chose what it could not. */
  #chooseProtocol(offered: readonly string[], request: RequestHead): Choice {
    const { protocols } = this.#owner.options;
    if (typeof protocols !== "function") {
      return { protocol: protocols.find((protocol) => offered.includes(protocol)) };
    }
    if (offered.length === 0) return { protocol: undefined };
    try {
      const protocol = protocols(offered, request);
      return protocol === undefined || offered.includes(protocol)
        ? { protocol }
        : { failure: notOffered(protocol) };
    } catch (failure) {
      return { failure };
    }
  }
}

function isRejection(error: unknown): error is UpgradeRejected {
  return lookAt(() => error instanceof UpgradeRejected, false);
}

function notOffered(chosen: unknown): LastcallError {
  // A promise comes too late to be waited for, and its rejection would be nobody's.
  void mayBeIgnored(Promise.resolve(chosen));
  return new LastcallError(
    "LASTCALL_PROTOCOL_NOT_OFFERED",
    `The function given as 'protocols' must return one of the offered subprotocols or undefined; it returned ${describeValue(chosen)}.`,
  );
}
