/**
 * The receiving side of a connection: the order of its messages, how many may wait, and where they end.
 *
 * It is the back-pressure too. A message is started when the consumer wants one and the outbox does not hold it back;
 * and when too much waits, the owner is told to stop reading, until half of that is gone.
 *
 * Compressed messages wait as they came, and are inflated here, one after the other and only as far ahead of the
 * consumer as there is room: so they keep their place in the order, the cut and the last call hold for them as for
 * others, and a message that inflates a thousandfold is charged as what it is.
 */
import type { Violation } from "../wire/violation.js";
import type { Compression } from "./compression.js";
import { TextBytes, type Consumer, type Received } from "./consumer.js";
import { CompressedMessage, MessageQueue } from "./message-queue.js";
import type { ConnectionOptions, InboxLimit } from "./options.js";

/** What an inbox tells. */
export interface InboxOwner {
  readonly consumer: Consumer;
  /** Too much waits, or no longer does. */
  onInboxFull(): void;
  onInboxLow(): void;
  /** A message cannot be inflated; it and those behind it, so many, were dropped. */
  onInflateFailed(violation: Violation, droppedBehind: number): void;
}

export class Inbox {
  readonly #owner: InboxOwner;
  readonly #options: ConnectionOptions;
  readonly #compression: Compression | undefined;
  /** Undefined while nothing waits: most connections of a server are idle, or faster than their peer. */
  #queue: MessageQueue | undefined;
  #inflating = false;
  #inHand = 0;
  #held = false;
  #full = false;
  #cut = false;
  #ended = false;

  constructor(owner: InboxOwner, options: ConnectionOptions, compression: Compression | undefined) {
    this.#owner = owner;
    this.#options = options;
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

  /** Nothing waits and nothing is in hand. */
  get isIdle(): boolean {
    return this.#inHand === 0 && this.#queue === undefined;
  }

  /** Too much waits: nothing should be read. */
  get isFull(): boolean {
    return this.#full;
  }

  /** Nothing is taken any more. */
  get isCut(): boolean {
    return this.#cut;
  }

  get #limit(): InboxLimit {
    return this.#options.inboxLimit;
  }

  /** Takes a message from the peer; false behind the cut. */
  push(message: Received): boolean {
    if (this.#cut) return false;
    if (this.#queue === undefined && !this.#held && this.#owner.consumer.wants) {
      // It need not be queued: who is faster than the peer always waits already.
      this.#inHand++;
      this.#owner.consumer.start(message);
    } else {
      this.#enqueue(message);
    }
    return true;
  }

  /** The same for a message that has to be inflated first. */
  pushCompressed(payload: Buffer, isText: boolean): boolean {
    if (this.#cut) return false;
    this.#enqueue(new CompressedMessage(payload, isText));
    this.#inflateNext();
    return true;
  }

  #enqueue(message: Received | CompressedMessage): void {
    this.#queue ??= new MessageQueue();
    this.#queue.push(message);
  }

  /** Looks at the limit; called when all messages of a chunk have been pushed. */
  checkLimit(): void {
    if (this.#queue === undefined || this.#full || this.#cut) return;
    if (this.#queue.charged < this.#limit.bytes && this.#queue.length < this.#limit.messages) return;
    this.#full = true;
    this.#owner.onInboxFull();
  }

  /** The next message, if one may be started now. Tells the consumer before it returns when there will be none. */
  take(): Received | undefined {
    if (this.#held) return undefined;
    if (this.#queue !== undefined && this.#queue.ready > 0) return this.#start(this.#queue);
    this.#endWhenOver();
    return undefined;
  }

  /** So many messages are finished. Returns how many of them really were in hand. */
  finish(messages: number): number {
    // A loop that outlives its handler finishes what is counted as finished already.
    const finished = Math.min(messages, this.#inHand);
    this.#inHand -= finished;
    return finished;
  }

  /** While the peer does not read our replies, it gets no further ones made. */
  hold(): void {
    this.#held = true;
  }

  letGo(): void {
    this.#held = false;
    this.deliver();
  }

  /** Starts what may be started. */
  deliver(): void {
    if (this.#held) return;
    // A message that is started may change anything here.
    while (this.#queue !== undefined && this.#queue.ready > 0 && this.#owner.consumer.wants) {
      this.#owner.consumer.start(this.#start(this.#queue));
      if (this.#held) return;
    }
    this.#endWhenOver();
  }

  #endWhenOver(): void {
    if (this.#ended || !this.#cut || this.#queue !== undefined) return;
    this.#ended = true;
    this.#owner.consumer.end();
  }

  /** Takes nothing more: what is queued is still started, then the consumer's input ends. */
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

  #start(queue: MessageQueue): Received {
    const message = queue.shift();
    this.#inHand++;
    if (queue.length === 0) this.#queue = undefined;
    if (queue.charged <= this.#limit.bytes / 2 && queue.length <= this.#limit.messages / 2) this.#becomeLow();
    this.#inflateNext();
    return message;
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
      if (this.#queue?.firstCompressed === next) this.#takeInflated(this.#queue, next.isText, result);
    });
  }

  #takeInflated(queue: MessageQueue, isText: boolean, result: Buffer | Violation): void {
    if ("violated" in result) {
      const droppedBehind = queue.dropFromFirstCompressed();
      if (queue.length === 0) this.#queue = undefined;
      this.#owner.onInflateFailed(result, droppedBehind);
      this.deliver();
      return;
    }
    queue.inflateFirst(isText ? this.#textOf(result) : result);
    this.deliver();
    this.checkLimit();
    this.#inflateNext();
  }

  #textOf(bytes: Buffer): Received {
    return this.#options.decoding.textAsBytes === true ? new TextBytes(bytes) : bytes.toString("utf8");
  }

  #becomeLow(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#owner.onInboxLow();
  }
}
