/**
 * Clients that arrive around the signal, at a server that stands still: its system accepts them, and it cannot know yet.
 * Which of them are in its accept queue when it goes on is noted here; docs/drill.md says why that is what is judged.
 */
import { performance } from "./real-timers.js";
import type { Conversation, Role } from "./conversation.js";
import type { Timers } from "./timers.js";
import { unacknowledgedTo } from "./unacknowledged.js";

/** So many come before the signal, and as many behind it: together they fit into common accept queues (100, 128, 511). */
const GUESTS = 50;

/** How long they may take to be connected. A server whose queue is shorter does not get all of them. */
const ARRIVAL_PATIENCE = 1_000;
const LOOK_EVERY = 5;

/** Between those that come while the server goes down. */
const NEWCOMER_PAUSE = 20;

export class Guests {
  readonly #come: (role: Role) => Conversation;
  readonly #port: number;
  readonly #timers: Timers;
  readonly #guests: Conversation[] = [];
  readonly #newcomers: Conversation[] = [];

  /** @param come makes a client that connects, asks to be let in, and sends a request then. */
  constructor(come: (role: Role) => Conversation, port: number, timers: Timers) {
    this.#come = come;
    this.#port = port;
    this.#timers = timers;
  }

  /** A group of them. Resolves when the server's system has them and what they have sent, or does not take them. */
  async arrive(): Promise<void> {
    const until = performance.now() + ARRIVAL_PATIENCE;
    this.#guests.push(...Array.from({ length: GUESTS }, () => this.#come("profile")));
    do await this.#timers.after(LOOK_EVERY);
    while (performance.now() < until && !this.#haveArrived());
  }

  #haveArrived(): boolean {
    return this.#guests.every(isThere) && this.#unacknowledged().length === 0;
  }

  #unacknowledged(): Conversation[] {
    const ports = unacknowledgedTo(this.#port);
    return this.#guests.filter(({ client }) => ports.has(client.localPort ?? 0));
  }

  /** Whether nobody has an answer of any kind: the server really stands still. */
  get areUnheard(): boolean {
    return this.#guests.every(isUnheard);
  }

  /** Notes who waits to be accepted, where nobody has an answer: who is connected, with all that was sent acknowledged. */
  noteWaiting(): void {
    const unacknowledged = new Set(this.#unacknowledged());
    for (const guest of this.#guests) {
      guest.waited = guest.client.connectedAt !== undefined && !unacknowledged.has(guest);
    }
  }

  /** Whether all who waited know how it went. */
  get areAnswered(): boolean {
    return !this.#guests.some((guest) => guest.waited && isUnheard(guest));
  }

  /** One after the other, until one is refused by TCP: the door is closed. */
  async keepComing(isOver: () => boolean): Promise<void> {
    while (!isOver() && !this.#newcomers.some(isShutOut)) {
      this.#newcomers.push(this.#come("newcomer"));
      await this.#timers.after(NEWCOMER_PAUSE);
    }
  }

  /** Who is not connected by now, for instance since the queue was full, goes. */
  giveUp(): void {
    for (const { client } of [...this.#guests, ...this.#newcomers]) {
      if (client.connectedAt === undefined) client.giveUp();
    }
  }
}

/** Connected, or not to be. */
function isThere({ client }: Conversation): boolean {
  return client.connectedAt !== undefined || client.isOver;
}

/** By TCP: nobody listens any more. */
function isShutOut({ client }: Conversation): boolean {
  return client.connectedAt === undefined && client.refused !== undefined;
}

function isUnheard({ client }: Conversation): boolean {
  return client.openedAt === undefined && client.refused === undefined;
}
