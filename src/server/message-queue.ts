/** Messages in order, and what they are charged in memory. */
import type { Message } from "./handler.js";

/** What each message is charged beside its length: an empty message takes memory too. */
const MESSAGE_OVERHEAD = 128;

/** A queue of received messages. */
export class MessageQueue {
  #messages: Message[] = [];
  #charges: number[] = [];
  #head = 0;
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

  push(message: Message): void {
    const charge = MESSAGE_OVERHEAD + this.#memoryOf(message);
    this.#messages.push(message);
    this.#charges.push(charge);
    this.#charged += charge;
  }

  /**
   * Bytes that the message keeps alive. A binary one is a view of the chunk that it came in, so a single byte may hold
   * 64 KiB of Pings that came with it; the first message of a chunk pays for the whole.
   */
  #memoryOf(message: Message): number {
    if (typeof message === "string") return Buffer.byteLength(message);
    if (message.buffer === this.#chunk) return 0;
    this.#chunk = message.buffer;
    return this.#chunk.byteLength;
  }

  /** Takes the oldest message. The inbox is not empty. */
  shift(): Message {
    const message = this.#messages[this.#head]!;
    this.#charged -= this.#charges[this.#head]!;
    // It must not be kept alive from here until the array is compacted.
    this.#messages[this.#head] = "";
    this.#head++;
    if (this.#head === this.#messages.length) {
      this.clear();
    } else if (this.#head >= 1024) {
      this.#messages.splice(0, this.#head);
      this.#charges.splice(0, this.#head);
      this.#head = 0;
    }
    return message;
  }

  /** Empties it and returns how many messages waited. */
  clear(): number {
    const { length } = this;
    this.#messages = [];
    this.#charges = [];
    this.#head = 0;
    this.#charged = 0;
    this.#chunk = undefined;
    return length;
  }
}
