/**
 * A server with well-behaved peers in closed loops and a faulty one beside them: what the others get while it
 * misbehaves, and what the report says of it.
 */
import { EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { expect, onTestFinished } from "vitest";
import {
  createServer,
  type Connection,
  type DrainOptions,
  type DrainReport,
  type Server,
  type ServerOptions,
} from "../../src/index.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { connectSocket, type Target } from "../tools/connect.js";
import type { FaultyPeer } from "../tools/faults/index.js";
import { RawClient } from "../tools/raw-client.js";
import { eventually, gate } from "../tools/serve.js";
import { ms } from "../tools/timing.js";
import { RESTART, seenBy } from "./raw-peers.js";

export type Transport = "TCP" | "TLS";

/** Well-behaved peers. */
export const OTHERS = 4;

/** How often each of them asks behind the call of `shutdown()`. */
const ROUNDS_IN_DRAIN = 2;

/** Where the faulty peer connects: by this the handler knows it. */
export const FAULTY_PATH = "/faulty";

/** Short, but patience is long beside what the others go on asking for, also on a machine that is busy. */
export const TIMES = {
  patience: ms(1500),
  barrierTimeout: ms(500),
  closeTimeout: ms(300),
  lingerTimeout: ms(150),
  handshakeGrace: ms(200),
  // Nothing waits for it: what holds longer than its own time shows.
  deadline: ms(15_000),
} satisfies Partial<DrainOptions>;

/** What one peer may hold a shutdown for, whatever it does. */
const LONGEST = TIMES.patience + TIMES.closeTimeout + TIMES.lingerTimeout;

/**
 * Messages of one peer that may be started before one of another that is there already: a chunk of the smallest, and a
 * full inbox. Three times that, since the kernel may be a turn of the loop late.
 */
export const MOST_OVERTAKEN = 3 * (Math.ceil((64 * 1024) / 7) + 1024);

let certificate: ReturnType<typeof selfSignedCertificate> | undefined;

/** How a shutdown ended, and what was counted from its call on. */
export interface Stopped {
  report: DrainReport;
  served: number;
}

export class Company {
  readonly server: Server;
  target: Target = 0;
  others: RawClient[] = [];
  /** The faulty peer's connection, once it has one. */
  faulty: Connection | undefined;
  /** Messages of the faulty peer that a handler has started. */
  faultyStarted = 0;
  /** Messages of the faulty peer that were started, at most, while a message of another was there already. */
  mostOvertaken = 0;
  /** While it is closed, the handler does not finish the faulty peer's messages. */
  #hold: ReturnType<typeof gate> | undefined;
  #finished = 0;
  readonly #asked = new Map<string, number>();
  readonly #events = new EventEmitter().setMaxListeners(0);

  private constructor(options: ServerOptions, reply: (message: string | Buffer) => string | Buffer) {
    this.server = createServer({ ...options, drain: { ...TIMES, ...options.drain } }, async (connection) => {
      const faulty = connection.request.url === FAULTY_PATH;
      if (faulty) this.faulty = connection;
      for await (const message of connection) {
        if (faulty) this.faultyStarted++;
        else this.#noteOvertaking(String(message));
        this.#events.emit("started");
        if (faulty && this.#hold !== undefined) await this.#hold.passed;
        connection.send(reply(message));
        this.#finished++;
      }
    });
    onTestFinished(async () => {
      for (const other of this.others) other.destroy();
      await this.server.close();
    });
  }

  /** The well-behaved ones come first. */
  static async gather(
    transport: Transport,
    options: ServerOptions = {},
    reply: (message: string | Buffer) => string | Buffer = (message) => message,
  ): Promise<Company> {
    const company = new Company(options, reply);
    if (transport === "TCP") {
      company.target = (await company.server.listen({ port: 0, host: "127.0.0.1" })).port;
    } else {
      const tls = createTlsServer((certificate ??= selfSignedCertificate()));
      onTestFinished(() => void tls.close());
      tls.listen(0, "127.0.0.1");
      await once(tls, "listening");
      await company.server.listen(tls);
      company.target = { port: (tls.address() as AddressInfo).port, tls: true };
    }
    company.others = await Promise.all(Array.from({ length: OTHERS }, () => company.#open()));
    return company;
  }

  async #open(): Promise<RawClient> {
    const client = new RawClient(await connectSocket(this.target), {});
    client.sendHandshake();
    await client.opened();
    return client;
  }

  #noteOvertaking(message: string): void {
    const overtaken = this.faultyStarted - this.#asked.get(message)!;
    this.#asked.delete(message);
    this.mostOvertaken = Math.max(this.mostOvertaken, overtaken);
  }

  /** From here on the faulty peer's messages are started and not finished. */
  hold(): void {
    this.#hold = gate();
    onTestFinished(() => this.release());
  }

  release(): void {
    this.#hold?.open();
    this.#hold = undefined;
  }

  /** Resolves when the handler has started so many messages of the faulty peer. */
  async started(messages: number): Promise<void> {
    while (this.faultyStarted < messages) await once(this.#events, "started");
  }

  /** Resolves when the faulty peer's replies wait in its outbox, so that it gets no further ones made. */
  stuck(): Promise<void> {
    return eventually(() => (this.faulty?.bufferedAmount ?? 0) >= 64 * 1024);
  }

  /** Each of the others asks and gets its reply, all of them in every round. */
  async rounds(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      await Promise.all(this.others.map((other, index) => this.#ask(other, index)));
    }
  }

  async #ask(other: RawClient, index: number): Promise<void> {
    const next = other.messages.length;
    const message = `${index}: ${next}`;
    this.#asked.set(message, this.faultyStarted);
    other.send(message);
    await other.received(next + 1);
  }

  /** Shuts down; the others go on asking for a while, each in its own loop. Then a held handler may go on. */
  async stop(
    releasedWhen: (connection: Connection) => boolean = (connection) => connection.draining.aborted,
  ): Promise<Stopped> {
    const before = this.#finished;
    const shutdown = this.server.shutdown();
    const asking = this.others.map(async (other, index) => {
      for (let round = 0; round < ROUNDS_IN_DRAIN; round++) await this.#ask(other, index);
    });
    await Promise.all(asking);
    if (this.#hold !== undefined) await eventually(() => releasedWhen(this.faulty!));
    this.release();
    const report = await shutdown;
    return { report, served: this.#finished - before };
  }

  /** Well before its deadline: no longer than one peer may hold it, three times. */
  expectBounded({ report }: Stopped, most: number = LONGEST): void {
    expect(report.duration).toBeLessThan(3 * most);
  }

  /** Every one of the others got each of its replies, Close and FIN. */
  async expectOthersServed(): Promise<void> {
    for (const [index, other] of this.others.entries()) {
      const seen = await seenBy(other);
      const asked = Array.from({ length: seen.messages.length }, (_, next) => `${index}: ${next}`);
      expect(seen).toEqual({ messages: asked, close: RESTART, ended: "FIN", violation: undefined });
    }
    expect(this.#asked.size).toBe(0);
  }
}

/** Destroyed after the test. */
export async function started<Peer extends FaultyPeer>(starting: Promise<Peer>): Promise<Peer> {
  const peer = await starting;
  onTestFinished(() => peer.destroy());
  return peer;
}
