/**
 * Node's HTTP server knows its sockets and has no public list of them: only methods that destroy all, or those that it
 * takes for idle. It is wrong about some: an answer that was ended and is not yet with the kernel counts as idle
 * (Node 20 to 26), and so does, since Node 26 (nodejs/node#63470), a socket that has not asked for anything yet.
 */
import { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { overlay } from "./overlay.js";

/** Runs what may destroy sockets, spares them all, and returns them. `act` MUST do so before it returns. */
export function spared(act: () => void): Socket[] {
  const sockets: Socket[] = [];
  const restore = overlay(Duplex.prototype, {
    destroy(this: Socket) {
      sockets.push(this);
      return this;
    },
  });
  try {
    act();
  } finally {
    restore();
  }
  return sockets;
}

/** Runtimes with an HTTP server of their own, which does not destroy sockets in a way that could be seen. */
export const isNode = !("bun" in process.versions) && !("deno" in process.versions);

/** All sockets of an HTTP server that speak HTTP/1.1 and were not upgraded. Empty where that cannot be known. */
export function socketsOf(server: HttpServer): Socket[] {
  // A server of node:http2 has the sockets, and not the method.
  return isNode ? spared(() => HttpServer.prototype.closeAllConnections.call(server)) : [];
}

/** Those of them on which nothing is under way, as Node sees it. */
export function idleSocketsOf(server: HttpServer): Socket[] {
  return isNode ? spared(() => HttpServer.prototype.closeIdleConnections.call(server)) : [];
}
