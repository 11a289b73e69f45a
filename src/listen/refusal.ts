/** How a socket is told over HTTP that it is not let in. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { systemClock } from "../base/clock.js";
import type { RequestHead } from "../wire/handshake.js";
import { askedFor, upgradeEvents } from "./diagnostics.js";

/** Why somebody is not let in, as an HTTP answer. */
export interface Refusal {
  status: number;
  /** The body: a sentence for whoever reads the answer, or an empty string. */
  message: string;
  headers?: Readonly<Record<string, string>>;
}

/** How long a refused client gets to read the answer and end TCP. */
const REFUSED_TIMEOUT = 1_000;

/** Nobody is let in for now: after a second the client may try again, here or elsewhere. */
export function unavailable(message: string): Refusal {
  return { status: 503, message, headers: { "Retry-After": "1" } };
}

export const CLOSING = "The server is closing.";
export const TOO_SLOW: Refusal = { status: 408, message: "The handshake took too long." };
export const NOTHING_HERE: Refusal = { status: 404, message: "There is no WebSocket at this path." };

const ignoreError = (): void => {};

/** Refuses sockets, and knows which of them are still open. */
export class Refusals {
  readonly #onGone: () => void;
  readonly #open = new Set<Duplex>();

  constructor(onGone: () => void) {
    this.#onGone = onGone;
  }

  /** Refused sockets that are still open. */
  get open(): number {
    return this.#open.size;
  }

  /**
   * Answers with a status and a sentence, then ends the socket. What the client still sends is read and dropped: with
   * unread input the kernel would answer with a reset, which destroys the answer (RFC 1122 §4.2.2.13).
   * @param request What was asked for, if it was read; for whoever watches.
   */
  refuse(socket: Duplex, { status, message, headers = {} }: Refusal, request?: RequestHead): void {
    // Its 'close' follows. Also of one that is gone already: its error may still be on the way to 'error'.
    // Once: whoever sends on what is no HTTP is refused with each chunk.
    if (!socket.listeners("error").includes(ignoreError)) socket.on("error", ignoreError);
    if (socket.destroyed || socket.writableEnded) return;
    upgradeEvents.publish(() => {
      const { remoteAddress = "" } = socket as Partial<Socket>;
      return { event: "refused", status, reason: message, remoteAddress, ...askedFor(request) };
    });
    socket.end(responseOf(status, message, headers));
    socket.resume();
    const timer = systemClock.after(REFUSED_TIMEOUT, () => socket.destroy());
    this.#open.add(socket);
    socket.once("close", () => {
      systemClock.cancel(timer);
      this.#open.delete(socket);
      this.#onGone();
    });
  }

  destroyAll(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

/** The answer. What frames it is ours to say, also against headers that `UpgradeRejected` brings. */
function responseOf(status: number, message: string, headers: Readonly<Record<string, string>>): string {
  const body = message === "" ? "" : `${message}\n`;
  const namesProtocols = Object.keys(headers).some((name) => name.toLowerCase() === "upgrade");
  const framing = {
    // Who sends Upgrade MUST send this option too (RFC 9110 §7.8).
    Connection: namesProtocols ? "close, Upgrade" : "close",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(body)),
  };
  const reserved = Object.keys(framing)
    .concat("Transfer-Encoding")
    .map((name) => name.toLowerCase());
  const given = Object.entries(headers).filter(([name]) => !reserved.includes(name.toLowerCase()));
  const lines = [...given, ...Object.entries(framing)].map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}\r\n${lines.join("")}\r\n${body}`;
}
