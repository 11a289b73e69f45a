/**
 * The HTTP/2 sessions of a caller's server. What goes on in them is the caller's; a server that goes down says GOAWAY to
 * each of them, and tells what became of their requests. Since Node 24 its `close()` says GOAWAY itself.
 */
import type { Server as HttpServer } from "node:http";
import {
  constants,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Server as NetServer, Socket } from "node:net";
import { Server as TlsServer, type TLSSocket } from "node:tls";
import type { CutRequest, PlainRequests } from "./listener.js";

/** A server of `node:http2` that speaks HTTP/1.1 too. The types do not know that it has this method. */
export type Http1And2Server = Http2SecureServer & Pick<HttpServer, "closeIdleConnections">;

/** Whether this is a server of `node:http2`, encrypted or not. They have no class that is exported. */
export function isHttp2Server(server: NetServer): boolean {
  return typeof (server as Partial<Http2SecureServer>).updateSettings === "function";
}

/** Whether a server of `node:http2` speaks HTTP/1.1 too: only then it has timeouts for that. */
export function allowsHttp1(server: NetServer): server is Http1And2Server {
  return server instanceof TlsServer && "headersTimeout" in server;
}

/** Whether a socket of such a server speaks HTTP/2. It belongs to its session then: Node aborts when others touch it. */
export function speaksHttp2(socket: Socket): boolean {
  return (socket as Partial<TLSSocket>).alpnProtocol === "h2";
}

export class Http2Sessions {
  readonly #server: NetServer;
  readonly #onGone: () => void;
  readonly #open = new Set<ServerHttp2Session>();
  /** Requests that are under way. */
  readonly #underWay = new Map<ServerHttp2Stream, CutRequest>();
  #closing = false;
  #counting = false;
  #requests: PlainRequests = { answered: 0, left: 0, cut: [] };

  /** `onGone` is called when a session is over. A server that is none of `node:http2` has no sessions. */
  constructor(server: NetServer, onGone: () => void) {
    this.#server = server;
    this.#onGone = onGone;
    server.on("session", this.#onSession);
  }

  /** Sessions that are not over. */
  get size(): number {
    return this.#open.size;
  }

  /** Takes no new requests, and ends each session when those that are under way are answered; those that come as well. */
  close(): void {
    this.#closing = true;
    for (const session of this.#open) session.close();
  }

  /** What became of requests since that was counted. */
  get requests(): PlainRequests {
    return this.#requests;
  }

  countFromNow(): void {
    this.#counting = true;
    this.#requests = { answered: 0, left: 0, cut: [] };
  }

  destroyAll(): void {
    this.#requests.cut.push(...this.#underWay.values());
    this.#underWay.clear();
    for (const session of this.#open) session.destroy();
  }

  letGo(): void {
    this.#server.off("session", this.#onSession);
  }

  readonly #onSession = (session: ServerHttp2Session): void => {
    this.#open.add(session);
    const remoteAddress = session.socket.remoteAddress ?? "";
    session.on("stream", (stream, headers) => this.#onStream(stream, headers, remoteAddress));
    session.once("close", () => {
      this.#open.delete(session);
      this.#onGone();
    });
    if (this.#closing) session.close();
  };

  #onStream(
    stream: ServerHttp2Stream,
    { ":method": method = "", ":path": path = "" }: IncomingHttpHeaders,
    remoteAddress: string,
  ): void {
    this.#underWay.set(stream, { method, path: path.split("?", 1)[0]!, remoteAddress });
    stream.once("close", () => {
      if (!this.#underWay.delete(stream) || !this.#counting) return;
      const isWhole = stream.rstCode === constants.NGHTTP2_NO_ERROR && stream.writableFinished;
      this.#requests[isWhole ? "answered" : "left"]++;
    });
  }
}
