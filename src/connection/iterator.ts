/** The async iterator over a connection's messages. */
import type { Message } from "./handler.js";

/** Where an iterator gets messages, and says that it is finished with them. */
export interface MessageSource {
  /** The next message for this loop, or the end. */
  next(iterator: MessageIterator): Promise<IteratorResult<Message, void>>;
  /** So many of the messages that loops were given are finished. */
  finish(messages: number): void;
  /** Ends the waits of an iterator that wants no more. */
  release(iterator: MessageIterator): void;
}

/**
 * One loop over a connection. It counts what it holds, so that several loops on one connection do not finish each
 * other's messages.
 *
 * Each `next()` finishes one message, the one before; calls that overlap queue, and hold one message each.
 */
export class MessageIterator implements AsyncIterableIterator<Message, void, void> {
  readonly #source: MessageSource;
  /** Messages that this loop was given and has not finished. */
  inHand = 0;
  #returned = false;

  constructor(source: MessageSource) {
    this.#source = source;
  }

  next(): Promise<IteratorResult<Message, void>> {
    if (this.#returned) return Promise.resolve({ value: undefined, done: true });
    this.#finish(Math.min(this.inHand, 1));
    return this.#source.next(this);
  }

  /** A loop was left by `break`, `return` or `throw`; the connection goes on. */
  return(): Promise<IteratorResult<Message, void>> {
    this.#returned = true;
    this.#finish(this.inHand);
    this.#source.release(this);
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #finish(messages: number): void {
    this.inHand -= messages;
    this.#source.finish(messages);
  }
}
