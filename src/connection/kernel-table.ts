/** The tables in which Linux tells of each TCP socket what waits in it: `/proc/net/tcp` and `/proc/net/tcp6`. */
import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { isIPv4, type Socket } from "node:net";
import { endianness } from "node:os";

/** Where a socket stands: in which table, and what its line says behind its number. */
export interface Place {
  table: string;
  addresses: string;
}

/** Where a TCP socket stands; undefined for another socket, and for one that is not connected any more. */
export function placeOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): Place | undefined {
  if (localAddress === undefined || localPort === undefined) return undefined;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return {
    table: tableOf(localAddress),
    addresses: `${hexOf(localAddress)}:${hexOfPort(localPort)} ${hexOf(remoteAddress)}:${hexOfPort(remotePort)}`,
  };
}

function tableOf(address: string): string {
  return isIPv4(address) ? "/proc/net/tcp" : "/proc/net/tcp6";
}

function hexOfPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}

/** An address as the kernel prints it: words of 32 bits, each as a number of this machine. */
function hexOf(address: string): string {
  const bytes = isIPv4(address) ? bytesOfIPv4(address) : bytesOfIPv6(address);
  if (endianness() === "LE") bytes.swap32();
  return bytes.toString("hex").toUpperCase();
}

function bytesOfIPv4(address: string): Buffer {
  return Buffer.from(address.split(".").map(Number));
}

/** RFC 4291 §2.2. */
function bytesOfIPv6(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  const [first = "", last] = address.replace(/%.*/, "").split("::");
  const head = groupsOf(first);
  head.copy(bytes);
  if (last !== undefined) groupsOf(last).copy(bytes, 16 - groupsOf(last).length);
  return bytes;
}

function groupsOf(part: string): Buffer {
  const groups = part === "" ? [] : part.split(":");
  return Buffer.concat(
    groups.map((group) =>
      group.includes(".") ? bytesOfIPv4(group) : Buffer.from(group.padStart(4, "0"), "hex"),
    ),
  );
}

/** How many are connected to a listening socket and not accepted; 0 where the system does not tell. */
export function waitingAt(address: string, port: number): number {
  const local = `${hexOf(address)}:${hexOfPort(port)}`;
  let sum = 0;
  for (const line of listeningIn(tableOf(address))) {
    const [, at, , , queues] = line.trim().split(/\s+/, 5);
    if (at === local) sum += Number.parseInt(queues!.split(":")[1]!, 16);
  }
  return sum;
}

/**
 * The lines of those that listen: "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 …". They come first, and what
 * is behind them is not read: it may be a million, and meanwhile others come who would be reset.
 */
function listeningIn(table: string): string[] {
  let descriptor: number;
  try {
    descriptor = openSync(table, "r");
  } catch {
    return [];
  }
  try {
    const page = Buffer.alloc(4096);
    const lines: string[] = [];
    let rest = "";
    for (let length; (length = readSync(descriptor, page)) > 0;) {
      const read = (rest + page.toString("latin1", 0, length)).split("\n");
      rest = read.pop()!;
      for (const line of read) {
        if (/^ *\d+: \S+ \S+ (?!0A)/.test(line)) return lines;
        lines.push(line);
      }
    }
    return lines;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Reads a table, and calls `found` for each of its lines that is asked for: with the bytes that were handed to the socket
 * and not acknowledged. Rejects where there is no such table.
 */
export async function readTable(
  table: string,
  asked: ReadonlyMap<string, unknown>,
  found: (addresses: string, unacknowledged: number) => void,
): Promise<void> {
  let rest = "";
  // By and by: there may be a million sockets, and others wait for this thread.
  for await (const chunk of createReadStream(table, { encoding: "latin1" })) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      // "  12: 0100007F:1F90 0100007F:C350 01 0001A2B3:00000000 …": state and queues stand behind the addresses.
      const start = line.indexOf(": ") + 2;
      const end = line.indexOf(" ", line.indexOf(" ", start) + 1);
      const addresses = line.slice(start, end);
      if (asked.has(addresses)) found(addresses, Number.parseInt(line.slice(end + 4, end + 12), 16));
    }
  }
}
