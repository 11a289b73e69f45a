/**
 * One run of a handler over a connection: the first consumer. Its loops ask for messages one by one, and asking for the
 * next one says that the last is finished. The run is settled when the handler has, and with it every promise that was
 * given to `waitUntil`.
 */
import { runAs } from "../base/callers.js";
import { promiseOf } from "../base/deferred.js";
import type { LastcallError } from "../base/errors.js";
import { queueMicrotask } from "../base/real-timers.js";
import type { ConnectionDrainOptions } from "../drain/options.js";
import type { DrainReport } from "../drain/report.js";
import { ServedConnection, type Guest, type Run } from "./connection.js";
import type { Consumer } from "./consumer.js";
import { connectionEvents, dropEvents } from "./diagnostics.js";
import type { Endpoint } from "./endpoint.js";
import type { Connection, ConnectionClosed, Handler } from "./handler.js";
import { mistakeIn, waitedTooLate } from "./handler-mistakes.js";
import { MessageLoops } from "./message-loops.js";
import { Moments } from "./moments.js";

/** Whose handler runs. */
export interface HandlerOwner<Principal> {
  readonly handler: Handler<Principal>;
  /** Shuts one connection down, as the server would. */
  shutdownOf(endpoint: Endpoint, options: Partial<ConnectionDrainOptions> | undefined): Promise<DrainReport>;
  /** The handler, a promise given to `waitUntil`, or what was given to `send`, failed with this. */
  reportError(error: unknown, connection: Connection<Principal>): void;
}

export class HandlerRun<Principal> extends MessageLoops implements Consumer, Run {
  /** What the handler sees. */
  readonly connection: ServedConnection<Principal>;
  readonly #owner: HandlerOwner<Principal>;
  readonly endpoint: Endpoint;
  #moments: Moments | undefined;
  #outcome: "returned" | "threw" | "settled" | undefined;
  #pending = 0;

  constructor(owner: HandlerOwner<Principal>, endpoint: Endpoint, guest: Guest<Principal>) {
    super();
    this.#owner = owner;
    this.endpoint = endpoint;
    this.connection = new ServedConnection(this, guest);
  }

  protected get supply(): Endpoint {
    return this.endpoint;
  }

  /** Promises and signals of the connection. */
  get moments(): Moments {
    return (this.#moments ??= new Moments(this.endpoint));
  }

  // For the endpoint

  /** Promises given to `waitUntil` that have not settled. */
  get pending(): number {
    return this.#pending;
  }

  begin(): void {
    connectionEvents.publish(() => ({ event: "opened", connection: this.connection }));
    let result: Promise<unknown>;
    try {
      result = promiseOf(runAs(this.endpoint, () => this.#owner.handler(this.connection)));
    } catch (error) {
      result = Promise.reject(error);
    }
    // A promise that is settled already calls back before the next microtask.
    let atOnce = this.#isUntouched;
    result.then(
      (returned) => {
        const mistake = mistakeIn(returned, atOnce);
        if (mistake !== undefined) this.#owner.reportError(mistake, this.connection);
        this.#end("returned");
      },
      (error: unknown) => {
        this.#owner.reportError(error, this.connection);
        this.#end("threw");
      },
    );
    if (atOnce) queueMicrotask(() => (atOnce = false));
  }

  /** Whether the handler, which has just been called, has not read, sent, ended, or kept anything. */
  get #isUntouched(): boolean {
    const { isOpen, bufferedAmount } = this.endpoint;
    const hasKept = this.#pending > 0 || this.#moments !== undefined;
    return isOpen && bufferedAmount === 0 && !this.wants && !hasKept;
  }

  onOutboxLow(): void {
    this.#moments?.onOutboxLow();
  }

  onPingAnswered(nonce: number): void {
    this.#moments?.onPingAnswered(nonce);
  }

  onFailed(error: LastcallError): void {
    this.#owner.reportError(error, this.connection);
  }

  onDropped(messages: number): void {
    dropEvents.publish(() => ({ event: "dropped", connection: this.connection, messages }));
  }

  onLeaving(): void {
    this.#moments?.onLeaving();
  }

  onAwaited(): void {
    this.#moments?.onAwaited();
  }

  onUnheard(): void {
    this.#moments?.onUnheard();
  }

  onClosed(closed: ConnectionClosed): void {
    this.#moments?.onClosed(closed);
    connectionEvents.publish(() => ({ event: "closed", connection: this.connection, closed }));
  }

  // For the handler

  shutdown(options?: Partial<ConnectionDrainOptions>): Promise<DrainReport> {
    return this.#owner.shutdownOf(this.endpoint, options);
  }

  waitUntil(promise: PromiseLike<unknown>): void {
    // It is not thrown: a stray timer must not end the process.
    if (this.#outcome === "settled") this.#owner.reportError(waitedTooLate(), this.connection);
    this.#count(1);
    const settle = (): void => {
      this.#count(-1);
      this.#settleWhenDone();
    };
    promiseOf(promise).then(settle, (error: unknown) => {
      this.#owner.reportError(error, this.connection);
      settle();
    });
  }

  #count(pending: number): void {
    // What comes too late is not waited for.
    if (this.#outcome === "settled") return;
    this.#pending += pending;
    this.endpoint.changed();
  }

  #end(outcome: "returned" | "threw"): void {
    this.#outcome = outcome;
    this.#settleWhenDone();
  }

  #settleWhenDone(): void {
    if (this.#outcome === undefined || this.#outcome === "settled" || this.#pending > 0) return;
    const failed = this.#outcome === "threw";
    this.#outcome = "settled";
    this.endpoint.settled(failed);
  }
}
