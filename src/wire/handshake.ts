/**
 * The rules of the opening handshake, seen from the server (RFC 6455 §4.2). Pure: a request's head in, an answer out.
 */
import { createHash } from "node:crypto";

/** The head of an HTTP request, as a parser gives it: header names in lower case. */
export interface RequestHead {
  readonly method: string;
  /** The request target as it came: `/chat?room=1`, or the absolute form `http://host/chat?room=1` (RFC 9112 §3.2). */
  readonly url: string;
  readonly httpVersion: string;
  /** What came several times is one string, joined as Node joins it: by a comma, cookies by a semicolon. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** A handshake that can be accepted. */
export interface Handshake {
  /** The client's Sec-WebSocket-Key. */
  key: string;
  /** The subprotocols that the client offers, in its order of preference. */
  protocols: string[];
}

/** Why a request is not a handshake that can be accepted, as an HTTP answer. */
export interface HandshakeRefusal {
  status: 400 | 405 | 426;
  /** The body: a sentence for whoever reads the answer. */
  message: string;
  headers: Record<string, string>;
}

const VERSION = "13";
/** What a 426 says of what would do: it MUST name the protocol (RFC 9110 §7.8). */
const SPOKEN = { Upgrade: "websocket", "Sec-WebSocket-Version": VERSION };
const KEY_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** 16 bytes in base64. The last of the 22 digits carries only two bits of them. */
const KEY = /^[+/0-9A-Za-z]{21}[AQgw]==$/;
/** A token of RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** A host with a port or without: a name, an address, or an address in brackets (RFC 9112 §3.2, RFC 3986 §3.2.2). */
const HOST = /^(?:\[[\w.~!$&'()*+,;=:%-]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})+)(?::\d*)?$/i;
/** No body: its length may be said all the same. */
const NOTHING = /^0+$/;

/** Reads the client's half of the handshake (RFC 6455 §4.2.1). */
export function readHandshake(request: RequestHead): Handshake | HandshakeRefusal {
  const { headers } = request;
  const broken = whatIsBroken(request);
  if (broken !== undefined) return refuse(400, broken);
  if (request.method !== "GET") {
    return refuse(405, `A WebSocket handshake is a GET request; this was ${request.method}.`, {
      Allow: "GET",
    });
  }
  // The Upgrade of an HTTP/1.0 request MUST be ignored (RFC 9110 §7.8).
  if (request.httpVersion === "1.0" || !listed(headers["upgrade"]).includes("websocket")) {
    return refuse(426, "This address speaks WebSocket: send 'Upgrade: websocket' with HTTP/1.1.", SPOKEN);
  }
  if (request.httpVersion !== "1.1") {
    return refuse(400, `A WebSocket handshake needs HTTP/1.1; this was HTTP/${request.httpVersion}.`);
  }
  if (!listed(headers["connection"]).includes("upgrade")) {
    return refuse(400, "The header 'Connection: Upgrade' is missing.");
  }
  if (saysBody(headers)) {
    return refuse(400, "A WebSocket handshake has no body.");
  }
  const version = headers["sec-websocket-version"];
  if (version !== VERSION) {
    return refuse(
      426,
      `The Sec-WebSocket-Version must be ${VERSION}; this was ${version ?? "missing"}.`,
      SPOKEN,
    );
  }
  const key = headers["sec-websocket-key"];
  if (key === undefined || !KEY.test(key)) {
    return refuse(400, "The Sec-WebSocket-Key must be 16 bytes in base64.");
  }
  const protocols = readProtocols(headers["sec-websocket-protocol"]);
  if (protocols === undefined) {
    return refuse(400, "The Sec-WebSocket-Protocol header must list different tokens, separated by commas.");
  }
  return { key, protocols };
}

/** What makes it no HTTP request at all, whatever it asks for (RFC 9112 §3). */
function whatIsBroken({ url, httpVersion, headers }: RequestHead): string | undefined {
  const { host } = headers;
  if (host === undefined && httpVersion === "1.1") return "The Host header is missing.";
  if (host !== undefined && !HOST.test(host))
    return "There must be one Host header, with a host and its port.";
  return isTarget(url) ? undefined : "The request target must be a path, or a URI with a host.";
}

function isTarget(target: string): boolean {
  if (target.includes("#")) return false;
  return target.startsWith("/") || HOST.test(ABSOLUTE_FORM.exec(target)?.[1] ?? "");
}

/**
 * Whether a body follows. It means nothing with a GET (RFC 9110 §9.3.1), and it would be read as frames: the protocol
 * changes behind the whole request only (§7.8).
 */
function saysBody(headers: RequestHead["headers"]): boolean {
  return "transfer-encoding" in headers || !NOTHING.test(headers["content-length"] ?? "0");
}

function refuse(
  status: HandshakeRefusal["status"],
  message: string,
  headers: Record<string, string> = {},
): HandshakeRefusal {
  return { status, message, headers };
}

/** One member of a list: no comma in it but in a quoted string (RFC 9110 §5.6.4). */
const MEMBER = /(?:[^,"]|"(?:\\.|[^"\\])*"?)+/g;

/** The members of a header that is a list. Empty ones are to be ignored (RFC 9110 §5.6.1.2). */
export function membersOf(value: string): string[] {
  const members = value.match(MEMBER) ?? [];
  return members.map((member) => member.trim()).filter((member) => member !== "");
}

/** The same in lower case, for a header that may be missing. */
function listed(value = ""): string[] {
  return membersOf(value.toLowerCase());
}

/**
 * The offered subprotocols; undefined when the header is malformed: it lists at least one (RFC 6455 §11.3.4), and each
 * only once (§4.1 point 10).
 */
function readProtocols(value: string | undefined): string[] | undefined {
  if (value === undefined) return [];
  const protocols = membersOf(value);
  const wellFormed = protocols.length > 0 && protocols.every((protocol) => TOKEN.test(protocol));
  return wellFormed && new Set(protocols).size === protocols.length ? protocols : undefined;
}

/** The parts of a target in absolute form: the authority, and the path with the query. */
const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\/([^/?]*)(.*)$/i;

/** The path that a request asks for, whatever the form of its target (RFC 9112 §3.2.2: a server MUST accept both). */
export function pathOf(target: string): string {
  const local = ABSOLUTE_FORM.exec(target)?.[2] ?? target;
  const path = local.split("?", 1)[0]!;
  return path === "" ? "/" : path;
}

/** The host that a request is for: with a target in absolute form the Host header is to be ignored (RFC 9112 §3.2.2). */
export function hostOf({ url, headers }: RequestHead): string | undefined {
  return ABSOLUTE_FORM.exec(url)?.[1] ?? headers["host"];
}

/** Whether a subprotocol's name may stand in a header. */
export function isProtocolName(name: string): boolean {
  return TOKEN.test(name);
}

/** The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455 §4.2.2 point 5.4). */
export function acceptKey(key: string): string {
  return createHash("sha1")
    .update(key + KEY_GUID)
    .digest("base64");
}

/** The answer that opens the connection (RFC 6455 §4.2.2), with the subprotocol and extensions that were agreed on. */
export function switchingProtocols(key: string, protocol: string | undefined, extensions?: string): string {
  return (
    "HTTP/1.1 101 Switching Protocols\r\n" +
    "Upgrade: websocket\r\n" +
    "Connection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${acceptKey(key)}\r\n` +
    (protocol === undefined ? "" : `Sec-WebSocket-Protocol: ${protocol}\r\n`) +
    (extensions === undefined ? "" : `Sec-WebSocket-Extensions: ${extensions}\r\n`) +
    "\r\n"
  );
}

/**
 * Whether a browser's page at `origin` comes from the host that the request names. Only the hosts are compared:
 * behind a proxy that ends TLS the server cannot know the scheme its users see.
 */
export function isSameHost(origin: string, host: string | undefined): boolean {
  const from = parseUrl(origin);
  if (from === undefined || from.host === "" || host === undefined) return false;
  return parseUrl(`${from.protocol}//${host}`)?.host === from.host;
}

/** An origin in the form that browsers send, or undefined when it is none. */
export function normalizeOrigin(origin: string): string | undefined {
  const url = parseUrl(origin);
  return url === undefined || url.origin === "null" ? undefined : url.origin;
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
