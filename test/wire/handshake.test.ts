import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  acceptKey,
  hostOf,
  isProtocolName,
  isSameHost,
  membersOf,
  normalizeOrigin,
  pathOf,
  readHandshake,
  switchingProtocols,
  type RequestHead,
} from "../../src/wire/handshake.js";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

function request(headers: RequestHead["headers"] = {}, head: Partial<RequestHead> = {}): RequestHead {
  return {
    method: "GET",
    url: "/chat",
    httpVersion: "1.1",
    ...head,
    headers: {
      host: "server.example.com",
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-key": KEY,
      "sec-websocket-version": "13",
      ...headers,
    },
  };
}

describe("reading a handshake", () => {
  it("accepts the RFC's own example", () => {
    const headers = { "sec-websocket-protocol": "chat, superchat", origin: "http://example.com" };
    expect(readHandshake(request(headers))).toEqual({ key: KEY, protocols: ["chat", "superchat"] });
  });

  it("accepts a request that offers no subprotocol", () => {
    expect(readHandshake(request())).toEqual({ key: KEY, protocols: [] });
  });

  for (const [what, headers] of [
    ["Upgrade in any case", { upgrade: "WebSocket" }],
    ["Upgrade among others", { upgrade: "h2c, websocket" }],
    ["Connection in any case among others, as Firefox sends it", { connection: "keep-alive, Upgrade" }],
    ["Connection without spaces", { connection: "keep-alive,upgrade" }],
    ["Upgrade with empty elements", { upgrade: ",websocket, ," }],
    ["Connection with empty elements", { connection: ", ,Upgrade,\t," }],
  ] as const) {
    it(`accepts ${what}`, () => {
      expect(readHandshake(request(headers))).toEqual({ key: KEY, protocols: [] });
    });
  }

  for (const method of ["POST", "HEAD", "OPTIONS", "get"]) {
    it(`refuses ${method} with 405 and names what is allowed`, () => {
      const refusal = readHandshake(request({}, { method }));
      expect(refusal).toMatchObject({ status: 405, headers: { Allow: "GET" } });
      expect(refusal).toHaveProperty("message", expect.stringContaining(method));
    });
  }

  for (const upgrade of [undefined, "", "h2c", "websockets", "websocket2", "h2c, tls/1.0"]) {
    it(`answers a request that upgrades to ${JSON.stringify(upgrade)} with 426 and what to upgrade to`, () => {
      expect(readHandshake(request({ upgrade }))).toMatchObject({
        status: 426,
        headers: { Upgrade: "websocket", "Sec-WebSocket-Version": "13" },
      });
    });
  }

  for (const version of [undefined, "", "8", "12", "14", "013", "13, 8"]) {
    it(`answers the version ${JSON.stringify(version)} with 426 and the version spoken here`, () => {
      const refusal = readHandshake(request({ "sec-websocket-version": version }));
      expect(refusal).toMatchObject({
        status: 426,
        headers: { "Sec-WebSocket-Version": "13", Upgrade: "websocket" },
      });
      expect(refusal).toHaveProperty("message", expect.stringContaining(version ?? "missing"));
    });
  }

  it("ignores the Upgrade of HTTP/1.0: it answers with 426 and what to upgrade to", () => {
    expect(readHandshake(request({}, { httpVersion: "1.0" }))).toMatchObject({
      status: 426,
      headers: { Upgrade: "websocket" },
    });
  });

  for (const host of ["a b", "a, a", "a/b", "user@a", "a:b", "[::1", "a:1:2", "", "ä"]) {
    it(`refuses the host '${host}' with 400, whatever else is asked`, () => {
      for (const other of [{}, { upgrade: "h2c" }, { connection: "keep-alive" }]) {
        expect(readHandshake(request({ host, ...other }))).toMatchObject({ status: 400, headers: {} });
      }
      expect(readHandshake(request({ host }, { method: "POST" }))).toMatchObject({ status: 400 });
    });
  }

  for (const host of [
    "a",
    "a:80",
    "a:",
    "127.0.0.1:8080",
    "[::1]:80",
    "[fe80::1%25eth0]",
    "a_b-c.d~",
    "%61",
  ]) {
    it(`accepts the host '${host}'`, () => {
      expect(readHandshake(request({ host }))).toHaveProperty("key");
    });
  }

  for (const url of ["*", "", "chat", "/chat#top", "http:///chat", "http://user@host/chat", "http://:80/"]) {
    it(`refuses the target '${url}' with 400`, () => {
      expect(readHandshake(request({}, { url }))).toMatchObject({ status: 400, headers: {} });
    });
  }

  for (const body of [
    { "content-length": "1" },
    { "content-length": "00010" },
    { "content-length": "" },
    { "transfer-encoding": "chunked" },
    { "transfer-encoding": "", "content-length": "0" },
  ]) {
    it(`refuses a body with 400: ${JSON.stringify(body)}`, () => {
      expect(readHandshake(request(body))).toMatchObject({ status: 400, headers: {} });
    });
  }

  it("accepts a length of zero, which is no body", () => {
    expect(readHandshake(request({ "content-length": "0" }))).toHaveProperty("key");
  });

  for (const httpVersion of ["0.9", "2.0"]) {
    it(`refuses HTTP/${httpVersion} with 400`, () => {
      expect(readHandshake(request({}, { httpVersion }))).toMatchObject({ status: 400, headers: {} });
    });
  }

  for (const [what, headers] of [
    ["no Connection header", { connection: undefined }],
    ["a Connection header without 'upgrade'", { connection: "keep-alive, upgraded" }],
    ["no Host header", { host: undefined }],
    ["an empty Host header", { host: "" }],
    ["no key", { "sec-websocket-key": undefined }],
    ["an empty key", { "sec-websocket-key": "" }],
    ["a key of 15 bytes", { "sec-websocket-key": Buffer.alloc(15).toString("base64") }],
    ["a key of 17 bytes", { "sec-websocket-key": Buffer.alloc(17).toString("base64") }],
    ["a key with something behind it", { "sec-websocket-key": `${KEY}x` }],
    ["a key with something before it", { "sec-websocket-key": `x${KEY}` }],
    ["a key with bits that no byte uses", { "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAB==" }],
    ["two keys", { "sec-websocket-key": `${KEY}, ${KEY}` }],
    ["an empty subprotocol header", { "sec-websocket-protocol": "" }],
    ["a subprotocol header of nothing but commas", { "sec-websocket-protocol": " , ,, " }],
    ["a subprotocol in quotes", { "sec-websocket-protocol": '"chat"' }],
    ["a subprotocol offered twice among empty ones", { "sec-websocket-protocol": "chat,,chat" }],
    ["a subprotocol with a space", { "sec-websocket-protocol": "super chat" }],
    ["a subprotocol that could end the header", { "sec-websocket-protocol": "chat\r\nX: y" }],
    ["a subprotocol offered twice", { "sec-websocket-protocol": "chat, superchat, chat" }],
  ] as const) {
    it(`refuses ${what} with 400 and a sentence`, () => {
      const refusal = readHandshake(request(headers));
      expect(refusal).toMatchObject({ status: 400, message: expect.stringMatching(/^[A-Z].*\.$/) });
    });
  }

  it("accepts every key of 16 bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const key = Buffer.from(bytes).toString("base64");
        expect(readHandshake(request({ "sec-websocket-key": key }))).toEqual({ key, protocols: [] });
      }),
    );
  });

  it("gives the offered subprotocols in the client's order, from one header or from several", () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(names, fc.boolean(), (protocols, several) => {
        const header = protocols.join(several ? ", " : " , ");
        expect(readHandshake(request({ "sec-websocket-protocol": header }))).toEqual({ key: KEY, protocols });
      }),
    );
  });

  for (const header of [
    "chat,,superchat",
    "chat, superchat,",
    ", chat ,\tsuperchat",
    ",,chat,,,superchat,,",
  ]) {
    it(`ignores empty elements among the subprotocols, as in ${JSON.stringify(header)}`, () => {
      const protocols = ["chat", "superchat"];
      expect(readHandshake(request({ "sec-websocket-protocol": header }))).toEqual({ key: KEY, protocols });
    });
  }

  it("throws nothing, whatever the headers say", () => {
    const value = fc.oneof(fc.string(), fc.constant(undefined));
    const names = [
      "host",
      "upgrade",
      "connection",
      "sec-websocket-key",
      "sec-websocket-version",
      "sec-websocket-protocol",
    ];
    const headers = fc.dictionary(fc.constantFrom(...names), value);
    fc.assert(
      fc.property(headers, (headers) => {
        readHandshake(request(headers));
      }),
    );
  });
});

