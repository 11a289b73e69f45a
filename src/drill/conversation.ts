/** One client and the requests that it makes: who was asked what, and what came back. */
import { setTimeout, clearTimeout } from "./real-timers.js";
import type { Client, ClientListener, Clock } from "./client.js";
import type { Dialect } from "./dialect.js";
import type { Random } from "./random.js";

/** A request, as its client knows it. */
export interface Request {
  n: number;
  id: string;
  /** Undefined until it was handed to the system, and forever when it never was. */
  sentAt: number | undefined;
  replies: number[];
}

/** What all conversations of a run share. */
export interface Company {
  dialect: Dialect;
  now: Clock;
  random: Random;
  /** Gives out the numbers of requests. */
  nextNumber(): number;
  /** Bytes that a request should have. */
  size: number;
  /** An error that ends the drill, such as a script that threw. */
  onError(error: unknown): void;
}

/** One is right and two are wrong; nobody has to count further. */
const MOST_REPLIES = 10;

/** Whether a client behaves as its profile says, keeps every rule beside those that do, or comes after the signal. */
export type Role = "profile" | "witness" | "newcomer";

/** A client with its requests. */
export class Conversation {
  readonly number: number;
  readonly role: Role;
  readonly client: Client;
  readonly requests: Request[] = [];
  /** Requests that have a reply. */
  answered = 0;
  /** Messages that answered nothing. */
  otherMessages = 0;
  /** Whether it was in the accept queue when the server was told to stop, as far as that is known. */
  waited = false;
  /** When its upgrade was sent; undefined when the connection was over before that. */
  upgradeSentAt: number | undefined;

  readonly #company: Company;
  readonly #byId = new Map<string, Request>();
  readonly #byNumber = new Map<number, Request>();
  #oldest = 0;
  #isReady = false;
  readonly #waiting = new Set<() => void>();

  constructor(
    number: number,
    role: Role,
    company: Company,
    createClient: (listener: ClientListener) => Client,
  ) {
    this.number = number;
    this.role = role;
    this.#company = company;
    this.client = createClient({
      onMessage: (data) =>
        this.#guard(() => this.#onMessage(typeof data === "string" ? data : data.toString())),
      onEnding: () => this.#wake(),
      onEnded: () => this.#wake(),
    });
  }

  /** The upgrade, and what the dialect wants before requests. Resolves also when there is no WebSocket. */
  async open(): Promise<void> {
    if (!this.client.isOver) this.upgradeSentAt = this.#company.now();
    await this.client.open();
    if (!this.client.isOpen) return;
    this.#guard(() => {
      for (const message of this.#company.dialect.opening(this.number)) this.client.send(message, () => {});
      this.#isReady ||= !this.#company.dialect.waitsForAck;
    });
    await this.until(() => this.#isReady || !this.client.isOpen);
  }

  /** Whether requests can be sent. */
  get isOpen(): boolean {
    return this.client.isOpen && this.#isReady;
  }

  /** Sends the next request, in fragments if these lengths are given. */
  ask(fragments?: (message: Buffer) => readonly number[]): Request {
    const { dialect, now, size } = this.#company;
    const n = this.#company.nextNumber();
    const request: Request = { n, id: dialect.idOf(n), sentAt: undefined, replies: [] };
    this.requests.push(request);
    this.#byId.set(request.id, request);
    this.#byNumber.set(n, request);
    this.#guard(() => {
      const details = { id: request.id, connection: this.number, number: this.requests.length, size };
      const message = dialect.request(n, details);
      const lengths = fragments?.(Buffer.from(message as string));
      this.client.send(message, () => (request.sentAt ??= now()), lengths);
    });
    return request;
  }

  /** Resolves when the condition holds; it is looked at whenever something has come or ended. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  /** Resolves after so many milliseconds, give or take a tenth, or when the connection is over. */
  async pause(duration: number): Promise<void> {
    let isOver = false;
    const timer = setTimeout(
      () => {
        isOver = true;
        this.#wake();
      },
      duration * (0.9 + 0.2 * this.#company.random()),
    );
    await this.until(() => isOver || this.client.isOver);
    clearTimeout(timer);
  }

  /** Takes it down; whoever waits goes on. */
  destroy(): void {
    this.client.destroy();
    this.#wake();
  }

  #onMessage(message: string): void {
    const { dialect } = this.#company;
    if (!this.#isReady && dialect.waitsForAck) {
      this.#isReady = dialect.isAck(message);
      this.#wake();
      return;
    }
    const answered = this.#answeredBy(message);
    if (answered.length === 0) this.otherMessages++;
    const now = this.#company.now();
    for (const request of answered) {
      if (request.replies.length === 0) this.answered++;
      if (request.replies.length < MOST_REPLIES) request.replies.push(now);
      // The system tells of what was written together when the last of it was taken; a reply may come before that.
      request.sentAt ??= now;
    }
    this.#wake();
  }

  /** The requests of this connection that a message answers: a broadcast may name those of others. */
  #answeredBy(message: string): Request[] {
    const match = this.#company.dialect.match(message);
    if (match === undefined) return [];
    if (match === "oldest") {
      const request = this.requests[this.#oldest];
      // More replies than requests: nothing says that these are replies at all.
      if (request === undefined) return [];
      this.#oldest++;
      return [request];
    }
    const named =
      "ids" in match ? match.ids.map((id) => this.#byId.get(id)) : match.ns.map((n) => this.#byNumber.get(n));
    return [...new Set(named)].filter((request) => request !== undefined);
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#company.onError(error);
    }
  }

  #wake(): void {
    for (const check of this.#waiting) check();
  }
}
