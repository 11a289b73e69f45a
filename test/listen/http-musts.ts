/**
 * What RFC 9112 (sections 3, 6 and 7) and RFC 9110 (section 7.8, and what it leads to) ask of a server about a request
 * that asks for an upgrade, each with a request and what comes of it. docs/conformance.md shows them as a table.
 */

/** The statuses of the answers in their order, and whether the server ended the connection behind them. */
export type Outcome = string;

export interface Must {
  section: string;
  /** The requirement; with what is sent it is the test's name. */
  requirement: string;
  sent: string;
  request: string;
  /** On a port of our own, and on a caller's HTTP server. */
  own: Outcome;
  host: Outcome;
  /** A `WebSocketServer` of ws on an HTTP server; Node's HTTP server without any listener for upgrades. */
  ws: Outcome;
  node: Outcome;
  /** What the last answer of ours must say. */
  says?: Record<string, RegExp>;
}

const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const UPGRADE = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", KEY];

function request(line: string, fields: readonly string[], behind = ""): string {
  return `${[line, ...fields].join("\r\n")}\r\n\r\n${behind}`;
}

/** A handshake with these fields too. */
function handshake(fields: readonly string[], behind = ""): string {
  return request("GET / HTTP/1.1", ["Host: localhost", ...UPGRADE, ...fields], behind);
}

const ENDED = { connection: /^close$/ };
const SWITCHED = { upgrade: /^websocket$/, connection: /^Upgrade$/ };
const REQUIRED = { upgrade: /^websocket$/, connection: /^close, Upgrade$/ };

