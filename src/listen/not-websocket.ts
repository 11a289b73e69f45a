/**
 * Upgrades to something else than WebSocket on a caller's HTTP server. A server may ignore Upgrade (RFC 9110 §7.8), and
 * nobody there speaks anything else: they are requests of the caller's like any other. Java's HTTP client, for one,
 * asks for `h2c` with whatever it sends. Node hands each upgrade to 'upgrade' as soon as there is one listener.
 */
import { setImmediate } from "../base/real-timers.js";
import { once } from "node:events";
import * as http from "node:http";
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { membersOf } from "../wire/handshake.js";

/** What Node asks before it upgrades, where it does: since 22.21 and 24.9. */
interface AskingServer {
  shouldUpgradeCallback: (this: unknown, request: IncomingMessage) => boolean;
}

/** What Node serves HTTP on a socket with. It has it for node:http2, and no word of it in its documentation. */
const { _connectionListener: serveHttp } = http as unknown as {
  _connectionListener?: (this: HttpServer, socket: Duplex) => void;
};

/** Errors of a socket are followed by 'close'. */
const ignoreError = (): void => {};

/** Whether a request asks for WebSocket. One of HTTP/1.0 asks for nothing: its Upgrade MUST be ignored. */
function asksForWebSocket({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion !== "1.0" && membersOf((headers.upgrade ?? "").toLowerCase()).includes("websocket");
}

/**
 * Sees to it that {@link takeOtherUpgrade} can serve whatever it gets. Returns what undoes that. Since Node 26 an upgrade
 * with a body comes with a stream that has no body any more: those are not to become upgrades at all, while nobody but
 * us listens. (Why not all: behind an Upgrade that it ignores Node loses what came in the same segment.)
 */
export function ignoreOtherUpgrades(server: HttpServer): () => void {
  const { shouldUpgradeCallback: before } = server as Partial<AskingServer>;
  if (before === undefined) return () => {};
  const asking = server as unknown as AskingServer;
  let isOver = false;
  const ours: typeof before = (request) => {
    const isLeft =
      isOver || asksForWebSocket(request) || canServeAgain(server, request) || othersListen(server);
    return isLeft && before.call(server, request);
  };
  asking.shouldUpgradeCallback = ours;
  return () => {
    isOver = true;
    if (asking.shouldUpgradeCallback === ours) asking.shouldUpgradeCallback = before;
  };
}

/**
 * Takes an upgrade that does not ask for WebSocket. Returns whether it was one: then it is none of ours. With no other
 * listener the caller's server gets it as the plain request that it is; otherwise it is left to them.
 *
 * MUST be called from the listener of 'upgrade' itself, before anybody reads the socket.
 */
export function takeOtherUpgrade(
  server: HttpServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): boolean {
  if (asksForWebSocket(request)) return false;
  if (othersListen(server)) return true;
  if (!canServeAgain(server, request)) return false;
  void serveAsPlain(server, request, socket, head);
  return true;
}

/** Whether everything that has come behind the request's head is at hand. */
function canServeAgain(server: HttpServer, { headers }: IncomingMessage): boolean {
  if (serveHttp === undefined) return false;
  const hasBody = "content-length" in headers || "transfer-encoding" in headers;
  return !(hasBody && "shouldUpgradeCallback" in server);
}

function othersListen(server: HttpServer): boolean {
  return server.listenerCount("upgrade") > 1;
}

/**
 * Gives the request to the HTTP server once more, as if it had not asked for an upgrade: whatever Node does for requests,
 * it does for this one, with its body, and for those that follow on the socket.
 */
async function serveAsPlain(
  server: HttpServer,
  request: IncomingMessage,
  socket: AnsweringSocket,
  head: Buffer,
): Promise<void> {
  // Node has taken its listeners off, and of a socket that is ended here there are none any more.
  socket.on("error", ignoreError);
  await untilAnswered(socket);
  if (socket.destroyed || !socket.writable) return;
  socket.off("error", ignoreError);
  // It may be counted as idle since the request before was answered.
  socket.setTimeout?.(0);
  socket.unshift(Buffer.concat([plainHeadOf(request), head]));
  serveHttp!.call(server, socket);
}

/**
 * Resolves when the requests before this one are answered: Node begins a new order of answers for whom it serves anew.
 * Meanwhile there are none of Node's listeners on the socket.
 */
async function untilAnswered(socket: AnsweringSocket): Promise<void> {
  const onDrain = (): void => void socket["_httpMessage"]?.emit("drain");
  socket.on("drain", onDrain);
  // The parser that has just read the request goes back to Node's pool, and must be off the stack to be used again.
  await new Promise((resolve) => setImmediate(resolve));
  while (!socket.destroyed && socket["_httpMessage"]) await once(socket["_httpMessage"], "close");
  socket.off("drain", onDrain);
}

interface AnsweringSocket extends Duplex {
  /** The response that is being written. */
  _httpMessage?: ServerResponse | null;
  setTimeout?: Socket["setTimeout"];
}

/** The head as it came, but that it does not ask for an upgrade: that is what Connection says, and not Upgrade alone. */
function plainHeadOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name, value] = [rawHeaders[index]!, rawHeaders[index + 1]!];
    const isConnection = name.toLowerCase() === "connection";
    const kept = isConnection ? withoutUpgrade(value) : value;
    if (!isConnection || kept !== "") lines.push(`${name}: ${kept}`);
  }
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

function withoutUpgrade(connection: string): string {
  return membersOf(connection)
    .filter((option) => option.toLowerCase() !== "upgrade")
    .join(", ");
}
