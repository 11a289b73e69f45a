/** What `listen` takes, and which listener that means. */
import { Server as HttpServer } from "node:http";
import { Server as HttpsServer } from "node:https";
import { Server as NetServer, type ListenOptions } from "node:net";
import { types } from "node:util";
import { InvalidOptionError } from "../base/errors.js";
import { HttpHostListener } from "./http-host.js";
import { allowsHttp1, isHttp2Server } from "./http2-sessions.js";
import type { Listener, ListenerOwner } from "./listener.js";
import { OwnServer } from "./own-server.js";
import { SocketListener } from "./socket-listener.js";

/**
 * Where to listen: a port, Node's options for `net.Server.listen` (port and host, path, or fd), or a server of the
 * caller's from `node:http`, `node:https`, `node:net` or `node:tls`, or of `http2.createSecureServer` with `allowHTTP1`,
 * listening already or not.
 */
export type ListenTarget = number | ListenOptions | { fd: number } | HttpServer | HttpsServer | NetServer;

/**
 * The listener for a target.
 * @throws {@link InvalidOptionError} when the target is none.
 */
export function listenerFor(
  target: ListenTarget,
  owner: ListenerOwner,
  { path, handshakeTimeout }: { path: string | undefined; handshakeTimeout: number },
): Listener {
  if (types.isProxy(target)) {
    throw new InvalidOptionError(
      "listen",
      target,
      "the server itself; a Proxy of it is another object to Node",
    );
  }
  if (target instanceof HttpServer || target instanceof HttpsServer) {
    return new HttpHostListener(target, owner, path);
  }
  if (target instanceof NetServer && isHttp2Server(target)) {
    if (allowsHttp1(target)) return new HttpHostListener(target, owner, path);
    throw new InvalidOptionError(
      "listen",
      target,
      "a server that speaks HTTP/1.1, since WebSocket over HTTP/2 is not there: http2.createSecureServer with { allowHTTP1: true }",
    );
  }
  if (target instanceof NetServer) return new SocketListener(target, undefined, owner, handshakeTimeout);
  return new SocketListener(
    new OwnServer({ allowHalfOpen: true }),
    checkOptions(target),
    owner,
    handshakeTimeout,
  );
}

function checkOptions(target: number | ListenOptions | { fd: number }): ListenOptions {
  const options: ListenOptions & { fd?: number } =
    typeof target === "number" ? { port: target } : { ...target };
  const { port, path, fd } = options;
  const isPort = Number.isInteger(port) && port! >= 0 && port! <= 65_535;
  const isPath = port === undefined && typeof path === "string" && path !== "";
  const isDescriptor = port === undefined && path === undefined && Number.isInteger(fd) && fd! >= 0;
  if ((isPort || isPath || isDescriptor) && !isLive(target as object)) return options;
  throw new InvalidOptionError(
    "listen",
    target,
    "a port from 0 to 65 535, { port, host }, { path }, { fd }, or a server of node:http, https, net or tls",
  );
}

/** Whether an object acts instead of only saying where: a server of another kind, or of another realm's `node:net`. */
function isLive(target: object): boolean {
  const { listen, on, close, stop } = target as Record<string, unknown>;
  return [listen, on, close, stop].some((member) => typeof member === "function");
}
