/** What `listen` takes, and which listener that means. */
import { Server as HttpServer } from "node:http";
import { Server as HttpsServer } from "node:https";
import { Server as NetServer, type ListenOptions } from "node:net";
import { types } from "node:util";
import { record, refuseUnknown } from "../base/checks.js";
import { InvalidOptionError } from "../base/errors.js";
import { HttpHostListener } from "./http-host.js";
import { allowsHttp1, isHttp2Server } from "./http2-sessions.js";
import type { Listener, ListenerOwner } from "./listener.js";
import { OwnServer } from "./own-server.js";
import { limitOfPath } from "./socket-file.js";
import { SocketListener } from "./socket-listener.js";

/** Node's options for `net.Server.listen` without its `signal`, which would close the socket behind the server's back. */
export type ListenPlace = Omit<ListenOptions, "signal">;

/**
 * Where to listen: a port, Node's options for `net.Server.listen` (port and host, path, or fd), or a server of the
 * caller's from `node:http`, `node:https`, `node:net` or `node:tls`, or of `http2.createSecureServer` with `allowHTTP1`,
 * listening already or not.
 */
export type ListenTarget = number | ListenPlace | { fd: number } | HttpServer | HttpsServer | NetServer;

/** What Node's `net.Server.listen` knows, in any version, but for its `signal`. */
const LISTEN_OPTIONS =
  "port, host, path, fd, backlog, exclusive, ipv6Only, reusePort, readableAll, writableAll".split(", ");

/** What says where, of which Node takes the first that it knows of: whether a value does, and what it must be. */
const PLACES: Readonly<Record<string, readonly [(value: unknown) => boolean, string]>> = {
  port: [isPort, "a whole number from 0 to 65 535"],
  path: [isPath, "a Unix socket's path: a string that is not empty, and has no zero byte but in front"],
  fd: [isDescriptor, "a descriptor: a whole number from 0"],
};

/**
 * The listener for a target.
 * @param path The only path whose upgrades are ours on an HTTP server.
 * @throws {@link InvalidOptionError} when the target is none.
 */
export function listenerFor(target: ListenTarget, owner: ListenerOwner, path: string | undefined): Listener {
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
  if (target instanceof NetServer) return new SocketListener(target, undefined, owner);
  return new SocketListener(new OwnServer({ allowHalfOpen: true }), checkOptions(target), owner);
}

function checkOptions(target: number | ListenPlace | { fd: number }): ListenPlace {
  if (isLive(target)) {
    throw new InvalidOptionError(
      "listen",
      target,
      "a server of node:http, https, net or tls; for an app give what app.listen() returns (Express, Koa), app.server (Fastify), app.getHttpServer() (NestJS), or what serve() returns (Hono)",
    );
  }
  const options = optionsOf(target);
  if (options.signal !== undefined) {
    throw new InvalidOptionError(
      "listen.signal",
      options.signal,
      "left out: what stops the server goes into run({ listen, signals: { shutdown, close } })",
    );
  }
  // A misspelt `host` would listen on every address.
  refuseUnknown("listen.", options, LISTEN_OPTIONS);
  checkPlace(options, target);
  if (options.path !== undefined) checkLength(options.path);
  return options;
}

/** Without what is undefined: Node takes any free port for `port: undefined`, also beside a path. */
function optionsOf(target: number | ListenPlace | { fd: number }): ListenOptions {
  if (isPort(target)) return { port: target as number };
  return typeof target === "object" && target !== null ? record("listen", target) : {};
}

/** One place, and no other. */
function checkPlace(options: ListenOptions, target: unknown): void {
  const given = Object.entries(options).filter(([name]) => Object.hasOwn(PLACES, name));
  const [first, second] = given;
  if (first === undefined) {
    throw new InvalidOptionError(
      "listen",
      target,
      "a port from 0 to 65 535, { port, host }, { path }, { fd }, or a server of node:http, https, net or tls",
    );
  }
  const [name, value] = first;
  if (second !== undefined) {
    throw new InvalidOptionError(
      `listen.${second[0]}`,
      second[1],
      `left out beside ${name}, which is another place`,
    );
  }
  const [fits, allowed] = PLACES[name]!;
  if (!fits(value)) throw new InvalidOptionError(`listen.${name}`, value, allowed);
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535;
}

/** For the system a path ends at a zero byte; one in front is the mark of an abstract socket. */
function isPath(value: unknown): boolean {
  return typeof value === "string" && value !== "" && (value.startsWith("\0") || !value.includes("\0"));
}

function isDescriptor(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0;
}

function checkLength(path: string): void {
  const limit = limitOfPath(path);
  if (limit === undefined) return;
  throw new InvalidOptionError(
    "listen.path",
    path,
    `at most ${limit} bytes long, which is what the system takes for a Unix socket (${path} has ${Buffer.byteLength(path)})`,
  );
}

/**
 * Whether something acts instead of only saying where: a framework's app, which may be a function, a server of another
 * kind, or of another realm's `node:net`.
 */
function isLive(target: unknown): boolean {
  if (typeof target === "function") return true;
  const { listen, on, close, stop } = (target ?? {}) as Record<string, unknown>;
  return [listen, on, close, stop].some((member) => typeof member === "function");
}
