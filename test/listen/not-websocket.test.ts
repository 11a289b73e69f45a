/** Upgrades to something else than WebSocket on a caller's HTTP server: they are the caller's requests. */
import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { ignoreOtherUpgrades, takeOtherUpgrade } from "../../src/listen/not-websocket.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { eventually, gate } from "../tools/serve.js";
import { HttpPeer, listening, LONG } from "./hosts.js";
import { asking } from "./recording-owner.js";

/** Answers with what was asked. */
const tell: RequestListener = async (request, response) => {
  const body = (await request.setEncoding("latin1").toArray()).join("");
  response.end(`${request.method} ${request.url} ${body}|`);
};

/** An HTTP server on which we listen for upgrades, and how many there were. */
async function host(onRequest: RequestListener = tell, http = createHttpServer({ keepAliveTimeout: LONG })) {
  const upgraded: string[] = [];
  const letGo = ignoreOtherUpgrades(http);
  http.on("request", onRequest);
  http.on("upgrade", (request, socket, head) => {
    if (takeOtherUpgrade(http, request, socket, head)) return;
    upgraded.push(request.url!);
    socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  });
  await listening(http);
  onTestFinished(() => http.closeAllConnections());
  const { port } = http.address() as AddressInfo;
  return { http, port, upgraded, letGo };
}

function other(line: string, ...fields: string[]): string {
  const common = [
    "Host: localhost",
    "Upgrade: h2c",
    "Connection: Upgrade, HTTP2-Settings",
    "HTTP2-Settings: AAMA",
  ];
  return `${[line, ...common, ...fields].join("\r\n")}\r\n\r\n`;
}

async function answered(peer: HttpPeer, count: number): Promise<unknown[]> {
  await eventually(() => peer.text.split("|").length > count);
  return peer.answers.map(({ status, body }) => [status, body.replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/g, "")]);
}

