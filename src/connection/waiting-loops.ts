/** Loops over one connection that wait for their next message, in the order in which they asked. */
import type { Message } from "./handler.js";
import type { MessageIterator } from "./iterator.js";

type Result = IteratorResult<Message, void>;

/** A loop that waits, and the one that waits behind it. */
interface Waiter {
  readonly iterator: MessageIterator;
  readonly resolve: (result: Result) => void;
  next: Waiter | undefined;
}

export class WaitingLoops {
  #first: Waiter | undefined;
  #last: Waiter | undefined;

  wait(iterator: MessageIterator): Promise<Result> {
    return new Promise((resolve) => this.#add({ iterator, resolve, next: undefined }));
  }

  /** Gives the first of them a message; there must be one. Returns whether others still wait. */
  give(message: Message): boolean {
    const { iterator, resolve } = this.#remove();
    iterator.inHand++;
    resolve({ value: message, done: false });
    return this.#first !== undefined;
  }

  /** Ends the waits of one loop. Returns whether others still wait. */
  release(iterator: MessageIterator): boolean {
    let waiter = this.#first;
    this.#first = undefined;
    this.#last = undefined;
    while (waiter !== undefined) {
      const { next } = waiter;
      if (waiter.iterator === iterator) waiter.resolve({ value: undefined, done: true });
      else this.#add(waiter);
      waiter = next;
    }
    return this.#first !== undefined;
  }

  /** Ends all waits. */
  end(): void {
    while (this.#first !== undefined) this.#remove().resolve({ value: undefined, done: true });
  }

  #add(waiter: Waiter): void {
    waiter.next = undefined;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
  }

  #remove(): Waiter {
    const waiter = this.#first!;
    this.#first = waiter.next;
    if (this.#first === undefined) this.#last = undefined;
    return waiter;
  }
}
