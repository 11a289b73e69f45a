/** One run of a handler: it is settled when the handler has, and with it every promise it gave to `waitUntil`. */

/** What a run tells. */
export interface HandlerRunOwner {
  /** The handler, or a promise given to `waitUntil`, failed with this. */
  onHandlerError(error: unknown): void;
  /** The number of promises that are waited for has changed. */
  onPendingChanged(): void;
  /** All is settled. Called once. */
  onHandlerSettled(failed: boolean): void;
}

export class HandlerRun {
  readonly #owner: HandlerRunOwner;
  #outcome: "returned" | "threw" | undefined;
  #pending = 0;
  #settled = false;

  constructor(owner: HandlerRunOwner) {
    this.#owner = owner;
  }

  /** Promises given to `waitUntil` that have not settled. */
  get pending(): number {
    return this.#pending;
  }

  get settled(): boolean {
    return this.#settled;
  }

  start(handler: () => unknown): void {
    let result: unknown;
    try {
      result = handler();
    } catch (error) {
      result = Promise.reject(error);
    }
    Promise.resolve(result).then(
      () => this.#end("returned"),
      (error: unknown) => {
        this.#owner.onHandlerError(error);
        this.#end("threw");
      },
    );
  }

  waitUntil(promise: PromiseLike<unknown>): void {
    this.#pending++;
    this.#owner.onPendingChanged();
    const settle = (): void => {
      this.#pending--;
      this.#owner.onPendingChanged();
      this.#settleWhenDone();
    };
    Promise.resolve(promise).then(settle, (error: unknown) => {
      this.#owner.onHandlerError(error);
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
    this.#owner.onHandlerSettled(this.#outcome === "threw");
  }
}
