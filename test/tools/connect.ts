/** A client's socket, plain or encrypted, on which either side may end first: the drill's, and Unix sockets. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connectSocket as connectTo } from "../../src/drill/socket.js";

export { resetSocket } from "../../src/drill/socket.js";

/** A port on 127.0.0.1, with TLS or without, or the path of a Unix socket. */
export type Target = number | string | { port: number; tls: true };

/** Connects, and completes the TLS handshake if there is one. The tests' certificate is signed by itself. */
export async function connectSocket(target: Target): Promise<Socket> {
  if (typeof target === "string") {
    const socket = connect({ path: target, allowHalfOpen: true });
    await once(socket, "connect");
    return socket;
  }
  const [port, tls] =
    typeof target === "number" ? [target] : [target.port, { servername: "", insecure: true }];
  return connectTo({ host: "127.0.0.1", port, tls });
}
