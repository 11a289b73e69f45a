/** A connection as its handler sees it: the public interface, and nothing beside it. */
import type { ConnectionDrainOptions } from "../drain/options.js";
import type { DrainReport } from "../drain/report.js";
import { CloseCode } from "../wire/close.js";
import type { RequestHead } from "../wire/handshake.js";
import { bytesOf } from "./bytes.js";
import { checkCloseCode, checkCloseReason } from "./close-status.js";
import type { Endpoint } from "./endpoint.js";
import type { Connection, ConnectionClosed } from "./handler.js";
import { MessageIterator, type MessageSource } from "./iterator.js";
import type { Moments } from "./moments.js";

/** What the upgrade has found out about who connects, beside what the endpoint knows. */
export interface Guest<Principal> {
  request: RequestHead;
  /** Somebody else has had that object in hand: who may have kept it, or put something of his own on it. */
  requestIsShared: boolean;
  protocol: string;
  principal: Principal;
}

/** The run of its handler, as a connection sees it. */
export interface Run extends MessageSource {
  readonly endpoint: Endpoint;
  readonly moments: Moments;
  waitUntil(promise: PromiseLike<unknown>): void;
  shutdown(options?: Partial<ConnectionDrainOptions>): Promise<DrainReport>;
}

export class ServedConnection<Principal> implements Connection<Principal> {
  readonly protocol: string;
  readonly principal: Principal;
  readonly remoteAddress: string;
  readonly #run: Run;
  /** The head, or as JSON until somebody asks for it: its strings and objects take twice the memory. */
  #request: string | RequestHead;

  constructor(run: Run, guest: Guest<Principal>) {
    this.#run = run;
    this.#request = guest.requestIsShared ? guest.request : packed(guest.request);
    this.protocol = guest.protocol;
    this.principal = guest.principal;
    this.remoteAddress = run.endpoint.remoteAddress;
  }

  get id(): string {
    return this.#run.endpoint.id;
  }

  get request(): RequestHead {
    if (typeof this.#request === "string") this.#request = JSON.parse(this.#request) as RequestHead;
    return this.#request;
  }

  [Symbol.asyncIterator](): MessageIterator {
    return new MessageIterator(this.#run);
  }

  send(data: string | ArrayBufferView | ArrayBuffer): boolean {
    return this.#run.endpoint.send(typeof data === "string" ? data : bytesOf(data));
  }

  get bufferedAmount(): number {
    return this.#run.endpoint.bufferedAmount;
  }

  flushed(): Promise<void> {
    return this.#run.moments.flushed();
  }

  ping(): Promise<number> {
    return this.#run.moments.ping();
  }

  close(code: number = CloseCode.normal, reason = ""): void {
    checkCloseCode("The close code", code);
    checkCloseReason("The close reason", reason);
    this.#run.endpoint.close(code, reason);
  }

  shutdown(options?: Partial<ConnectionDrainOptions>): Promise<DrainReport> {
    return this.#run.shutdown(options);
  }

  get closed(): Promise<ConnectionClosed> {
    return this.#run.moments.closed;
  }

  waitUntil(promise: PromiseLike<unknown>): void {
    this.#run.waitUntil(promise);
  }

  get signal(): AbortSignal {
    return this.#run.moments.signal;
  }

  get draining(): AbortSignal {
    return this.#run.moments.draining;
  }
}

function packed(request: RequestHead): string {
  const json = JSON.stringify(request);
  // V8 makes it of several pieces; asked for a character it puts them together, and lets go of them.
  json.charCodeAt(0);
  return json;
}
