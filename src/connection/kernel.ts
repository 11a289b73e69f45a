/**
 * What the kernel still holds for a peer: the only sign of one that reads slowly what was handed over long ago. Node shows
 * nothing of it, and a Ping that nobody expects is taken for a fault by real clients (docs/decisions.md).
 *
 * Linux tells it. Its table is read when somebody asks, once for all who do, and for no more than a tenth of the time.
 * Elsewhere it is assumed.
 */
import { setTimeout, clearTimeout } from "../base/real-timers.js";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { now } from "../base/clock.js";
import { placeOf, readTable } from "./kernel-table.js";

type Tell = (bytes: number) => void;

/** Tells what the kernel holds. */
export interface Kernel {
  /**
   * Calls `tell` once, at once or later, with the bytes that the kernel has taken from this socket and that the peer's
   * side has not acknowledged. 0 for a stream behind which nothing is hidden: one that is no TCP socket.
   */
  unacknowledged(socket: Duplex, tell: Tell): void;
  /** Nobody waits to be told of this socket any more. */
  forget(socket: Duplex): void;
}

/** A kernel that tells nothing is taken to hold so much at most, and its peer to take so much in a millisecond. */
const ASSUMED_HELD = 2 * 1024 * 1024;
const ASSUMED_RATE = 128;

/** Where the kernel tells nothing: a peer gets the time that a slow one would take, and no longer. */
export class AssumedKernel implements Kernel {
  /** Since when nothing was written to a socket, as far as one who asks now and then can see. */
  readonly #quiet = new WeakMap<Socket, { written: number; since: number }>();

  unacknowledged(socket: Duplex, tell: Tell): void {
    if (!isTcp(socket)) return tell(0);
    const [at, written] = [now(), socket.bytesWritten];
    let quiet = this.#quiet.get(socket);
    if (quiet?.written !== written) this.#quiet.set(socket, (quiet = { written, since: at }));
    tell(Math.max(0, Math.min(written, ASSUMED_HELD) - Math.floor(ASSUMED_RATE * (at - quiet.since))));
  }

  forget(): void {}
}

/** A read that took so long is followed by so many times that without one, but no more than so many milliseconds. */
const REST = 9;
const MAX_REST = 500;

/** Linux. */
export class TellingKernel implements Kernel {
  readonly #otherwise: Kernel;
  readonly #table: typeof readTable;
  /** Who waits to be told of which socket. */
  #asked = new Map<Duplex, Tell[]>();
  #timer: NodeJS.Timeout | undefined;
  #reading = false;
  #restUntil = 0;

  /** `otherwise` is asked when a table cannot be read. */
  constructor(otherwise: Kernel, table = readTable) {
    this.#otherwise = otherwise;
    this.#table = table;
  }

  unacknowledged(socket: Duplex, tell: Tell): void {
    if (!isTcp(socket)) return tell(0);
    const tells = this.#asked.get(socket);
    if (tells === undefined) this.#asked.set(socket, [tell]);
    else tells.push(tell);
    this.#readSoon();
  }

  forget(socket: Duplex): void {
    this.#asked.delete(socket);
    if (this.#asked.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #readSoon(): void {
    if (this.#reading || this.#asked.size === 0) return;
    this.#timer ??= setTimeout(() => void this.#read(), Math.max(0, this.#restUntil - now()));
  }

  async #read(): Promise<void> {
    this.#timer = undefined;
    this.#reading = true;
    const began = now();
    const asked = this.#asked;
    this.#asked = new Map();
    await Promise.all(
      [...inTables(asked.keys())].map(async ([table, lines]) => this.#readTable(table, lines, asked)),
    );
    this.#restUntil = now() + Math.min(REST * (now() - began), MAX_REST);
    this.#reading = false;
    this.#readSoon();
  }

  async #readTable(table: string, lines: Map<string, Duplex>, asked: Map<Duplex, Tell[]>): Promise<void> {
    const held = new Map<string, number>();
    let readable = true;
    try {
      // A line may stand there twice: once for a connection of the past.
      await this.#table(table, lines, (addresses, bytes) => {
        held.set(addresses, Math.max(bytes, held.get(addresses) ?? 0));
      });
    } catch {
      readable = false;
    }
    for (const [addresses, socket] of lines) {
      for (const tell of asked.get(socket)!) {
        if (readable) tell(held.get(addresses) ?? 0);
        else this.#otherwise.unacknowledged(socket, tell);
      }
    }
  }
}

/** By table and line, who is looked for. A socket that is gone by now stands in none: it holds nothing, and nobody cares. */
function inTables(sockets: Iterable<Duplex>): Map<string, Map<string, Duplex>> {
  const tables = new Map<string, Map<string, Duplex>>();
  for (const socket of sockets) {
    const place = placeOf(socket as Socket);
    if (place === undefined) continue;
    const lines = tables.get(place.table) ?? new Map<string, Duplex>();
    tables.set(place.table, lines.set(place.addresses, socket));
  }
  return tables;
}

function isTcp(socket: Duplex): socket is Socket {
  return socket instanceof Socket && socket.remotePort !== undefined;
}

/** The kernel of this machine. */
export const systemKernel: Kernel =
  process.platform === "linux" ? new TellingKernel(new AssumedKernel()) : new AssumedKernel();