describe("the members of a list", () => {
  for (const [value, members] of [
    ["", []],
    [" , ,", []],
    ["a", ["a"]],
    ["a, b,,c ,", ["a", "b", "c"]],
    ['a; x="1,,2", b', ['a; x="1,,2"', "b"]],
    ['a; x="1\\",,2", b', ['a; x="1\\",,2"', "b"]],
    ['a; x="1,,2', ['a; x="1,,2']],
    ['a; x="1\\', ['a; x="1\\']],
  ] as const) {
    it(`of ${JSON.stringify(value)} are ${JSON.stringify(members)}`, () => {
      expect(membersOf(value)).toEqual(members);
    });
  }
});

describe("a request target", () => {
  for (const [target, path, host] of [
    ["/chat", "/chat", undefined],
    ["/chat?room=1", "/chat", undefined],
    ["/", "/", undefined],
    ["/?room=1", "/", undefined],
    ["/chat/http://other/", "/chat/http://other/", undefined],
    ["/?to=http://other/chat", "/", undefined],
    ["http://other.example/chat?room=1", "/chat", "other.example"],
    ["HTTP://other.example:8080/chat", "/chat", "other.example:8080"],
    ["ws://other.example", "/", "other.example"],
    ["wss://other.example?room=1", "/", "other.example"],
    ["http://[::1]:8080/a/b", "/a/b", "[::1]:8080"],
    ["*", "*", undefined],
    ["", "/", undefined],
  ] as const) {
    it(`${JSON.stringify(target)} asks for ${path}${host === undefined ? "" : ` at ${host}`}`, () => {
      expect(pathOf(target)).toBe(path);
      expect(hostOf(request({}, { url: target }))).toBe(host ?? "server.example.com");
    });
  }
});

