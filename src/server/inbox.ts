/**
 * The receiving side of a connection: what waits to be started, the loops that wait for it, and what they have in hand.
 *
 * It is the back-pressure too. A loop gets its next message when its owner allows it; and when too much waits, the
 * owner is told to stop reading, until half of that is gone.
 */
import type { Message } from "./handler.js";
import type { MessageIterator, MessageSource } from "./iterator.js";
import { MessageQueue } from "./message-queue.js";
import type { InboxLimit } from "./options.js";

/** What an inbox asks and tells. */
export interface InboxOwner {
  /** Whether the next message may be started now. When that turns true, `deliver` is called. */
  mayDeliver(): boolean;
  /** Too much waits, or no longer does. */
  onInboxFull(): void;
  onInboxLow(): void;
  /** A loop is finished with messages that it had in hand. */
  onFinished(messages: number): void;
}

interface Waiter {
  iterator: MessageIterator;
  resolve: (result: IteratorResult<Message, void>) => void;
}

export class Inbox implements MessageSource {
  readonly #owner: InboxOwner;
  readonly #limit: InboxLimit;
  readonly #queue = new MessageQueue();
  #waiters: Waiter[] = [];
  #inHand = 0;
  #full = false;
  #cut = false;

  constructor(owner: InboxOwner, limit: InboxLimit) {
    this.#owner = owner;
    this.#limit = limit;
  }

  /** Messages that wait to be started. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Messages that were started and are not finished. */
  get inHand(): number {
    return this.#inHand;
  }

  /** Too much waits: nothing should be read. */
  get isFull(): boolean {
    return this.#full;
  }

  /** Nothing is taken any more; loops end when nothing waits. */
  get isCut(): boolean {
    return this.#cut;
  }

  push(message: Message): void {
    this.#queue.push(message);
    this.deliver();
  }

  /** Looks at the limit; called when all messages of a chunk have been pushed. */
  checkLimit(): void {
    if (this.#full || this.#cut) return;
    if (this.#queue.charged < this.#limit.bytes && this.#queue.length < this.#limit.messages) return;
    this.#full = true;
    this.#owner.onInboxFull();
  }

  take(iterator: MessageIterator): Promise<IteratorResult<Message, void>> {
    if (this.#waiters.length === 0 && this.#owner.mayDeliver()) {
      if (this.#queue.length > 0) return Promise.resolve({ value: this.#start(iterator), done: false });
      if (this.#cut) return Promise.resolve({ value: undefined, done: true });
    }
    return new Promise((resolve) => this.#waiters.push({ iterator, resolve }));
  }

  release(iterator: MessageIterator): void {
    const waiting = this.#waiters.filter((waiter) => waiter.iterator === iterator);
    if (waiting.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.iterator !== iterator);
    for (const { resolve } of waiting) resolve({ value: undefined, done: true });
  }

  finish(messages: number): void {
    // A loop that outlives its handler finishes what is counted as finished already.
    const finished = Math.min(messages, this.#inHand);
    if (finished === 0) return;
    this.#inHand -= finished;
    this.#owner.onFinished(finished);
  }

  /** Gives loops that wait what there is for them. */
  deliver(): void {
    while (this.#waiters.length > 0 && this.#owner.mayDeliver()) {
      if (this.#queue.length > 0) {
        const { iterator, resolve } = this.#waiters.shift()!;
        resolve({ value: this.#start(iterator), done: false });
      } else if (this.#cut) {
        this.#waiters.shift()!.resolve({ value: undefined, done: true });
      } else {
        return;
      }
    }
  }

  /** Takes nothing more: what is queued is still delivered, then loops end. */
  cut(): void {
    this.#cut = true;
    this.#becomeLow();
    this.deliver();
  }

  /** Drops what is queued, and returns how many messages that was. */
  clear(): number {
    const dropped = this.#queue.clear();
    this.#becomeLow();
    this.deliver();
    return dropped;
  }

  #start(iterator: MessageIterator): Message {
    const message = this.#queue.shift();
    iterator.inHand++;
    this.#inHand++;
    if (this.#queue.charged <= this.#limit.bytes / 2 && this.#queue.length <= this.#limit.messages / 2) {
      this.#becomeLow();
    }
    return message;
  }

  #becomeLow(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#owner.onInboxLow();
  }
}
