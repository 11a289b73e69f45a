/**
 * What is under way at a caller's HTTP server, socket by socket. Node tells it in events of many names, and the
 * application may listen to any of them; so nothing here hangs on a name. Whatever event hands out a socket makes it
 * the application's, and whatever hands out a request with its response is a plain request.
 */
import { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { runAs } from "../base/callers.js";
import { now, systemClock, type Timer } from "../base/clock.js";
import { defer } from "../base/deferred.js";
import { responseOn, Visit, type VisitOwner } from "./http-visit.js";
import type { PlainRequests } from "./listener.js";
import { CLOSING, unavailable, type Refusals } from "./refusal.js";
import { idleSocketsOf, isNode, socketsOf, spared } from "./spared.js";

/**
 * How long a connection that is kept alive may stay when the door is closed, with nothing else left: a request that is on
 * its way is answered then. With others under way it may stay until those are done.
 */
const KEPT_ALIVE_GRACE = 500;

/** How long those get at the end to whom we send FIN then. With it a forced stop is over within a second, still. */
const END_TIMEOUT = 150;

/** How long newcomers are taken to be there when there were any, in milliseconds. */
const NEWCOMERS_INTERVAL = 20;

/** How often Node is asked whether what was under way before us is over. */
const OLDER_INTERVAL = 50;

/** The events by which a socket comes in. */
const ENTRANCES = new Set<unknown>(["connection", "secureConnection"]);

/** A request that had begun before us: Node does not say what it is. */
const UNKNOWN = { method: "", path: "" };

export class HttpLedger implements VisitOwner {
  readonly #server: HttpServer;
  readonly #onGuestGone: () => void;
  readonly #visits = new Map<Duplex, Visit>();
  /** Those on which something was under way when we came. */
  readonly #older = new Set<Visit>();
  /** Those of which a request is given to Node once more, when those before it are answered. */
  readonly #expecting = new Set<Visit>();
  /** Those that got a FIN of ours and are not gone. */
  readonly #ending = new Set<Visit>();
  readonly #stopWatching: () => void;
  #entered = 0;
  readonly #unanswered = new Set<ServerResponse>();
  #draining = false;
  #doorClosed = false;
  #silentMayStay = true;
  #idleMayStay = true;
  #graceTimer: Timer | undefined;
  #olderTimer: Timer | undefined;
  #counting = false;
  #newcomersUntil = -Infinity;
  #requests: PlainRequests = { answered: 0, left: 0, cut: [] };
  #onEnded: (() => void) | undefined;

  /** `onGuestGone` is called when there may be one guest less. */
  constructor(server: HttpServer, onGuestGone: () => void) {
    this.#server = server;
    this.#onGuestGone = onGuestGone;
    this.#adopt();
    this.#stopWatching = watchEvents(server, (event, given) => this.#takes(event, given));
  }

  /** Those who were there before us. */
  #adopt(): void {
    const idle = new Set(idleSocketsOf(this.#server));
    for (const socket of socketsOf(this.#server)) {
      const visit = this.#note(socket, 0);
      const isUnderWay = !idle.has(socket);
      if (isUnderWay && isAnswering(socket)) this.#older.add(visit);
      // It has begun to ask: who goes down tells it so.
      else if (isUnderWay) visit.noteSilent();
    }
  }

  /** How many came in. */
  get entered(): number {
    return this.#entered;
  }

  /** A socket that will ask for something. */
  enter(socket: Socket): void {
    const visit = this.#note(socket, ++this.#entered);
    if (this.#doorClosed) visit.drain();
  }

  #note(socket: Socket, number: number): Visit {
    const visit = new Visit(socket, number, this);
    this.#visits.set(socket, visit);
    return visit;
  }

  get(socket: Duplex): Visit | undefined {
    return this.#visits.get(socket);
  }

  /** A request has come on it that will be asked behind the answers. */
  expectMore(socket: Duplex): void {
    const visit = this.#visits.get(socket);
    if (visit === undefined) return;
    visit.expectMore();
    this.#expecting.add(visit);
  }

  /** A socket is not plain HTTP any more. */
  leave(socket: Duplex): void {
    const visit = this.#visits.get(socket);
    if (visit === undefined) return;
    // What was asked before is still to be answered, or left.
    if (visit.unanswered > 0) return this.#handOver(visit);
    visit.forget();
    this.#forget(visit);
  }

  /** Notes what an event hands out; false for a request that nobody is to hear of. */
  #takes(event: unknown, given: unknown[]): boolean {
    const request = given.find((one) => one instanceof IncomingMessage);
    const response = given.find((one) => one instanceof ServerResponse);
    const visit = this.#visits.get(request?.socket ?? given.find((one) => one instanceof Duplex)!);
    if (visit === undefined || ENTRANCES.has(event)) return true;
    if (request !== undefined && visit.isOver) {
      visit.readOn(request);
      return false;
    }
    if (request !== undefined && response !== undefined) this.#ask(visit, request, response);
    // Who gets an upgrade is found out when all have been asked.
    else if (event === "upgrade") visit.noteUpgrade();
    else this.#handOver(visit);
    return true;
  }

  #handOver(visit: Visit): void {
    this.#older.delete(visit);
    this.#expecting.delete(visit);
    visit.handOver();
  }

  #ask(visit: Visit, request: IncomingMessage, response: ServerResponse): void {
    // Who listens to 'checkContinue' may hand it on to 'request'.
    if (this.#unanswered.has(response)) return;
    // So the one before it is over.
    this.#older.delete(visit);
    this.#expecting.delete(visit);
    this.#unanswered.add(response);
    visit.ask(request, response);
  }

  onAnswered(response: ServerResponse, isWhole: boolean): void {
    this.#unanswered.delete(response);
    if (this.#counting) this.#requests[isWhole ? "answered" : "left"]++;
    this.#onGuestGone();
  }

  onEnding(visit: Visit): void {
    this.#ending.add(visit);
  }

  onGone(visit: Visit): void {
    this.#forget(visit);
    this.#onGuestGone();
  }

  #forget(visit: Visit): void {
    this.#visits.delete(visit.socket);
    this.#older.delete(visit);
    this.#expecting.delete(visit);
    this.#ending.delete(visit);
    if (this.#ending.size === 0) this.#onEnded?.();
  }

  // Going down

  /** On how many something is under way, our FIN included. */
  get underWay(): number {
    return this.#unanswered.size + this.#older.size + this.#expecting.size + this.#ending.size;
  }

  /** Whether somebody is a request that is not answered, by its response. */
  isUnanswered(response: object): boolean {
    return this.#unanswered.has(response as ServerResponse);
  }

  /** Whether anybody is silent who may still ask. Not how many: with 10 000 that would be counted 10 000 times. */
  get hasSilent(): boolean {
    if (!this.#silentMayStay) return false;
    for (const visit of this.#visits.values()) {
      if (this.#isSilent(visit) && (this.#idleMayStay || !visit.isIdle)) return true;
    }
    return false;
  }

  /** Whether anybody of the first so many who came has not asked for anything, or is about to. */
  hasNewcomers(among: number): boolean {
    // Each answer to others asks for this, and it must be looked for among all.
    if (now() < this.#newcomersUntil) return true;
    for (const visit of this.#visits.values()) {
      if (visit.number > among) break;
      if (!this.#isSilent(visit) || visit.isIdle) continue;
      this.#newcomersUntil = now() + NEWCOMERS_INTERVAL;
      return true;
    }
    return false;
  }

  #isSilent(visit: Visit): boolean {
    return visit.isSilent && !this.#older.has(visit);
  }

  get requests(): PlainRequests {
    return this.#requests;
  }

  /** One of the servers begins to go down; what counts is since the last of them did. */
  countFromNow(): void {
    this.#counting = true;
    this.#requests = { answered: 0, left: 0, cut: [] };
  }

  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#watchOlder();
  }

  #watchOlder(): void {
    if (this.#older.size === 0) return;
    this.#olderTimer = systemClock.after(OLDER_INTERVAL, () => {
      const idle = new Set(idleSocketsOf(this.#server));
      for (const visit of this.#older) {
        if (idle.has(visit.socket) || !isAnswering(visit.socket)) this.#older.delete(visit);
      }
      this.#onGuestGone();
      this.#watchOlder();
    });
  }

  /**
   * Closes the listening socket, and no connection: Node would end those that it takes for idle. Answers say that they
   * are the last from here on, and not earlier: whoever is told comes again at once, and would wait at a door that closes.
   */
  closeDoor(): void {
    if (this.#server.listening) {
      // The port first: the rest of it takes a while with many connections, and meanwhile others come who would be reset.
      if (isNode) NetServer.prototype.close.call(this.#server);
      spared(() => void this.#server.close());
    }
    if (this.#doorClosed) return;
    this.#doorClosed = true;
    for (const visit of this.#visits.values()) visit.drain();
    this.#graceTimer = systemClock.after(KEPT_ALIVE_GRACE, () => {
      this.#idleMayStay = false;
      this.#onGuestGone();
    });
  }

  /** Nobody is waited for any more who has not asked for anything; who has begun to is told so. */
  refuseSilent(refusals: Refusals): void {
    this.#silentMayStay = false;
    for (const visit of this.#visits.values()) {
      if (!this.#isSilent(visit) || visit.isIdle) continue;
      visit.noteRefused();
      refusals.refuse(visit.socket, unavailable(CLOSING));
    }
  }

  /** Cuts what is under way, and ends what is idle. Resolves when that is gone. */
  async end(): Promise<void> {
    systemClock.cancel(this.#graceTimer);
    systemClock.cancel(this.#olderTimer);
    for (const visit of this.#visits.values()) this.#end(visit);
    if (this.#ending.size > 0) await this.#untilEnded();
    // And those that are not known here.
    HttpServer.prototype.closeAllConnections.call(this.#server);
  }

  #end(visit: Visit): void {
    if (this.#older.has(visit)) this.#requests.cut.push({ ...UNKNOWN, remoteAddress: visit.remoteAddress });
    else if (visit.mayEnd) return visit.end();
    this.#requests.cut.push(...visit.cut());
  }

  async #untilEnded(): Promise<void> {
    const ended = defer<void>();
    this.#onEnded = () => ended.resolve();
    const timer = systemClock.after(END_TIMEOUT, () => ended.resolve());
    await ended.promise;
    systemClock.cancel(timer);
  }

  /** Forgets everything: the server is the application's alone. */
  letGo(): void {
    this.#stopWatching();
    systemClock.cancel(this.#graceTimer);
    systemClock.cancel(this.#olderTimer);
    for (const visit of this.#visits.values()) visit.forget();
    this.#visits.clear();
  }
}

/**
 * Whether a response is under way on a socket. Not idle, as Node sees it, is also one that has never asked (Node 20), or
 * whose request was answered before it had come whole.
 */
function isAnswering(socket: Socket): boolean {
  return responseOn(socket) !== undefined;
}

/** Asks `takes` about each event before its listeners hear of it. Returns what ends that. */
function watchEvents(server: HttpServer, takes: (event: unknown, given: unknown[]) => boolean): () => void {
  const before = Object.getOwnPropertyDescriptor(server, "emit");
  const emit = server.emit.bind(server) as (...given: unknown[]) => boolean;
  let watching = true;
  const watched = (event: unknown, ...given: unknown[]): boolean => {
    if (!watching) return emit(event, ...given);
    if (!takes(event, given)) return true;
    const response = given.find((one) => one instanceof ServerResponse);
    return response === undefined ? emit(event, ...given) : runAs(response, () => emit(event, ...given));
  };
  Object.defineProperty(server, "emit", { value: watched, configurable: true, writable: true });
  return () => {
    watching = false;
    // Somebody else may have put his own before it.
    if (server.emit !== watched) return;
    if (before === undefined) Reflect.deleteProperty(server, "emit");
    else Object.defineProperty(server, "emit", before);
  };
}