describe("answering a handshake", () => {
  it("hashes the key as RFC 6455 §1.3 does", () => {
    expect(acceptKey(KEY)).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  });

  it("is the RFC's own answer, with the chosen subprotocol", () => {
    expect(switchingProtocols(KEY, "chat")).toBe(
      "HTTP/1.1 101 Switching Protocols\r\n" +
        "Upgrade: websocket\r\n" +
        "Connection: Upgrade\r\n" +
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
        "Sec-WebSocket-Protocol: chat\r\n" +
        "\r\n",
    );
  });

  it("names no subprotocol when none was chosen", () => {
    expect(switchingProtocols(KEY, undefined)).not.toContain("Protocol:");
    expect(switchingProtocols(KEY, undefined)).not.toContain("Extensions:");
  });
});

describe("the name of a subprotocol", () => {
  for (const name of ["chat", "lastcall.v1", "graphql-transport-ws", "a", "!#$%&'*+-.^_`|~09AZaz"]) {
    it(`may be ${name}`, () => {
      expect(isProtocolName(name)).toBe(true);
    });
  }

  for (const name of ["", "super chat", "a,b", "a/b", "a\r\nb", "chat\n", "ü", "a:b", "(a)", '"a"']) {
    it(`may not be ${JSON.stringify(name)}`, () => {
      expect(isProtocolName(name)).toBe(false);
    });
  }
});

describe("the same host", () => {
  for (const [origin, host] of [
    ["http://example.com", "example.com"],
    ["http://example.com:8080", "example.com:8080"],
    ["https://example.com", "example.com"],
    ["https://example.com", "example.com:443"],
    ["http://example.com", "example.com:80"],
    ["http://EXAMPLE.com", "Example.COM"],
    ["http://[::1]:8080", "[::1]:8080"],
    ["http://127.0.0.1:3000", "127.0.0.1:3000"],
  ] as const) {
    it(`is behind the origin ${origin} and the Host ${host}`, () => {
      expect(isSameHost(origin, host)).toBe(true);
    });
  }

  for (const [origin, host] of [
    ["http://evil.example", "example.com"],
    ["http://example.com.evil.example", "example.com"],
    ["http://sub.example.com", "example.com"],
    ["http://example.com:8081", "example.com:8080"],
    ["http://example.com", "example.com:8080"],
    ["https://example.com", "example.com:80"],
    ["null", "null"],
    ["", "example.com"],
    ["example.com", "example.com"],
    ["file:///etc/passwd", ""],
    ["http://example.com", ""],
    ["http://example.com", undefined],
    ["http://undefined", undefined],
    ["http://example.com", "two words"],
  ] as const) {
    it(`is not behind the origin ${JSON.stringify(origin)} and the Host ${JSON.stringify(host)}`, () => {
      expect(isSameHost(origin, host)).toBe(false);
    });
  }
});

describe("an origin as browsers send it", () => {
  for (const [given, normal] of [
    ["https://example.com", "https://example.com"],
    ["https://Example.com:443/", "https://example.com"],
    ["http://example.com:80/path?query", "http://example.com"],
    ["http://example.com:8080", "http://example.com:8080"],
    ["https://bücher.example", "https://xn--bcher-kva.example"],
    ["null", undefined],
    ["example.com", undefined],
    ["", undefined],
    ["*", undefined],
    ["file:///etc/passwd", undefined],
  ] as const) {
    it(`is ${normal} for ${JSON.stringify(given)}`, () => {
      expect(normalizeOrigin(given)).toBe(normal);
    });
  }
});
