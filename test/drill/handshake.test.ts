/** The opening handshake, seen from the client: what it asks, and how it reads whatever comes back. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAnswer, upgradeRequest, type UpgradeTarget } from "../../src/drill/handshake.js";
import { acceptKey, readHandshake, switchingProtocols } from "../../src/wire/handshake.js";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

function target(given: Partial<UpgradeTarget> = {}): UpgradeTarget {
  const endpoint = { host: "127.0.0.1", port: 8080, tls: undefined };
  return {
    endpoint,
    host: "127.0.0.1:8080",
    path: "/chat?room=1",
    subprotocol: undefined,
    headers: [],
    ...given,
  };
}

/** The head as a server reads it. */
function asked(given: Partial<UpgradeTarget> = {}): {
  line: string;
  headers: Record<string, string>;
  names: string[];
} {
  const [line = "", ...rest] = upgradeRequest(target(given), KEY).split("\r\n");
  expect(rest.slice(-2)).toEqual(["", ""]);
  const pairs = rest
    .slice(0, -2)
    .map((header) => /^([^:]+): (.*)$/.exec(header)!.slice(1) as [string, string]);
  return { line, headers: Object.fromEntries(pairs), names: pairs.map(([name]) => name) };
}

describe("the request", () => {
  it("is one that our own server accepts", () => {
    const { line, headers } = asked({ subprotocol: "chat" });
    const [method, url, version] = line.split(" ") as [string, string, string];
    const lowered = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    expect(
      readHandshake({ method, url, httpVersion: version.slice("HTTP/".length), headers: lowered }),
    ).toEqual({
      key: KEY,
      protocols: ["chat"],
    });
    expect(url).toBe("/chat?room=1");
  });

  it("says each thing once, and no subprotocol unless it is asked for", () => {
    const { names } = asked();
    expect(names).toEqual(["Host", "Upgrade", "Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key"]);
  });

  it("has the user's headers, which stand in the place of ours whatever their case", () => {
    const { headers, names } = asked({
      subprotocol: "chat",
      headers: [
        ["host", "example.org"],
        ["Authorization", "Bearer x"],
        ["sec-websocket-PROTOCOL", "other"],
      ],
    });
    expect(headers).toMatchObject({
      host: "example.org",
      Authorization: "Bearer x",
      "sec-websocket-PROTOCOL": "other",
    });
    expect(names.filter((name) => /^host$|protocol/i.test(name))).toEqual(["host", "sec-websocket-PROTOCOL"]);
  });
});

const rest = Buffer.from([0x81, 0x01, 0x61]);

function read(answer: string | Buffer, given: Partial<UpgradeTarget> = {}) {
  return readAnswer(Buffer.from(answer as string), KEY, target(given));
}

function head(lines: readonly string[]): string {
  return [...lines, "", ""].join("\r\n");
}

const accept = `Sec-WebSocket-Accept: ${acceptKey(KEY)}`;
const switching = "HTTP/1.1 101 Switching Protocols";

describe("an answer", () => {
  it("that our own server gives opens the connection; what comes behind it is kept", () => {
    const answer = Buffer.concat([Buffer.from(switchingProtocols(KEY, undefined)), rest]);
    expect(read(answer)).toEqual({ refused: undefined, isHttp: true, rest });
  });

  it("is not complete until its head is, wherever that is cut", () => {
    const whole = Buffer.from(switchingProtocols(KEY, "chat"));
    for (let length = 0; length < whole.length; length++) {
      expect(read(whole.subarray(0, length), { subprotocol: "chat" })).toBeUndefined();
    }
    expect(read(whole, { subprotocol: "chat" })?.refused).toBeUndefined();
  });

  it("is read whatever its spaces and cases are", () => {
    const answer = head(["HTTP/1.0 101", `SEC-WEBSOCKET-ACCEPT:   ${acceptKey(KEY)}  `, "no colon"]);
    expect(read(answer)).toMatchObject({ refused: undefined });
  });

  it("with another status is a refusal in words of HTTP", () => {
    expect(read(head(["HTTP/1.1 503 Service Unavailable", "Retry-After: 5"]))).toEqual({
      refused: "HTTP 503",
      isHttp: true,
      rest: Buffer.alloc(0),
    });
    expect(read(head(["HTTP/1.1 200 OK", accept]))).toMatchObject({ refused: "HTTP 200", isHttp: true });
  });

  it.each<[string, string]>([
    ["nothing but a 101", head([switching])],
    ["the accept of another key", head([switching, `Sec-WebSocket-Accept: ${acceptKey("AAAA")}`])],
  ])("with %s is none that a client may take", (_, answer) => {
    expect(read(answer)).toMatchObject({
      refused: "a 101 without the right Sec-WebSocket-Accept",
      isHttp: false,
    });
  });

  it("without the subprotocol, or with another one, is none either", () => {
    const given = { subprotocol: "chat" };
    const refused = { refused: "a 101 without the subprotocol 'chat'", isHttp: false };
    expect(read(switchingProtocols(KEY, undefined), given)).toMatchObject(refused);
    expect(read(switchingProtocols(KEY, "other"), given)).toMatchObject(refused);
    expect(read(switchingProtocols(KEY, "chat"), given)).toMatchObject({ refused: undefined });
  });

  it("that is not HTTP is told from its first byte on", () => {
    const notHttp = { refused: "an answer that is not HTTP", isHttp: false };
    expect(read("S")).toMatchObject(notHttp);
    expect(read("HTTq")).toMatchObject(notHttp);
    expect(read("SSH-2.0-OpenSSH\r\n")).toMatchObject(notHttp);
    expect(read(Buffer.from([0x15, 0x03, 0x01]))).toMatchObject(notHttp);
    expect(read("HTTP/2 503\r\n\r\n")).toMatchObject(notHttp);
    expect(read("HTTP/1.1 OK\r\n\r\n")).toMatchObject(notHttp);
  });

  it("with a head of over 64 KiB that does not end is given up", () => {
    const endless = (length: number) => read(`${switching}\r\nX: `.padEnd(length, "x"));
    expect(endless(64 * 1024)).toBeUndefined();
    expect(endless(64 * 1024 + 1)).toMatchObject({ refused: "an HTTP head of over 64 KiB", isHttp: false });
  });

  it("never throws, and never opens without the right accept, whatever the bytes", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    const beginning = fc.constantFrom("", "HTTP/1.1 101\r\n", `${switching}\r\n`, "HTTP/");
    fc.assert(
      fc.property(beginning, bytes, (start, more) => {
        const answer = read(Buffer.concat([Buffer.from(start), more, Buffer.from("\r\n\r\n")]));
        expect(answer?.refused).not.toBeUndefined();
      }),
      { numRuns: 1_000 },
    );
  });
});
