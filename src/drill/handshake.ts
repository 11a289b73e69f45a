/** The opening handshake, seen from the client (RFC 6455 §4.1). Pure: bytes in, an answer out. */
import { acceptKey } from "../wire/handshake.js";
import type { Endpoint } from "./socket.js";

/** Where the handshake goes and what it says. */
export interface UpgradeTarget {
  endpoint: Endpoint;
  /** The Host header. */
  host: string;
  /** Path and query. */
  path: string;
  subprotocol: string | undefined;
  /** Further headers, names as they were given. */
  headers: readonly (readonly [name: string, value: string])[];
}

/** What a server answered. */
export interface Answer {
  /** Undefined when it is a WebSocket from here on. */
  refused: string | undefined;
  /** Whether it spoke HTTP. */
  isHttp: boolean;
  /** What came behind the head. */
  rest: Buffer;
}

/** A head that is longer is none. */
const LONGEST_HEAD = 64 * 1024;
const END_OF_HEAD = "\r\n\r\n";

/** The request that opens a WebSocket. */
export function upgradeRequest({ host, path, subprotocol, headers }: UpgradeTarget, key: string): string {
  const all: (readonly [string, string])[] = [
    ["Host", host],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Version", "13"],
    ["Sec-WebSocket-Key", key],
  ];
  if (subprotocol !== undefined) all.push(["Sec-WebSocket-Protocol", subprotocol]);
  // What the user gives stands in the place of what we would say.
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  const lines = [...all.filter(([name]) => !given.has(name.toLowerCase())), ...headers];
  return `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

/** Reads the server's answer; undefined while its head is not complete. */
export function readAnswer(bytes: Buffer, key: string, { subprotocol }: UpgradeTarget): Answer | undefined {
  const start = bytes.toString("latin1", 0, Math.min(bytes.length, 5));
  if (!"HTTP/".startsWith(start)) return refusal("an answer that is not HTTP", false);
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0) {
    return bytes.length > LONGEST_HEAD ? refusal("an HTTP head of over 64 KiB", false) : undefined;
  }
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const status = /^HTTP\/1\.\d (\d{3})/.exec(statusLine)?.[1];
  if (status === undefined) return refusal("an answer that is not HTTP", false);
  if (status !== "101") return refusal(`HTTP ${status}`, true);
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  if (headers.get("sec-websocket-accept") !== acceptKey(key)) {
    return refusal("a 101 without the right Sec-WebSocket-Accept", false);
  }
  if (subprotocol !== undefined && headers.get("sec-websocket-protocol") !== subprotocol) {
    return refusal(`a 101 without the subprotocol '${subprotocol}'`, false);
  }
  return { refused: undefined, isHttp: true, rest: bytes.subarray(end + END_OF_HEAD.length) };
}

function refusal(refused: string, isHttp: boolean): Answer {
  return { refused, isHttp, rest: Buffer.alloc(0) };
}
