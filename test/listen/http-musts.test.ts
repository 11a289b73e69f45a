/** What an upgrade may carry over HTTP, played against us, ws and plain Node; and the table of it that the docs show. */
import { readFileSync } from "node:fs";
import type { Server as HttpServer } from "node:http";
import { describe, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { eventually, serve } from "../tools/serve.js";
import { ms, work } from "../tools/timing.js";
import { echo, HttpPeer, httpServer } from "./hosts.js";
import { musts, testOf, type Must, type Outcome } from "./http-musts.js";

const plain = (): Promise<{ http: HttpServer; port: number }> =>
  httpServer((_, response) => response.end("plain"));

/** Each makes a server, and returns its port. */
const SERVERS = {
  own: async () => (await serve(async (connection) => void (await connection.closed))).port,
  host: async () => {
    const { http, port } = await plain();
    await echo("ours").listen(http);
    return port;
  },
  ws: async () => {
    const { http, port } = await plain();
    new WebSocketServer({ server: http }).on("connection", (client) => client.on("error", () => {}));
    return port;
  },
  node: async () => (await plain()).port,
};

/** Plays a request: the statuses of the answers, a Close frame's code behind a 101, and whether the connection ended. */
async function play(port: number, { request }: Must): Promise<{ outcome: Outcome; text: string }> {
  const peer = new HttpPeer(port);
  peer.socket.write(request, "latin1");
  const statuses = (): string[] =>
    [...peer.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status!);
  await eventually(() => statuses().some((status) => status !== "100"));
  // That a connection stays can only be seen by waiting.
  await Promise.race([peer.closed(), work(ms(100))]);
  const seen = statuses();
  if (seen.includes("101")) {
    const behind = Buffer.from(peer.text.slice(peer.text.lastIndexOf("\r\n\r\n") + 4), "latin1");
    if (behind.length >= 4 && behind[0] === 0x88) seen.push(String(behind.readUInt16BE(2)));
  } else if (peer.ended === "FIN") {
    seen.push("end");
  }
  return { outcome: seen.join(", "), text: peer.text };
}

function fieldOf(text: string, name: string): string {
  const head = text.slice(text.lastIndexOf("HTTP/1.1 "));
  return new RegExp(`\r\n${name}: (.*)\r\n`, "i").exec(head)?.[1] ?? "";
}

describe.each(musts.map((must) => [testOf(must), must] as const))("%s", (_, must) => {
  test.for(["own", "host"] as const)("on %s", async (which) => {
    const { outcome, text } = await play(await SERVERS[which](), must);
    expect(outcome).toBe(must[which]);
    // What the caller's own requests get is the caller's to say.
    if (which === "host" && !text.includes("Sec-WebSocket") && text.includes("plain")) return;
    for (const [name, value] of Object.entries(must.says ?? {})) expect(fieldOf(text, name)).toMatch(value);
  });

  test.runIf(process.version.startsWith("v20."))("what ws and Node do is as the page says", async () => {
    expect((await play(await SERVERS.ws(), must)).outcome).toBe(must.ws);
    expect((await play(await SERVERS.node(), must)).outcome).toBe(must.node);
  });
});

describe("docs/conformance.md", () => {
  const page = readFileSync(new URL("../../docs/conformance.md", import.meta.url), "utf8");
  const section = /<!-- http -->[^]*<!-- \/http -->/.exec(page)?.[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| RFC "));

  test("lists exactly what is played, in its order", () => {
    expect(rows).toEqual(musts.map(rowOf));
  });

  test("has no row twice", () => {
    expect(new Set(musts.map(testOf)).size).toBe(musts.length);
  });
});

function rowOf(must: Must): string {
  const { section, requirement, sent, own, host, ws, node } = must;
  return `| ${[section, requirement, sent, own, host, ws, node].join(" | ")} |`;
}
