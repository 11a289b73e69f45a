/** What docs/hosts.md says of proxies, beside the scenario: what they pass on, and what they do to silence. */
import { describe, expect, onTestFinished, test } from "vitest";
import { each } from "../../src/index.js";
import { hasHaproxy, hasNginx, hasOpenssl } from "../tools/debian.js";
import { startHaproxy, startNginx, type Changes } from "../tools/proxy.js";
import { openRaw, type RawClient, type RawClientOptions, type Target } from "../tools/raw-client.js";
import { serve } from "../tools/serve.js";
import { ms } from "../tools/timing.js";
import { certificate } from "../scenario/ways/tls.js";
import { seenBy } from "../scenario/raw-peers.js";

interface Proxy {
  name: string;
  /** Starts it in front of a port. */
  start: (port: number, changes?: Changes) => Promise<Target>;
  /** How its configuration names the silence after which it cuts a WebSocket. */
  timeouts: string[];
  speaksHttp: boolean;
}

const PROXIES: Proxy[] = [
  ...(hasHaproxy ? (["tcp", "http"] as const) : []).map((mode) => ({
    name: `HAProxy in mode ${mode}`,
    start: (port: number, changes?: Changes) => startHaproxy(mode, port, changes),
    timeouts: mode === "tcp" ? ["timeout client", "timeout server"] : ["timeout tunnel"],
    speaksHttp: mode === "http",
  })),
  ...(hasNginx && hasOpenssl ? (["clear", "tls"] as const) : []).map((entrance) => ({
    name: entrance === "tls" ? "nginx that ends TLS" : "nginx",
    async start(port: number, changes?: Changes): Promise<Target> {
      const ports = await startNginx(port, certificate, changes);
      return entrance === "tls" ? { port: ports.tls, tls: true } : ports.clear;
    },
    timeouts: ["proxy_read_timeout"],
    speaksHttp: true,
  })),
];

const IDLE = ms(1_000);

/** The timeouts of `deploy/`, made short. */
function impatient({ timeouts }: Proxy): Changes {
  return timeouts.map((name) => [`${name} 60s`, `${name} ${IDLE}ms`]);
}

async function open(target: Target, options: RawClientOptions = {}): Promise<RawClient> {
  const peer = await openRaw(target, options);
  onTestFinished(() => peer.destroy());
  return peer;
}

describe.each(PROXIES)("$name", (proxy) => {
  test("cuts a WebSocket that is silent for longer than its timeout, and neither end gets a Close", async () => {
    const { server, port } = await serve(
      each((message) => message),
      { heartbeat: false },
    );
    const peer = await open(await proxy.start(port, impatient(proxy)));
    const [connection] = server.connections;
    expect(await seenBy(peer)).toEqual({
      messages: [],
      close: undefined,
      ended: "FIN",
      violation: undefined,
    });
    expect(await connection!.closed).toMatchObject({ code: 1006, wasClean: false });
  });

  test("leaves a WebSocket alone that the heartbeat keeps from being silent", async () => {
    const heartbeat = { interval: IDLE / 10, timeout: IDLE };
    const { port } = await serve(
      each((message) => message),
      { heartbeat },
    );
    const peer = await open(await proxy.start(port, impatient(proxy)));
    const began = performance.now();
    // So many Pings take longer than the proxy would wait.
    await peer.until(() => peer.pings.length >= 15);
    expect(performance.now() - began).toBeGreaterThan(IDLE);
    peer.send("still here");
    await peer.received(1);
    expect(peer.messages).toEqual(["still here"]);
  });
});

describe.each(PROXIES.filter(({ speaksHttp }) => speaksHttp))("$name", (proxy) => {
  test("tells the server which host the peer asked for, and who it is", async () => {
    const { port } = await serve((connection) => {
      const { host, "x-forwarded-for": forwardedFor } = connection.request.headers;
      connection.send(JSON.stringify({ host, forwardedFor }));
    });
    const headers = {
      Host: "example.org:8080",
      // Passes only when the server sees the same host, with its port.
      Origin: "http://example.org:8080",
      "X-Forwarded-For": "192.0.2.7",
    };
    const peer = await open(await proxy.start(port), { headers });
    await peer.received(1);
    const seen = JSON.parse(String(peer.messages[0])) as { host: string; forwardedFor: string };
    expect(seen.host).toBe("example.org:8080");
    // What the peer claims comes first, what the proxy saw comes last.
    expect(seen.forwardedFor.split(",").map((entry) => entry.trim())).toEqual(["192.0.2.7", "127.0.0.1"]);
  });
});
