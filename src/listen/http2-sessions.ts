/**
 * The HTTP/2 sessions of a caller's server. What goes on in them is the caller's; a server that goes down says GOAWAY to
 * each of them. Since Node 24 its `close()` does so itself.
 */
import type { Server as HttpServer } from "node:http";
import type { Http2SecureServer, ServerHttp2Session } from "node:http2";
import type { Server as NetServer, Socket } from "node:net";
import { Server as TlsServer, type TLSSocket } from "node:tls";

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
  #closing = false;

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

  destroyAll(): void {
    for (const session of this.#open) session.destroy();
  }

  letGo(): void {
    this.#server.off("session", this.#onSession);
  }

  readonly #onSession = (session: ServerHttp2Session): void => {
    this.#open.add(session);
    session.once("close", () => {
      this.#open.delete(session);
      this.#onGone();
    });
    if (this.#closing) session.close();
  };
}
