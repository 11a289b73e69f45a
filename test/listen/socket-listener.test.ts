/** A listening socket whose connections are all ours: who comes in is in memory, unless the name of a socket matters. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, Server, type ListenOptions } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { SocketListener } from "../../src/listen/socket-listener.js";
import { scratch } from "../tools/scratch.js";
import { answer, asking, come, RecordingOwner } from "./recording-owner.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Scene {
  listener: SocketListener;
  owner: RecordingOwner;
  server: Server;
}

function scene(server: Server = createServer(), options?: ListenOptions, handshakeTimeout = 10_000): Scene {
  const owner = new RecordingOwner();
  const listener = new SocketListener(server, options, owner, handshakeTimeout);
  onTestFinished(async () => {
    owner.refusals.destroyAll();
    server.close();
    await listener.destroy();
  });
  return { listener, owner, server };
}

describe("who comes in", () => {
  test("is a guest until he asks; then his handshake is the owner's, with the time since he came", async () => {
    const { listener, owner, server } = scene();
    const before = performance.now();
    const socket = come(server);
    const after = performance.now();
    expect(listener.guests).toBe(1);
    await turn();
    socket.receive(`${asking("/chat").join("\r\n")}\r\n\r\nearly`);
    await turn();
    expect(listener.guests).toBe(0);
    const [handshake] = owner.upgrades;
    expect([handshake!.head.url, String(handshake!.early), owner.upgrades.length]).toEqual([
      "/chat",
      "early",
      1,
    ]);
    expect(handshake!.acceptedAt).toBeGreaterThanOrEqual(before);
    expect(handshake!.acceptedAt).toBeLessThanOrEqual(after);
    expect(socket.allowHalfOpen).toBe(true);
  });

  test("and leaves again without a word is told as gone", async () => {
    const { listener, owner, server } = scene();
    come(server).destroy();
    await turn();
    expect([listener.guests, owner.gone]).toEqual([0, 1]);
  });

  test.for([
    ["a plain request", ["GET / HTTP/1.1", "Host: localhost"], "426"],
    ["no GET", ["POST / HTTP/1.1", "Host: localhost", "Content-Length: 0"], "405"],
    ["an upgrade without 'Connection'", asking("/").filter((line) => !line.startsWith("Connection")), "400"],
    ["what is no HTTP", ["\x16\x03\x01"], "400"],
    ["a head that is too large", ["GET / HTTP/1.1", `X-Large: ${"x".repeat(20_000)}`], "431"],
  ] as const)("with %s is refused by an HTTP answer", async ([, lines, status]) => {
    const { owner, server } = scene();
    const socket = come(server, lines);
    await socket.sentEnd();
    expect(answer(socket).split(" ")[1]).toBe(status);
    expect(owner.upgrades).toEqual([]);
  });

  test("and says nothing is refused when his time is over", async () => {
    const { owner, server } = scene(createServer(), undefined, 1);
    const socket = come(server);
    await socket.sentEnd();
    expect(answer(socket)).toMatch(/^HTTP\/1\.1 408 /);
    expect(owner.refusals.open).toBe(1);
  });

  test("through TLS is a guest from the plain socket on, and reads only when it is encrypted", async () => {
    const server = createTlsServer();
    // The server of TLS itself must not take the bytes: they are none of TLS.
    server.removeAllListeners("connection");
    const { listener, owner } = scene(server);
    const plain = come(server);
    expect([listener.guests, owner.upgrades.length]).toEqual([1, 0]);
    const encrypted = come(createServer());
    server.emit("secureConnection", encrypted);
    expect(listener.guests).toBe(1);
    encrypted.receive(`${asking("/").join("\r\n")}\r\n\r\n`);
    await turn();
    expect([owner.upgrades.length, listener.guests, plain.destroyed]).toEqual([1, 0, false]);
    server.emit("tlsClientError", Object.assign(new Error("failed"), { code: "ERR_SSL_NO_SHARED_CIPHER" }));
    expect(owner.errors).toMatchObject([{ code: "LASTCALL_TLS_HANDSHAKE" }]);
  });
});

describe("closing the door", () => {
  test("refuses who is silent when it is told to, and destroys who is still there in the end", async () => {
    const { listener, server, owner } = scene();
    const [silent, asked] = [come(server), come(server, asking("/"))];
    await turn();
    listener.refuseSilent();
    await silent.sentEnd();
    expect([answer(silent).split(" ")[1], answer(asked)]).toEqual(["503", ""]);
    const late = come(server);
    const destroyed = listener.destroy();
    expect([late.destroyed, asked.destroyed, owner.upgrades.length]).toEqual([true, false, 1]);
    await destroyed;
  });

  test("takes all that is ours off a caller's server", async () => {
    const server = createTlsServer();
    const events = ["close", "connection", "secureConnection", "tlsClientError", "error"];
    const counts = (): number[] => events.map((event) => server.listenerCount(event));
    const before = counts();
    const { listener } = scene(server);
    expect(counts()).not.toEqual(before);
    server.listen(0, "127.0.0.1");
    await listener.open();
    await listener.destroy();
    expect([counts(), listener.address()]).toEqual([before, null]);
  });

  test("stops once, as soon as nobody comes any more", async () => {
    const { listener } = scene(new Server(), { port: 0, host: "127.0.0.1" });
    await listener.open();
    await listener.stopAccepting(1_000);
    expect(listener.address()).toBe(null);
    listener.stopAcceptingNow();
  });
});

describe("a socket of ours", () => {
  test("tells the owner when it cannot accept, and lives on", async () => {
    const { listener, owner, server } = scene(new Server(), { port: 0, host: "127.0.0.1" });
    await listener.open();
    const error = Object.assign(new Error("accept EMFILE"), { code: "EMFILE" });
    server.emit("error", error);
    expect(owner.errors).toEqual([error]);
    expect(listener.address()).not.toBe(null);
  });

  test("with a name has that as its address, and the name goes with the door", async () => {
    const path = join(scratch(), "socket");
    const { listener } = scene(new Server(), { path });
    expect([await listener.open(), listener.address(), existsSync(path)]).toEqual([path, path, true]);
    await listener.stopAccepting(1_000);
    expect([listener.address(), existsSync(path)]).toEqual([null, false]);
  });

  test("whose name is taken listens nowhere", async () => {
    const path = join(scratch(), "socket");
    mkdirSync(path);
    const { listener, server } = scene(new Server(), { path });
    await expect(listener.open()).rejects.toMatchObject({ code: "EADDRINUSE", address: path });
    expect(server.listening).toBe(false);
  });

  test("whose name cannot be removed closes all the same, and tells why", async () => {
    const folder = join(scratch(), "inner");
    mkdirSync(folder);
    const { listener, owner, server } = scene(new Server(), { path: join(folder, "socket") });
    await listener.open();
    rmSync(folder, { recursive: true });
    // What was a folder is a file now: looking at the socket's fails.
    writeFileSync(folder, "");
    listener.stopAcceptingNow();
    expect(server.listening).toBe(false);
    expect(owner.errors).toMatchObject([{ code: "ENOTDIR" }]);
  });
});
