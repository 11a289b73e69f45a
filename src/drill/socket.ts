/** The sockets of the drill's clients: plain or TLS, each side may end first, and either can be reset. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** Where a server listens. */
export interface Endpoint {
  host: string;
  port: number;
  /** Undefined: no TLS. */
  tls: { servername: string; insecure: boolean } | undefined;
}

/** The TCP socket under an encrypted one: only that can be reset. */
const transports = new WeakMap<Socket, Socket>();

/**
 * Connects, and completes the TLS handshake if there is one. Rejects with Node's error.
 *
 * @param began hears of the socket at once, so that it can be destroyed while it connects.
 * @param connected hears of the TCP connection, which the server's system has accepted: its TLS handshake may be ahead.
 */
export async function connectSocket(
  { host, port, tls }: Endpoint,
  began: (socket: Socket) => void = () => {},
  connected: (transport: Socket) => void = () => {},
): Promise<Socket> {
  // Nagle would hold a request back that stands behind a Pong.
  const transport = connect({ host, port, allowHalfOpen: true, noDelay: true });
  began(transport);
  await settled(transport, "connect");
  // Knocking at a free port, a socket may be given that very port, and meet itself (RFC 9293 §3.5, simultaneous open).
  if (transport.localPort === port && transport.localAddress === transport.remoteAddress) {
    transport.destroy();
    throw Object.assign(new Error("nobody listens there"), { code: "ECONNREFUSED" });
  }
  connected(transport);
  if (tls === undefined) return transport;
  // Node takes allowHalfOpen here; its types do not know that.
  const how = {
    socket: transport,
    // What the certificate is held against where there is no name: an IP address.
    host,
    servername: tls.servername,
    rejectUnauthorized: !tls.insecure,
    allowHalfOpen: true,
    ALPNProtocols: ["http/1.1"],
  };
  const socket = connectTls(how);
  transports.set(socket, transport);
  began(socket);
  await settled(socket, "secureConnect");
  return socket;
}

/** Waits for an event; rejects at an error, and when the socket is destroyed first. */
async function settled(socket: Socket, event: string): Promise<void> {
  const closed = once(socket, "close").then(() => {
    throw Object.assign(new Error("the connection was closed"), { code: "closed" });
  });
  closed.catch(() => {});
  await Promise.race([once(socket, event), closed]);
}

/** RST, also under TLS. */
export function resetSocket(socket: Socket): void {
  (transports.get(socket) ?? socket).resetAndDestroy();
}
