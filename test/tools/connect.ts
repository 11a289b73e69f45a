/** A client's socket, plain or encrypted, on which either side may end first. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** A port on 127.0.0.1, with TLS or without, or the path of a Unix socket. */
export type Target = number | string | { port: number; tls: true };

/** The TCP socket under an encrypted one: only that can be reset. */
const transports = new WeakMap<Socket, Socket>();

/** Connects, and completes the TLS handshake if there is one. */
export async function connectSocket(target: Target): Promise<Socket> {
  if (typeof target !== "object") {
    const where = typeof target === "number" ? { port: target, host: "127.0.0.1" } : { path: target };
    // Nagle would hold a request back that stands behind a Pong.
    const socket = connect({ ...where, allowHalfOpen: true, noDelay: true });
    await once(socket, "connect");
    return socket;
  }
  const transport = await connectSocket(target.port);
  // The tests' certificate is signed by itself. Node takes allowHalfOpen here; its types do not know that.
  const how = { socket: transport, rejectUnauthorized: false, allowHalfOpen: true };
  const socket = connectTls(how);
  transports.set(socket, transport);
  await once(socket, "secureConnect");
  return socket;
}

/** RST, also under TLS. */
export function resetSocket(socket: Socket): void {
  (transports.get(socket) ?? socket).resetAndDestroy();
}
