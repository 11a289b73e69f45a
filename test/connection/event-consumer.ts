/**
 * A consumer of the other kind, for tests only: it is called for each message, sees Pings and Pongs, pauses and resumes.
 * What it does with a message is the test's; so many are in hand at once at most.
 */
import type { Consumer, Received } from "../../src/connection/consumer.js";
import type { Endpoint } from "../../src/connection/endpoint.js";
import type { ConnectionClosed } from "../../src/connection/handler.js";

export class EventConsumer implements Consumer {
  /** What it was called for, in order. */
  readonly started: Received[] = [];
  readonly told: string[] = [];
  readonly calls = { begin: 0, end: 0 };
  closed: ConnectionClosed | undefined;
  pending = 0;
  /** Called within `start`, as a listener of an application would be. */
  onStart: ((message: Received) => void) | undefined;
  readonly #endpoint: Endpoint;
  readonly #concurrency: number;
  #inHand = 0;
  #paused = false;

  constructor(endpoint: Endpoint, concurrency = 1) {
    this.#endpoint = endpoint;
    this.#concurrency = concurrency;
  }

  get wants(): boolean {
    return !this.#paused && this.#inHand < this.#concurrency;
  }

  begin(): void {
    this.calls.begin++;
  }

  start(message: Received): void {
    this.#inHand++;
    this.started.push(message);
    this.onStart?.(message);
  }

  end(): void {
    this.calls.end++;
  }

  onPing(payload: Buffer): void {
    this.told.push(`ping ${payload}`);
  }

  onPong(payload: Buffer): void {
    this.told.push(`pong ${payload}`);
  }

  onDropped(messages: number): void {
    this.told.push(`dropped ${messages}`);
  }

  onLeaving(): void {
    this.told.push("leaving");
  }

  onUnheard(): void {
    this.told.push("unheard");
  }

  onOutboxLow(): void {
    this.told.push("low");
  }

  onClosed(closed: ConnectionClosed): void {
    this.closed = closed;
  }

  // For the test

  finish(): void {
    this.#inHand--;
    this.#endpoint.finished(1);
    this.#endpoint.ready();
  }

  pause(): void {
    this.#paused = true;
    this.#endpoint.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#endpoint.resume();
    this.#endpoint.ready();
  }

  hold(): () => void {
    this.pending++;
    this.#endpoint.changed();
    return () => {
      this.pending--;
      this.#endpoint.changed();
    };
  }

  settle(): void {
    this.#endpoint.settled(false);
  }
}
