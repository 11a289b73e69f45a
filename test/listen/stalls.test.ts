/** The loop stands for a while: whoever has sent his handshake in time is let in, though his timer comes first. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import * as net from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, test } from "vitest";
import type { ListenTarget } from "../../src/index.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { connectRaw } from "../tools/raw-client.js";
import { ms } from "../tools/timing.js";
import { echo, listening, LOCAL } from "./hosts.js";

/** Nothing else happens for so long. */
function stand(duration: number): void {
  const until = performance.now() + duration;
  while (performance.now() < until);
}

const PLACES: [string, () => Promise<{ target: ListenTarget; tls?: true }>][] = [
  ["a port", () => Promise.resolve({ target: LOCAL })],
  ["a net.Server", async () => ({ target: await listening(net.createServer()) })],
  ...((hasOpenssl
    ? [
        [
          "a tls.Server",
          async () => ({ target: await listening(createTlsServer(selfSignedCertificate())), tls: true }),
        ],
      ]
    : []) as typeof PLACES),
];

/** Resolves when a server of this process has accepted somebody. */
function accepted(): Promise<void> {
  return new Promise((resolve) => {
    const listener = (): void => {
      unsubscribe("net.server.socket", listener);
      resolve();
    };
    subscribe("net.server.socket", listener);
  });
}

describe("a handshake that lies in the kernel while the loop stands longer than handshakeTimeout", () => {
  test.for(PLACES)("is completed: %s", async ([, make]) => {
    const limit = ms(500);
    const { target, tls } = await make();
    const server = echo("ours", { handshakeTimeout: limit });
    const { port } = await server.listen(target as net.Server);
    const isAccepted = tls ? once(target as net.Server, "secureConnection") : accepted();
    const client = await connectRaw(tls ? { port, tls } : port);
    await isAccepted;
    client.sendHandshake();
    stand(2 * limit);
    await client.opened();
    client.send("hello");
    await client.received(1);
    expect(client.messages).toEqual(["ours: hello"]);
  });
});
