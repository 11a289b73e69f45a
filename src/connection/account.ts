/** The books of one connection, for the report: what is counted is counted here and nowhere else. */
import type { WhyEnded } from "../drain/cause.js";
import type { ConnectionAccount, ConnectionEnd, DrainReport } from "../drain/report.js";

/** What a connection held when it was forced. */
type Held = Pick<ConnectionAccount, "queued" | "unsentBytes" | "running" | "handlerRuns">;

/** Where the messages of all connections are counted: since the start, or since the drain began. */
export interface Tallying {
  readonly tally: DrainReport["messages"];
}

export class Account {
  readonly #books: Tallying;
  /** The books of a shutdown of its own, if there is one. */
  #own: DrainReport["messages"] | undefined;
  #undelivered = 0;
  #unsentBytes = 0;
  #unreadUnknown = false;
  #held: Held | undefined;

  constructor(books: Tallying) {
    this.#books = books;
  }

  /** Counts in those books, too, from here on. */
  countIn(tally: DrainReport["messages"]): void {
    this.#own = tally;
  }

  get isForced(): boolean {
    return this.#held !== undefined;
  }

  /** Bytes that were never sent; known when the socket is gone. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  served(messages: number): void {
    // What was in hand when the connection was forced is accounted for already.
    if (this.#held === undefined) this.#count("served", messages);
  }

  handedBack(messages: number): void {
    this.#count("handedBack", messages);
  }

  abandoned(messages: number): void {
    this.#count("abandoned", messages);
  }

  undelivered(messages: number): void {
    this.#undelivered += messages;
    this.#count("undelivered", messages);
  }

  /** The socket is gone. `unreadUnknown`: our back-pressure held it, so nobody knows what the kernel had. */
  socketClosed(unsentBytes: number, unreadUnknown: boolean): void {
    this.#unsentBytes = unsentBytes;
    this.#unreadUnknown = unreadUnknown;
  }

  /** The connection is forced, with this in it, so many messages of it in hand. */
  forced(held: Held, inHand: number): void {
    this.#held = held;
    this.#count("abandoned", inHand);
  }

  #count(what: keyof DrainReport["messages"], messages: number): void {
    this.#books.tally[what] += messages;
    if (this.#own !== undefined) this.#own[what] += messages;
  }

  /** The entry for the report. */
  entry(
    connection: { id: string; remoteAddress: string; handlerRuns: boolean },
    machine: {
      end: ConnectionEnd;
      unproven: boolean;
      reset: boolean;
      gaveUp: boolean;
      why: WhyEnded | undefined;
    },
  ): ConnectionAccount {
    const { id, remoteAddress, handlerRuns } = connection;
    const { end, unproven, reset, gaveUp } = machine;
    return {
      ...machine.why!,
      id,
      remoteAddress,
      end,
      unproven,
      reset,
      gaveUp,
      queued: 0,
      unsentBytes: this.#unsentBytes,
      running: 0,
      undelivered: this.#undelivered,
      unreadUnknown: this.#unreadUnknown,
      ...this.#held,
      handlerRuns: handlerRuns || (this.#held?.handlerRuns ?? false),
    };
  }
}
