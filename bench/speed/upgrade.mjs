import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { listening } from "./listening.mjs";

/**
 * What both controls share: the handshake, and sockets that are kept to be written to.
 *
 * @param {(socket: import("node:net").Socket) => void} serve
 * @param {(payload: Buffer) => Buffer} frameOf what is written for a message
 */
export async function startBare(serve, frameOf) {
  const http = createServer();
  const sockets = new Set();
  let onGone;
  // Listeners that all sockets share: a control should weigh no more than it must.
  function forget() {
    sockets.delete(this);
    if (sockets.size === 0) onGone?.();
  }
  http.on("upgrade", (request, socket) => {
    const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash("sha1").update(key).digest("base64");
    socket.setNoDelay(true);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    sockets.add(socket);
    socket.on("error", ignoreError);
    socket.on("close", forget);
    serve(socket);
  });
  await new Promise((resolve) => http.listen(listening, resolve));
  return {
    port: http.address().port,
    broadcast(message) {
      const frame = frameOf(message);
      for (const socket of sockets) socket.write(frame);
    },
    drain() {
      http.close();
      return new Promise((resolve) => {
        onGone = resolve;
        const close = Buffer.from([0x88, 2, 1012 >> 8, 1012 & 255]);
        for (const socket of sockets) socket.write(close);
      });
    },
  };
}

/** A frame of a server, in one piece. @param {Buffer} payload @param {number} opcode */
export function encode(payload, opcode = 2) {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10);
  header[0] = 0x80 | opcode;
  if (length < 126) {
    header[1] = length;
  } else if (length < 65536) {
    header[1] = 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([header, payload]);
}

function ignoreError() {}
