/** What Node's HTTP parser makes of a request that comes in on a socket in memory. */
import { createServer, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { onTestFinished } from "vitest";
import { MemorySocket } from "../tools/memory-socket.js";
import { asking } from "./recording-owner.js";

export interface Parsed {
  request: IncomingMessage;
  /** The socket as the parser hands it out; what was written to it is in `socket.writes`. */
  stream: Duplex;
  socket: MemorySocket;
  /** What came behind the request. */
  head: Buffer;
}

/** A request by its lines; with `Upgrade` and `Connection` among them it is one to be upgraded. */
export async function parsed(lines: readonly string[], behind = ""): Promise<Parsed> {
  const parser = createServer();
  const socket = new MemorySocket({ allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  const result = new Promise<Parsed>((resolve) => {
    parser.on("upgrade", (request, stream, head) => resolve({ request, stream, socket, head }));
    parser.on("request", (request) =>
      resolve({ request, stream: request.socket, socket, head: Buffer.alloc(0) }),
    );
  });
  parser.emit("connection", socket);
  socket.receive(`${lines.join("\r\n")}\r\n\r\n${behind}`);
  return result;
}

/** The handshake of a client. */
export const HANDSHAKE = asking("/chat?room=1");
