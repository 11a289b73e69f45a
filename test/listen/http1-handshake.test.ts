import type { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { Http1Handshake } from "../../src/listen/http1-handshake.js";
import { NOTHING_HERE, Refusals } from "../../src/listen/refusal.js";
import type { MemorySocket } from "../tools/memory-socket.js";
import { HANDSHAKE, parsed } from "./memory-request.js";

interface Shaken {
  handshake: Http1Handshake;
  socket: MemorySocket;
  refusals: Refusals;
  stream: Duplex;
}

async function shake(lines: readonly string[], behind?: string): Promise<Shaken> {
  const { request, stream, socket, head } = await parsed(lines, behind);
  const refusals = new Refusals(() => {});
  return { handshake: new Http1Handshake(request, stream, head, 123, refusals), socket, refusals, stream };
}

function answer(socket: MemorySocket): string[] {
  return Buffer.concat(socket.writes.flat()).toString().split("\r\n");
}

describe("an opening handshake over HTTP/1.1", () => {
  test("has what was asked, what came behind it, and since when it is under way", async () => {
    const { handshake, stream } = await shake(HANDSHAKE, "early");
    expect(handshake.head).toMatchObject({ method: "GET", url: "/chat?room=1", httpVersion: "1.1" });
    expect([String(handshake.early), handshake.acceptedAt, handshake.stream]).toEqual(["early", 123, stream]);
  });

  test("has the address of the other end, or an empty string where there is none", async () => {
    const { handshake, stream } = await shake(HANDSHAKE);
    expect(handshake.remoteAddress).toBe("");
    Object.assign(stream, { remoteAddress: "192.0.2.7" });
    expect(handshake.remoteAddress).toBe("192.0.2.7");
  });

  test("has what TLS knows of the other end, which is nothing where there is no TLS", async () => {
    const { handshake, stream } = await shake(HANDSHAKE);
    expect(handshake.tls).toBeUndefined();
    Object.assign(stream, { encrypted: true, authorized: false, getPeerX509Certificate: () => "theirs" });
    expect(handshake.tls).toEqual({ certificate: "theirs", authorized: false });
  });

  test("is accepted with the key's answer of RFC 6455 §1.3, and what was agreed on", async () => {
    const { handshake, socket, stream } = await shake([
      ...HANDSHAKE,
      "Sec-WebSocket-Protocol: chat, superchat",
    ]);
    const noDelay: boolean[] = [];
    Object.assign(stream, { setNoDelay: (on: boolean) => noDelay.push(on) });
    expect(handshake.read()).toMatchObject({ protocols: ["chat", "superchat"] });
    handshake.accept("chat", "permessage-deflate");
    expect(answer(socket)).toEqual([
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      "Sec-WebSocket-Protocol: chat",
      "Sec-WebSocket-Extensions: permessage-deflate",
      "",
      "",
    ]);
    // Small frames must not wait for Nagle.
    expect(noDelay).toEqual([true]);
  });

  test("says why it cannot be accepted, and answers only when it is told to", async () => {
    const without = HANDSHAKE.filter((line) => !line.startsWith("Sec-WebSocket-Key"));
    const { handshake, socket, refusals } = await shake(without);
    expect(handshake.read()).toMatchObject({ status: 400 });
    expect(socket.writes).toEqual([]);
    handshake.refuse(NOTHING_HERE);
    await socket.sentEnd();
    expect(answer(socket)[0]).toBe("HTTP/1.1 404 Not Found");
    expect(refusals.open).toBe(1);
    socket.destroy();
  });
});
