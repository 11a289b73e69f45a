/** Messages in order, and what they are charged in memory. */
import { TextBytes, type Received } from "./consumer.js";

/** A message as it came, before it is inflated. */
export class CompressedMessage {
  readonly payload: Buffer;
  readonly isText: boolean;

  constructor(payload: Buffer, isText: boolean) {
    this.payload = payload;
    this.isText = isText;
  }
}

/** What each message is charged beside its length: an empty message takes memory too. */
const MESSAGE_OVERHEAD = 128;

/** A queue of received messages. Whoever has emptied it drops it: it keeps the memory of what it held. */
export class MessageQueue {
  #messages: (Received | CompressedMessage)[] = [];
  #charges: number[] = [];
  #head = 0;
  /** The place of the first message that is still compressed; the end of the queue when there is none. */
  #firstCompressed = 0;
  #charged = 0;
  /** The memory that the newest binary message is a view of. */
  #chunk: ArrayBufferLike | undefined;

  /** Messages that wait. */
  get length(): number {
    return this.#messages.length - this.#head;
  }

  /** What they are charged, in bytes. */
  get charged(): number {
    return this.#charged;
  }

  /** Messages at the front that can be started: what waits to be inflated holds those behind it. */
  get ready(): number {
    return this.#firstCompressed - this.#head;
  }

  /** The first message that is still compressed. */
  get firstCompressed(): CompressedMessage | undefined {
    return this.#messages[this.#firstCompressed] as CompressedMessage | undefined;
  }

  push(message: Received | CompressedMessage): void {
    const charge = this.#chargeFor(message);
    this.#messages.push(message);
    this.#charges.push(charge);
    this.#charged += charge;
    this.#passInflated();
  }

  /** Puts the message in the place of the first compressed one. */
  inflateFirst(message: Received): void {
    const charge = this.#chargeFor(message);
    this.#charged += charge - this.#charges[this.#firstCompressed]!;
    this.#charges[this.#firstCompressed] = charge;
    this.#messages[this.#firstCompressed] = message;
    this.#passInflated();
  }

  #passInflated(): void {
    while (
      this.#firstCompressed < this.#messages.length &&
      !(this.#messages[this.#firstCompressed] instanceof CompressedMessage)
    ) {
      this.#firstCompressed++;
    }
  }

  #chargeFor(message: Received | CompressedMessage): number {
    return MESSAGE_OVERHEAD + this.#memoryOf(bytesIn(message));
  }

  /**
   * Bytes that the message keeps alive. A binary one is a view of the chunk that it came in, so a single byte may hold
   * 64 KiB of Pings that came with it; the first message of a chunk pays for the whole.
   */
  #memoryOf(message: string | Buffer): number {
    if (typeof message === "string") return Buffer.byteLength(message);
    if (message.buffer === this.#chunk) return 0;
    this.#chunk = message.buffer;
    return this.#chunk.byteLength;
  }

  /** Takes the oldest message, which is ready. */
  shift(): Received {
    const message = this.#messages[this.#head] as Received;
    this.#charged -= this.#charges[this.#head]!;
    // It must not be kept alive from here until the array is compacted.
    this.#messages[this.#head] = "";
    this.#head++;
    if (this.#head >= 1024) {
      this.#messages.splice(0, this.#head);
      this.#charges.splice(0, this.#head);
      this.#firstCompressed -= this.#head;
      this.#head = 0;
    }
    return message;
  }

  /** Drops the first compressed message and all behind it, and returns how many there were behind it. */
  dropFromFirstCompressed(): number {
    const dropped = this.#messages.length - this.#firstCompressed;
    for (const charge of this.#charges.splice(this.#firstCompressed)) this.#charged -= charge;
    this.#messages.length = this.#firstCompressed;
    return dropped - 1;
  }
}

function bytesIn(message: Received | CompressedMessage): string | Buffer {
  if (message instanceof CompressedMessage) return message.payload;
  return message instanceof TextBytes ? message.bytes : message;
}
