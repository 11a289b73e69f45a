/** Loops over the messages of one connection: those that wait, and who gets what there is. */
import type { Received, Supply } from "./consumer.js";
import type { Message } from "./handler.js";
import type { MessageIterator, MessageSource } from "./iterator.js";

type Result = IteratorResult<Message, void>;

/** A loop that waits, and the one that waits behind it. */
interface Waiter {
  readonly iterator: MessageIterator;
  readonly resolve: (result: Result) => void;
  next: Waiter | undefined;
}

/** The part of a consumer that deals with loops. A base class, and no object of its own: idle connections have one each. */
export abstract class MessageLoops implements MessageSource {
  protected abstract readonly supply: Supply;
  /** A loop waits. */
  wants = false;
  #first: Waiter | undefined;
  #last: Waiter | undefined;
  /** Nothing comes any more: loops end. */
  #ended = false;

  // For the loops

  next(iterator: MessageIterator): Promise<Result> {
    // Who asks while others wait waits behind them.
    if (!this.wants) {
      const message = this.supply.take();
      if (message !== undefined) {
        iterator.inHand++;
        return Promise.resolve({ value: message as Message, done: false });
      }
      if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    }
    return new Promise((resolve) => this.#add({ iterator, resolve, next: undefined }));
  }

  finish(messages: number): void {
    if (messages > 0) this.supply.finished(messages);
  }

  release(iterator: MessageIterator): void {
    let waiter = this.#first;
    this.#first = undefined;
    this.#last = undefined;
    this.wants = false;
    while (waiter !== undefined) {
      const { next } = waiter;
      if (waiter.iterator === iterator) waiter.resolve({ value: undefined, done: true });
      else this.#add(waiter);
      waiter = next;
    }
  }

  // For the supply

  start(message: Received): void {
    const { iterator, resolve } = this.#remove();
    iterator.inHand++;
    // Text comes as a string: nobody has asked for bytes.
    resolve({ value: message as Message, done: false });
  }

  end(): void {
    this.#ended = true;
    while (this.wants) this.#remove().resolve({ value: undefined, done: true });
  }

  #add(waiter: Waiter): void {
    waiter.next = undefined;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.wants = true;
  }

  /** Takes out the first; there must be one. */
  #remove(): Waiter {
    const waiter = this.#first!;
    this.#first = waiter.next;
    if (this.#first === undefined) {
      this.#last = undefined;
      this.wants = false;
    }
    return waiter;
  }
}
