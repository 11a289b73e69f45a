/**
 * One run of a handler over a connection: the first consumer. Its loops ask for messages one by one, and asking for the
 * next one says that the last is finished. The run is settled when the handler has, and with it every promise that was
 * given to `waitUntil`.
 */
import { ServedConnection, type Guest, type Run } from "./connection.js";
import type { Consumer, Received } from "./consumer.js";
import { connectionEvents, dropEvents } from "./diagnostics.js";
import type { Endpoint } from "./endpoint.js";
import type { Connection, ConnectionClosed, Handler, Message } from "./handler.js";
import type { MessageIterator } from "./iterator.js";
import { Moments } from "./moments.js";
import { WaitingLoops } from "./waiting-loops.js";

/** Whose handler runs. */
export interface HandlerOwner<Principal> {
  readonly handler: Handler<Principal>;
  /** The handler, or a promise given to `waitUntil`, failed with this. */
  reportError(error: unknown, connection: Connection<Principal>): void;
}

export class HandlerRun<Principal> implements Consumer, Run {
  /** What the handler sees. */
  readonly connection: ServedConnection<Principal>;
  readonly #owner: HandlerOwner<Principal>;
  readonly #endpoint: Endpoint;
  readonly #loops = new WaitingLoops();
  /** A loop waits. */
  wants = false;
  #moments: Moments | undefined;
  /** Nothing comes any more: loops end. */
  #ended = false;
  #outcome: "returned" | "threw" | undefined;
  #pending = 0;
  #settled = false;

  constructor(owner: HandlerOwner<Principal>, endpoint: Endpoint, guest: Guest<Principal>) {
    this.#owner = owner;
    this.#endpoint = endpoint;
    this.connection = new ServedConnection(endpoint, this, guest);
  }

  /** Promises and signals of the connection. */
  get moments(): Moments {
    return (this.#moments ??= new Moments(this.#endpoint));
  }

  // For the loops

  next(iterator: MessageIterator): Promise<IteratorResult<Message, void>> {
    // Who asks while others wait waits behind them.
    if (!this.wants) {
      const message = this.#endpoint.take();
      if (message !== undefined) {
        iterator.inHand++;
        return Promise.resolve({ value: message as Message, done: false });
      }
      if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    }
    this.wants = true;
    return this.#loops.wait(iterator);
  }

  finish(messages: number): void {
    if (messages > 0) this.#endpoint.finished(messages);
  }

  release(iterator: MessageIterator): void {
    this.wants = this.#loops.release(iterator);
  }

  // For the endpoint

  /** Promises given to `waitUntil` that have not settled. */
  get pending(): number {
    return this.#pending;
  }

  begin(): void {
    connectionEvents.publish(() => ({ event: "opened", connection: this.connection }));
    let result: unknown;
    try {
      result = this.#owner.handler(this.connection);
    } catch (error) {
      result = Promise.reject(error);
    }
    Promise.resolve(result).then(
      () => this.#end("returned"),
      (error: unknown) => {
        this.#owner.reportError(error, this.connection);
        this.#end("threw");
      },
    );
  }

  start(message: Received): void {
    // Text comes as a string: nobody has asked for bytes.
    this.wants = this.#loops.give(message as Message);
  }

  end(): void {
    this.#ended = true;
    this.wants = false;
    this.#loops.end();
  }

  onOutboxLow(): void {
    this.#moments?.onOutboxLow();
  }

  onPingAnswered(nonce: number): void {
    this.#moments?.onPingAnswered(nonce);
  }

  onDropped(messages: number): void {
    dropEvents.publish(() => ({ event: "dropped", connection: this.connection, messages }));
  }

  onDraining(): void {
    this.#moments?.onDraining();
  }

  onUnheard(): void {
    this.#moments?.onUnheard();
  }

  onClosed(closed: ConnectionClosed): void {
    this.#moments?.onClosed(closed);
    connectionEvents.publish(() => ({ event: "closed", connection: this.connection, closed }));
  }

  // For the handler

  waitUntil(promise: PromiseLike<unknown>): void {
    this.#pending++;
    this.#endpoint.changed();
    const settle = (): void => {
      this.#pending--;
      this.#endpoint.changed();
      this.#settleWhenDone();
    };
    Promise.resolve(promise).then(settle, (error: unknown) => {
      this.#owner.reportError(error, this.connection);
      settle();
    });
  }

  #end(outcome: "returned" | "threw"): void {
    this.#outcome = outcome;
    this.#settleWhenDone();
  }

  #settleWhenDone(): void {
    if (this.#outcome === undefined || this.#pending > 0 || this.#settled) return;
    this.#settled = true;
    this.#endpoint.settled(this.#outcome === "threw");
  }
}
