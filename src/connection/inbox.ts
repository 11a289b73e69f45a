/**
 * The receiving side of a connection: what waits to be started, the loops that wait for it, and what they have in hand.
 *
 * It is the back-pressure too. A loop gets its next message when its owner allows it; and when too much waits, the
 * owner is told to stop reading, until half of that is gone.
 *
 * Compressed messages wait as they came, and are inflated here, one after the other and only as far ahead of the loops
 * as there is room: so they keep their place in the order, the cut and the last call hold for them as for others, and
 * a message that inflates a thousandfold is charged as what it is.
 */
import type { Violation } from "../wire/violation.js";
import type { Compression } from "./compression.js";
import type { Message } from "./handler.js";
import type { MessageIterator, MessageSource } from "./iterator.js";
import { CompressedMessage, MessageQueue } from "./message-queue.js";
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
  /** A message cannot be inflated; it and those behind it, so many, were dropped. */
  onInflateFailed(violation: Violation, droppedBehind: number): void;
}

/** A loop that waits for its next message, and the one that waits behind it. */
interface Waiter {
  readonly iterator: MessageIterator;
  readonly resolve: (result: IteratorResult<Message, void>) => void;
  next: Waiter | undefined;
}

export class Inbox implements MessageSource {
  readonly #owner: InboxOwner;
  readonly #limit: InboxLimit;
  readonly #compression: Compression | undefined;
  /** Undefined while nothing waits: most connections of a server are idle, or faster than their peer. */
  #queue: MessageQueue | undefined;
  #inflating = false;
  #firstWaiter: Waiter | undefined;
  #lastWaiter: Waiter | undefined;
  #inHand = 0;
  #full = false;
  #cut = false;

  constructor(owner: InboxOwner, limit: InboxLimit, compression: Compression | undefined) {
    this.#owner = owner;
    this.#limit = limit;
    this.#compression = compression;
  }

  /** Messages that wait to be started. */
  get queued(): number {
    return this.#queue?.length ?? 0;
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
    const waiter = this.#firstWaiter;
    if (waiter !== undefined && this.#queue === undefined && this.#owner.mayDeliver()) {
      // It need not be queued: a loop that is faster than its peer always waits already.
      this.#removeFirstWaiter();
      this.#noteStarted(waiter.iterator);
      waiter.resolve({ value: message, done: false });
    } else {
      this.#enqueue(message);
    }
  }

  pushCompressed(payload: Buffer, isText: boolean): void {
    this.#enqueue(new CompressedMessage(payload, isText));
    this.#inflateNext();
  }

  #enqueue(message: Message | CompressedMessage): void {
    this.#queue ??= new MessageQueue();
    this.#queue.push(message);
  }

  /** Looks at the limit; called when all messages of a chunk have been pushed. */
  checkLimit(): void {
    if (this.#full || this.#cut || this.#queue === undefined) return;
    if (this.#queue.charged < this.#limit.bytes && this.#queue.length < this.#limit.messages) return;
    this.#full = true;
    this.#owner.onInboxFull();
  }

  take(iterator: MessageIterator): Promise<IteratorResult<Message, void>> {
    if (this.#firstWaiter === undefined && this.#owner.mayDeliver()) {
      if (this.#queue !== undefined && this.#queue.ready > 0)
        return Promise.resolve({ value: this.#start(this.#queue, iterator), done: false });
      if (this.#isOver) return Promise.resolve({ value: undefined, done: true });
    }
    return new Promise((resolve) => this.#addWaiter({ iterator, resolve, next: undefined }));
  }

  release(iterator: MessageIterator): void {
    let waiter = this.#firstWaiter;
    this.#firstWaiter = undefined;
    this.#lastWaiter = undefined;
    while (waiter !== undefined) {
      const { next } = waiter;
      if (waiter.iterator === iterator) waiter.resolve({ value: undefined, done: true });
      else this.#addWaiter(waiter);
      waiter = next;
    }
  }

  #addWaiter(waiter: Waiter): void {
    waiter.next = undefined;
    if (this.#lastWaiter === undefined) this.#firstWaiter = waiter;
    else this.#lastWaiter.next = waiter;
    this.#lastWaiter = waiter;
  }

  #removeFirstWaiter(): void {
    this.#firstWaiter = this.#firstWaiter!.next;
    if (this.#firstWaiter === undefined) this.#lastWaiter = undefined;
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
    let waiter: Waiter | undefined;
    while ((waiter = this.#firstWaiter) !== undefined && this.#owner.mayDeliver()) {
      if (this.#queue !== undefined && this.#queue.ready > 0) {
        this.#removeFirstWaiter();
        waiter.resolve({ value: this.#start(this.#queue, waiter.iterator), done: false });
      } else if (this.#isOver) {
        this.#removeFirstWaiter();
        waiter.resolve({ value: undefined, done: true });
      } else {
        return;
      }
    }
  }

  get #isOver(): boolean {
    return this.#cut && this.#queue === undefined;
  }

  /** Takes nothing more: what is queued is still delivered, then loops end. */
  cut(): void {
    this.#cut = true;
    this.#becomeLow();
    this.deliver();
  }

  /** Drops what is queued, and returns how many messages that was. */
  clear(): number {
    const dropped = this.queued;
    this.#queue = undefined;
    this.#becomeLow();
    this.deliver();
    return dropped;
  }

  #start(queue: MessageQueue, iterator: MessageIterator): Message {
    const message = queue.shift();
    this.#noteStarted(iterator);
    if (queue.length === 0) this.#queue = undefined;
    if (queue.charged <= this.#limit.bytes / 2 && queue.length <= this.#limit.messages / 2) this.#becomeLow();
    this.#inflateNext();
    return message;
  }

  #noteStarted(iterator: MessageIterator): void {
    iterator.inHand++;
    this.#inHand++;
  }

  /** Inflates the next message, if it is the next to be started or there is room to have it ready before that. */
  #inflateNext(): void {
    if (this.#compression === undefined || this.#queue === undefined) return;
    const next = this.#queue.firstCompressed;
    if (next === undefined || this.#inflating) return;
    if (this.#queue.ready > 0 && this.#queue.charged >= this.#limit.bytes) return;
    this.#inflating = true;
    this.#compression.inflate(next.payload, next.isText, (result) => {
      this.#inflating = false;
      // Unless the queue was dropped meanwhile: then nothing is started any more.
      if (this.#queue?.firstCompressed === next) this.#takeInflated(this.#queue, result);
    });
  }

  #takeInflated(queue: MessageQueue, result: Message | Violation): void {
    if (typeof result === "object" && "violated" in result) {
      const droppedBehind = queue.dropFromFirstCompressed();
      if (queue.length === 0) this.#queue = undefined;
      this.#owner.onInflateFailed(result, droppedBehind);
      this.deliver();
      return;
    }
    queue.inflateFirst(result);
    this.deliver();
    this.checkLimit();
    this.#inflateNext();
  }

  #becomeLow(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#owner.onInboxLow();
  }
}
