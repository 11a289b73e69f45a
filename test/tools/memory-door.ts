/** A server whose sockets are in memory: a chunk is what the test says, and a write is what the server does. */
import { createServer as createNetServer } from "node:net";
import { expect, onTestFinished } from "vitest";
import { createServer, type Handler, type Server, type ServerOptions } from "../../src/index.js";
import { MemorySocket } from "./memory-socket.js";

const HANDSHAKE = [
  "GET / HTTP/1.1",
  "Host: localhost",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "\r\n",
].join("\r\n");

export interface Door {
  server: Server;
  /** Lets a socket in that has sent its handshake. The answer is not waited for. */
  enter: () => MemorySocket;
  /** The same, when it was answered; its writes are those that come behind that. */
  open: () => Promise<MemorySocket>;
}

/** Such a server. It is closed after the test. */
export async function door(handler: Handler, options?: ServerOptions): Promise<Door> {
  const listener = createNetServer();
  const server = createServer(options, handler);
  listener.listen(0, "127.0.0.1");
  await server.listen(listener);
  const sockets: MemorySocket[] = [];
  onTestFinished(async () => {
    // Nobody is at their other end to be told.
    for (const socket of sockets) socket.destroy();
    await server.close();
  });
  const enter = (): MemorySocket => {
    const socket = new MemorySocket();
    sockets.push(socket);
    listener.emit("connection", socket);
    socket.receive(HANDSHAKE);
    return socket;
  };
  const open = async (): Promise<MemorySocket> => {
    const socket = enter();
    await socket.written(1);
    expect(String(socket.writes[0])).toMatch(/^HTTP\/1\.1 101 /);
    forget(socket);
    return socket;
  };
  return { server, enter, open };
}

/** What was written until now counts no more. */
export function forget(socket: MemorySocket): void {
  socket.writes.length = 0;
  socket.corks = 0;
}
