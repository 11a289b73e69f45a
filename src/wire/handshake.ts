/**
 * The rules of the opening handshake, seen from the server (RFC 6455 §4.2). Pure: a request's head in, an answer out.
 */
import { createHash } from "node:crypto";

/** The head of an HTTP request, as a parser gives it: header names in lower case. */
export interface RequestHead {
  readonly method: string;
  /** The request target, for example `/chat?room=1`. */
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
const KEY_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** 16 bytes in base64. The last of the 22 digits carries only two bits of them. */
const KEY = /^[+/0-9A-Za-z]{21}[AQgw]==$/;
/** A token of RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Reads the client's half of the handshake (RFC 6455 §4.2.1). */
export function readHandshake(request: RequestHead): Handshake | HandshakeRefusal {
  const { headers } = request;
  if (request.method !== "GET") {
    return refuse(405, `A WebSocket handshake is a GET request; this was ${request.method}.`, {
      Allow: "GET",
    });
  }
  if (!listed(headers["upgrade"]).includes("websocket")) {
    return refuse(426, "This address speaks WebSocket: send 'Upgrade: websocket'.", {
      Upgrade: "websocket",
      "Sec-WebSocket-Version": VERSION,
    });
  }
  if (request.httpVersion !== "1.1") {
    return refuse(400, `A WebSocket handshake needs HTTP/1.1; this was HTTP/${request.httpVersion}.`);
  }
  if (!listed(headers["connection"]).includes("upgrade")) {
    return refuse(400, "The header 'Connection: Upgrade' is missing.");
  }
  if (!headers["host"]) {
    return refuse(400, "The Host header is missing.");
  }
  const version = headers["sec-websocket-version"];
  if (version !== VERSION) {
    return refuse(426, `The Sec-WebSocket-Version must be ${VERSION}; this was ${version ?? "missing"}.`, {
      "Sec-WebSocket-Version": VERSION,
    });
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

function refuse(
  status: HandshakeRefusal["status"],
  message: string,
  headers: Record<string, string> = {},
): HandshakeRefusal {
  return { status, message, headers };
}

/** The members of a comma-separated header, in lower case. */
function listed(value = ""): string[] {
  return value
    .toLowerCase()
    .split(",")
    .map((member) => member.trim());
}

/** The offered subprotocols; undefined when the header is malformed (RFC 6455 §4.1 point 10: each only once). */
function readProtocols(value: string | undefined): string[] | undefined {
  if (value === undefined) return [];
  const protocols = value.split(",").map((member) => member.trim());
  const wellFormed = protocols.every((protocol) => TOKEN.test(protocol));
  return wellFormed && new Set(protocols).size === protocols.length ? protocols : undefined;
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
