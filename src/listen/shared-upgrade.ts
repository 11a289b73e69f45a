/**
 * An upgrade that others hear of too. Node calls all listeners with the same socket, one after the other, and knows
 * nothing of claims: who refuses what is not his own writes his refusal into somebody else's connection.
 */
import { queueMicrotask, nextTick } from "../base/real-timers.js";
import type { Duplex } from "node:stream";
import { overlay } from "./overlay.js";

/** What listeners look at before they answer, and what they answer with. */
const dead = {
  readable: false,
  writable: false,
  writableEnded: true,
  destroyed: true,
  write: () => false,
  end(this: Duplex) {
    return this;
  },
  destroy(this: Duplex) {
    return this;
  },
  destroySoon: () => {},
};

/** To those who are called after this the socket looks dead, and cannot be answered or ended. Returns what undoes that. */
export function hideFromOthers(socket: Duplex): () => void {
  return overlay(socket, dead);
}

/** Calls back when all listeners have been called that are called now. */
export function afterAllListeners(act: () => void): void {
  let called = false;
  const once = (): void => {
    if (called) return;
    called = true;
    act();
  };
  // Which one comes first hangs on who emits: Node's parser, or a promise of somebody's.
  nextTick(once);
  queueMicrotask(once);
}

/** How much was ever written to a socket. */
export function writtenTo(socket: Duplex): number {
  return (socket as { bytesWritten?: number }).bytesWritten ?? 0;
}

/** How many read a socket. */
export function readersOf(socket: Duplex): number {
  return socket.listenerCount("data") + socket.listenerCount("readable");
}

/** Whether somebody has answered an upgrade, ended its socket or begun to read it since it was as given. */
export function isAnswered(
  socket: Duplex,
  { written, readers }: { written: number; readers: number },
): boolean {
  return !socket.writable || writtenTo(socket) !== written || readersOf(socket) !== readers;
}

/** What is said of a server without a path beside other listeners: whoever of them answers later cannot be seen. */
export function warnOfSharing(): void {
  process.emitWarning(
    "A server without the option 'path' is on an HTTP server where others listen for 'upgrade' too. It takes each " +
      "upgrade that none of them has answered when all have been called; one that is answered later gets two answers. " +
      "Give createServer() a path: then the upgrades to it are its own, and all others are not.",
    { type: "LastcallWarning", code: "LASTCALL_SHARED_UPGRADES" },
  );
}
