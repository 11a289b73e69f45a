/** Who a listener works for, written down; and sockets in memory that come in at a server's door. */
import type { Server } from "node:net";
import { onTestFinished } from "vitest";
import type { ListenerOwner } from "../../src/listen/listener.js";
import type { OpeningHandshake } from "../../src/listen/opening-handshake.js";
import { Refusals } from "../../src/listen/refusal.js";
import { MemorySocket } from "../tools/memory-socket.js";

export class RecordingOwner implements ListenerOwner {
  readonly handshakeTimeout: number;
  readonly refusals = new Refusals(() => {});
  readonly upgrades: OpeningHandshake[] = [];
  readonly errors: unknown[] = [];
  gone = 0;

  constructor(handshakeTimeout = 10_000) {
    this.handshakeTimeout = handshakeTimeout;
  }

  onUpgrade(handshake: OpeningHandshake): void {
    this.upgrades.push(handshake);
  }

  onListenerError(error: unknown): void {
    this.errors.push(error);
  }

  closed = 0;

  onListenerClosed(): void {
    this.closed++;
  }

  onGuestGone(): void {
    this.gone++;
  }
}

/** Somebody comes in, and sends these lines as a request if there are any. */
export function come(server: Server, lines: readonly string[] = []): MemorySocket {
  const socket = new MemorySocket({ allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  server.emit("connection", socket);
  if (lines.length > 0) socket.receive(`${lines.join("\r\n")}\r\n\r\n`);
  return socket;
}

/** Everything that was answered. */
export function answer(socket: MemorySocket): string {
  return Buffer.concat(socket.writes.flat()).toString();
}

/** The handshake of a client, for a path. */
export function asking(path: string): string[] {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
}