export const musts: readonly Must[] = [
  {
    section: "RFC 9112 §3",
    requirement: "A target longer than what is parsed MUST get 414.",
    sent: "A target of 20 000 bytes",
    request: request(`GET /${"x".repeat(20_000)} HTTP/1.1`, ["Host: localhost", ...UPGRADE]),
    own: "414, end",
    host: "431, end",
    ws: "431, end",
    node: "431, end",
  },
  {
    section: "RFC 9112 §3.2",
    requirement: "HTTP/1.1 without a Host field MUST get 400.",
    sent: "No Host",
    request: request("GET / HTTP/1.1", UPGRADE),
    own: "400, end",
    host: "400, end",
    ws: "101",
    node: "400, end",
    says: ENDED,
  },
  {
    section: "RFC 9112 §3.2",
    requirement: "More than one Host field line MUST get 400.",
    sent: "Two Hosts",
    request: handshake(["Host: other.example"]),
    own: "400, end",
    host: "400, end",
    ws: "101",
    node: "200",
    says: ENDED,
  },
  {
    section: "RFC 9112 §3.2",
    requirement: "A Host field with an invalid value MUST get 400.",
    sent: "`Host: a b`",
    request: request("GET / HTTP/1.1", ["Host: a b", ...UPGRADE]),
    own: "400, end",
    host: "400, end",
    ws: "101",
    node: "200",
    says: ENDED,
  },
  {
    section: "RFC 9112 §3.2.2",
    requirement: "A target in absolute form MUST be accepted.",
    sent: "`GET http://localhost/`",
    request: request("GET http://localhost/ HTTP/1.1", ["Host: localhost", ...UPGRADE]),
    own: "101",
    host: "101",
    ws: "101",
    node: "200",
  },
  {
    section: "RFC 9112 §3.2.2",
    requirement: "With a target in absolute form its host MUST be used, and the Host field ignored.",
    sent: "A page of the Host field's host, at a target of another one",
    request: request("GET http://real.example/ HTTP/1.1", [
      "Host: other.example",
      "Origin: http://other.example",
      ...UPGRADE,
    ]),
    own: "403, end",
    host: "403, end",
    ws: "101",
    node: "200",
  },
  {
    section: "RFC 9110 §4.2.1",
    requirement: "A URI without a host MUST be rejected as invalid.",
    sent: "`GET http:///`",
    request: request("GET http:///chat HTTP/1.1", ["Host: localhost", ...UPGRADE]),
    own: "400, end",
    host: "400, end",
    ws: "101",
    node: "200",
  },
  {
    section: "RFC 9112 §6.1",
    requirement:
      "After a request with both Content-Length and Transfer-Encoding the connection MUST be closed.",
    sent: "Both",
    request: handshake(["Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    own: "400, end",
    host: "400, end",
    ws: "400, end",
    node: "400, end",
    says: ENDED,
  },
  {
    section: "RFC 9112 §6.1",
    requirement: "HTTP/1.0 with Transfer-Encoding MUST be closed after it.",
    sent: "HTTP/1.0, chunked",
    request: request("GET / HTTP/1.0", ["Host: localhost", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    own: "426, end",
    host: "200, end",
    ws: "200, end",
    node: "200, end",
  },
  {
    section: "RFC 9112 §6.3",
    requirement:
      "A body whose last transfer coding is not chunked MUST get 400, and the connection be closed.",
    sent: "`Transfer-Encoding: chunked, gzip`",
    request: handshake(["Transfer-Encoding: chunked, gzip"], "hello"),
    own: "400, end",
    host: "400, end",
    ws: "400, end",
    node: "400, end",
    says: ENDED,
  },
  {
    section: "RFC 9112 §6.3",
    requirement: "An invalid Content-Length MUST get 400, and the connection be closed.",
    sent: "`Content-Length: 5x`",
    request: handshake(["Content-Length: 5x"], "hello"),
    own: "400, end",
    host: "400, end",
    ws: "400, end",
    node: "400, end",
    says: ENDED,
  },
  {
    section: "RFC 9112 §6.3",
    requirement: "Lengths that differ MUST get 400, and the connection be closed.",
    sent: "`Content-Length: 5` and `6`",
    request: handshake(["Content-Length: 5", "Content-Length: 6"], "hello"),
    own: "400, end",
    host: "400, end",
    ws: "400, end",
    node: "400, end",
    says: ENDED,
  },
  {
    section: "RFC 9110 §8.6",
    requirement: "A length too large for an integer MUST NOT overflow.",
    sent: "`Content-Length: 18446744073709551621`, which is 5 in 64 bits",
    request: handshake(["Content-Length: 18446744073709551621"], "hello"),
    own: "400, end",
    host: "400, end",
    ws: "400, end",
    node: "400, end",
    says: ENDED,
  },
  {
    section: "RFC 9112 §6, RFC 9110 §7.8",
    requirement: "The body belongs to the request: the protocol MUST NOT change before its end.",
    sent: "`Content-Length: 5` and five bytes",
    request: handshake(["Content-Length: 5"], "hello"),
    own: "400, end",
    host: "400, end",
    ws: "101, 1002",
    node: "200",
    says: ENDED,
  },
  {
    section: "RFC 9112 §6, RFC 9110 §7.8",
    requirement: "A chunked body belongs to the request: the protocol MUST NOT change before its end.",
    sent: "`Transfer-Encoding: chunked` and a chunk",
    request: handshake(["Transfer-Encoding: chunked"], "5;x=y\r\nhello\r\n0\r\n\r\n"),
    own: "400, end",
    host: "400, end",
    ws: "101, 1002",
    node: "200",
    says: ENDED,
  },
  {
    section: "RFC 9112 §6.3",
    requirement: "A length of zero is no body.",
    sent: "`Content-Length: 0`",
    request: handshake(["Content-Length: 0"]),
    own: "101",
    host: "101",
    ws: "101",
    node: "200",
  },
  {
    section: "RFC 9110 §7.8",
    requirement: "A 101 MUST name the protocol in Upgrade, and that field in Connection.",
    sent: "A handshake",
    request: handshake([]),
    own: "101",
    host: "101",
    ws: "101",
    node: "200",
    says: SWITCHED,
  },
  {
    section: "RFC 9110 §7.8",
    requirement: "The protocol MUST NOT change to one that was not asked for.",
    sent: "`Upgrade: h2c`",
    request: request("GET / HTTP/1.1", ["Host: localhost", "Upgrade: h2c", "Connection: Upgrade"]),
    own: "426, end",
    host: "200",
    ws: "400, end",
    node: "200",
  },
  {
    section: "RFC 9110 §7.8",
    requirement: "The Upgrade field of HTTP/1.0 MUST be ignored.",
    sent: "A handshake over HTTP/1.0",
    request: request("GET / HTTP/1.0", ["Host: localhost", ...UPGRADE]),
    own: "426, end",
    host: "200, end",
    ws: "101",
    node: "200, end",
  },
  {
    section: "RFC 9110 §7.8",
    requirement: "A 426 MUST name the protocol in Upgrade, and that field in Connection.",
    sent: "A request without Upgrade",
    request: request("GET / HTTP/1.1", ["Host: localhost"]),
    own: "426, end",
    host: "200",
    ws: "200",
    node: "200",
    says: REQUIRED,
  },
  {
    section: "RFC 9110 §15.5.22",
    requirement: "A 426 for another version MUST name the protocol as well.",
    sent: "`Sec-WebSocket-Version: 12`",
    request: request("GET / HTTP/1.1", [
      "Host: localhost",
      ...UPGRADE.map((line) => line.replace(/13$/, "12")),
    ]),
    own: "426, end",
    host: "426, end",
    ws: "400, end",
    node: "200",
    says: { ...REQUIRED, "sec-websocket-version": /^13$/ },
  },
  {
    section: "RFC 9110 §7.8",
    requirement: "Upgrade with `Expect: 100-continue` MUST get 100 before 101.",
    sent: "Both",
    request: handshake(["Expect: 100-continue"]),
    own: "100, 101",
    host: "100, 101",
    ws: "101",
    node: "100, 200",
    says: SWITCHED,
  },
  {
    section: "RFC 9110 §7.6.1, §7.8",
    requirement: "An Upgrade that Connection does not name is none.",
    sent: "`Connection: keep-alive`",
    request: request("GET / HTTP/1.1", [
      "Host: localhost",
      ...UPGRADE.map((line) => line.replace("Connection: Upgrade", "Connection: keep-alive")),
    ]),
    own: "400, end",
    host: "200",
    ws: "200",
    node: "200",
  },
  {
    section: "RFC 9110 §15.5.6",
    requirement: "A 405 MUST say what is allowed.",
    sent: "A handshake by POST",
    request: request("POST / HTTP/1.1", ["Host: localhost", ...UPGRADE]),
    own: "405, end",
    host: "405, end",
    ws: "405, end",
    node: "200",
    says: { allow: /^GET$/ },
  },
];

/** The name of the test that holds a row. */
export function testOf({ requirement, sent }: Must): string {
  return `${requirement} (${sent})`;
}
