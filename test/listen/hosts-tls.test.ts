/** TLS on a caller's server: its handshake has a limit, is waited for, and ends with the server. */
import { once } from "node:events";
import { createSecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import * as net from "node:net";
import { join } from "node:path";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Server, ServerOptions } from "../../src/index.js";
import { selfSignedCertificate, type Certificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { RawClient } from "../tools/raw-client.js";
import { scratch } from "../tools/scratch.js";
import { ms } from "../tools/timing.js";
import { echo, LOCAL } from "./hosts.js";

/** What a TLS client sends first: the beginning of a ClientHello, of which the rest never comes. */
const HALF_A_HELLO = Buffer.from("16030100", "hex");

const KINDS = [
  ["tls.Server", createTlsServer],
  ["https.Server", createHttpsServer],
  ["http2 with allowHTTP1", (identity: Certificate) => createSecureServer({ ...identity, allowHTTP1: true })],
] as const;
const PLACES = [
  ["a port", (): net.ListenOptions => LOCAL],
  ["a Unix socket", (): net.ListenOptions => ({ path: join(scratch(), "s") })],
] as const;
const CASES = KINDS.flatMap(([kind, make]) =>
  PLACES.map(([place, where]) => [`${kind} on ${place}`, make, where] as const),
);

interface Scene {
  server: Server;
  theirs: net.Server;
  /** The server's ends, plain. */
  accepted: net.Socket[];
  connect: () => net.Socket;
}

let identity: Certificate | undefined;

async function scene(
  make: (identity: Certificate) => net.Server,
  where: () => net.ListenOptions,
  options: ServerOptions = {},
): Promise<Scene> {
  const theirs = make((identity ??= selfSignedCertificate()));
  onTestFinished(() => void theirs.close());
  const accepted: net.Socket[] = [];
  theirs.on("connection", (socket) => accepted.push(socket));
  theirs.listen(where());
  await once(theirs, "listening");
  const server = echo("ours", options);
  await server.listen(theirs);
  const address = theirs.address()!;
  const connect = (): net.Socket => {
    const socket = net.connect(typeof address === "string" ? { path: address } : { port: address.port });
    socket.on("error", () => {});
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  return { server, theirs, accepted, connect };
}

/** Resolves when the socket is closed, be it by a reset. */
function closed(socket: net.Socket): Promise<unknown> {
  return socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once("close", resolve));
}

/** Somebody who is accepted, having sent this much. */
async function come({ theirs, connect }: Scene, sent?: Buffer): Promise<net.Socket> {
  const accepted = once(theirs, "connection");
  const socket = connect();
  socket.resume();
  if (sent !== undefined) socket.write(sent);
  await accepted;
  return socket;
}

function encrypt(socket: net.Socket): TLSSocket {
  const encrypted = connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
  encrypted.on("error", () => {});
  return encrypted;
}

/** A WebSocket client on a plain socket that has come in. */
async function open(socket: net.Socket): Promise<RawClient> {
  const encrypted = encrypt(socket);
  await once(encrypted, "secureConnect");
  const client = new RawClient(encrypted, {});
  client.sendHandshake();
  await client.opened();
  return client;
}

describe.skipIf(!hasOpenssl)("a TLS handshake", () => {
  test.for(CASES)("that takes longer than handshakeTimeout is ended: %s", async ([, make, where]) => {
    const limit = ms(1_000);
    const it = await scene(make, where, { handshakeTimeout: limit });
    const client = await open(it.connect());
    const late = [await come(it), await come(it, HALF_A_HELLO), await come(it)];
    // Node's own limit is two minutes: the test's comes first.
    await Promise.all(late.map(closed));
    // Whoever is in is no business of that limit.
    client.send("hello");
    await client.received(1);
    expect(client.messages).toEqual(["ours: hello"]);
  });

  test.for(CASES)(
    "that begins before the shutdown is completed, whoever else leaves: %s",
    async ([, make, where]) => {
      const it = await scene(make, where);
      const leaves = await come(it, HALF_A_HELLO);
      const stays = await come(it);
      const shutdown = it.server.shutdown();
      const gone = closed(it.accepted[0]!);
      leaves.destroy();
      await gone;
      const client = await open(stays);
      expect((await shutdown).connections).toMatchObject({ total: 1, closed: 1 });
      expect(client.close).toEqual({ code: 1012, reason: "service restart" });
    },
  );

  test.for(CASES)("that never goes on does not outlive the server: %s", async ([, make, where]) => {
    for (const stop of ["shutdown", "close"] as const) {
      const it = await scene(make, where, { drain: { handshakeGrace: ms(100) } });
      const silent = [await come(it), await come(it, HALF_A_HELLO), await come(it)];
      await it.server[stop]();
      expect(it.accepted.map(({ destroyed }) => destroyed)).toEqual([true, true, true]);
      await Promise.all(silent.map(closed));
    }
  });
});
