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

  /** Messages that wait. */
  get length(): number {
    return this.#messages.length - this.#head;
  }

  /** What they are charged, in bytes. */
  get charged(): number {
    return this.#charged;
  }

  push(message: Message): void {
    const charge =
      MESSAGE_OVERHEAD + (typeof message === "string" ? Buffer.byteLength(message) : message.length);
    this.#messages.push(message);
    this.#charges.push(charge);
    this.#charged += charge;
  }

  /** Takes the oldest message. The inbox is not empty. */
  shift(): Message {
    const message = this.#messages[this.#head]!;
    this.#charged -= this.#charges[this.#head]!;
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
    return length;
  }
}