describe("a request that asks to be upgraded to something else than WebSocket", () => {
  test("is answered by the caller's server, and so is what follows on its connection", async () => {
    const { port, upgraded } = await host();
    const peer = new HttpPeer(port);
    peer.socket.write(other("GET /one HTTP/1.1"));
    expect(await answered(peer, 1)).toEqual([[200, "GET /one |"]]);
    peer.get("/two");
    await answered(peer, 2);
    peer.socket.write(other("GET /three HTTP/1.1"));
    expect(await answered(peer, 3)).toEqual([
      [200, "GET /one |"],
      [200, "GET /two |"],
      [200, "GET /three |"],
    ]);
    peer.socket.write(`${asking("/four").join("\r\n")}\r\n\r\n`);
    await peer.closed();
    expect(upgraded).toEqual(["/four"]);
  });

  const BODIES: [how: string, fields: string[], body: string[]][] = [
    ["with a length", ["Content-Length: 5"], ["hello"]],
    ["in chunks", ["Transfer-Encoding: chunked"], ["2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"]],
    ["in segments", ["Content-Length: 5"], ["h", "el", "lo"]],
    ["that is expected to be asked for", ["Content-Length: 5", "Expect: 100-continue"], ["hel", "lo"]],
  ];

  test.for(BODIES)("has its body %s, and is followed by the next", async ([, fields, body]) => {
    const { port } = await host();
    const peer = new HttpPeer(port);
    peer.socket.setNoDelay();
    const head = other("POST /form HTTP/1.1", ...fields);
    peer.socket.write(fields.length > 1 ? head : head + body.shift()!);
    if (fields.length > 1) await eventually(() => peer.text.includes("100 Continue"));
    for (const segment of body) {
      await new Promise((resolve) => setImmediate(resolve));
      peer.socket.write(segment);
    }
    // Newer Nodes read such bodies themselves, and lose what comes in the same segment.
    await eventually(() => peer.text.includes("|"));
    peer.get("/next");
    const answers = (await answered(peer, 2)).slice(-2);
    expect(answers).toEqual([
      [200, "POST /form hello|"],
      [200, "GET /next |"],
    ]);
  });

  test("is shown with all its fields, those of its bytes included that are not ASCII", async () => {
    const seen: string[][] = [];
    const { port } = await host((request, response) => {
      seen.push(request.rawHeaders);
      response.end("|");
    });
    const peer = new HttpPeer(port);
    peer.socket.write(other("GET / HTTP/1.1", "X-Name: \u00e9", "x-name: two", "Empty:"), "latin1");
    await answered(peer, 1);
    expect(seen[0]).toEqual(
      expect.arrayContaining([
        "Upgrade",
        "h2c",
        "HTTP2-Settings",
        "AAMA",
        "X-Name",
        "\u00e9",
        "x-name",
        "two",
        "Empty",
        "",
      ]),
    );
  });

  test.for(["HTTP/1.1", "HTTP/1.0"])(
    "is none when WebSocket is one of its protocols, but in HTTP/1.0, which has no upgrades: %s",
    async (version) => {
      const { port, upgraded } = await host();
      const peer = new HttpPeer(port);
      const fields = ["Host: localhost", "Upgrade: h2c, WebSocket", "Connection: keep-alive, upgrade"];
      peer.socket.write([`GET /both ${version}`, ...fields, "", ""].join("\r\n"));
      await eventually(() => peer.text.includes("101") || peer.text.includes("|"));
      expect(upgraded).toEqual(version === "HTTP/1.1" ? ["/both"] : []);
    },
  );

  test("waits behind what was asked before, and is answered in its order", async () => {
    const slow = gate();
    const large = "x".repeat(4_000_000);
    const { port } = await host(async (request, response) => {
      if (request.url !== "/slow") {
        tell(request, response);
        return;
      }
      await slow.passed;
      response.setHeader("Content-Length", large.length + 1);
      // Whoever writes on only when there is room.
      for (let sent = 0; sent < large.length; sent += 400_000) {
        if (!response.write(large.slice(sent, sent + 400_000))) await once(response, "drain");
      }
      response.end("|");
    });
    const peer = new HttpPeer(port);
    peer.socket.pause();
    peer.socket.write(
      `GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n${other("GET /other HTTP/1.1")}GET /last HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    );
    slow.open();
    await new Promise((resolve) => setTimeout(resolve, 50));
    peer.socket.resume();
    const answers = await answered(peer, 3);
    expect(answers.map((answer) => (answer as string[])[1]!.slice(-20))).toEqual([
      `${"x".repeat(19)}|`,
      "GET /other |",
      "GET /last |",
    ]);
  });

  test("of a client that leaves meanwhile is forgotten", async () => {
    const asked = gate();
    const { http, port } = await host((request) => {
      if (request.url === "/slow") asked.open();
    });
    const accepted = once(http, "connection") as Promise<[Socket]>;
    const peer = new HttpPeer(port);
    const [socket] = await accepted;
    peer.socket.write(`GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n${other("GET /other HTTP/1.1")}`);
    await asked.passed;
    peer.socket.resetAndDestroy();
    socket.destroy();
    await once(socket, "close");
    await new Promise((resolve) => setImmediate(resolve));
    expect(await new Promise((resolve) => http.getConnections((_, count) => resolve(count)))).toBe(0);
  });

  test.runIf(hasOpenssl)("comes over TLS as well", async () => {
    const https = createHttpsServer({ ...selfSignedCertificate(), keepAliveTimeout: LONG });
    const { port } = await host(tell, https);
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    onTestFinished(() => void socket.destroy());
    socket.write(other("POST /form HTTP/1.1", "Content-Length: 5") + "hello");
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
    await eventually(() => text.includes("|"));
    expect(text).toContain("POST /form hello|");
  });

  test("is left to whoever else listens for upgrades", async () => {
    const { http, port, upgraded } = await host();
    http.on("upgrade", (request, socket) => socket.end(`HTTP/1.1 101 ${request.headers.upgrade}\r\n\r\n|`));
    const peer = new HttpPeer(port);
    peer.socket.write(other("GET /one HTTP/1.1"));
    await answered(peer, 1);
    expect(peer.text).toContain("101 h2c");
    expect(upgraded).toEqual([]);
  });

  test("is an upgrade again when we have let go of the server", async () => {
    const { http, port, letGo } = await host();
    letGo();
    http.removeAllListeners("upgrade");
    http.on("upgrade", (request, socket) => socket.end(`HTTP/1.1 101 ${request.headers.upgrade}\r\n\r\n|`));
    const peer = new HttpPeer(port);
    peer.socket.write(other("GET /one HTTP/1.1"));
    await answered(peer, 1);
    expect(peer.text).toContain("101 h2c");
  });
});
