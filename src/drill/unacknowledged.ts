/** Which connections have sent bytes that the other side's system has not acknowledged: Linux tells of them. */
import { readFileSync } from "node:fs";

/** Both have the same columns, of which these are read: `sl: local remote state sent:received`. */
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];

/** The local ports of such connections to a port; none where the system does not say. */
export function unacknowledgedTo(port: number): Set<number> {
  return new Set(TABLES.flatMap((table) => portsIn(linesOf(table), port)));
}

/** The local ports of connections to `port` that stand in a table with bytes that wait for their acknowledgement. */
export function portsIn(table: string, port: number): number[] {
  return table.split("\n").flatMap((line) => {
    const [, local = "", remote = "", , queues = ""] = line.trim().split(/\s+/);
    const waits = Number.parseInt(queues, 16) > 0;
    return waits && portOf(remote) === port ? [portOf(local)] : [];
  });
}

/** `0100007F:1F90` is 127.0.0.1:8080. */
function portOf(address: string): number {
  return Number.parseInt(address.slice(address.lastIndexOf(":") + 1), 16);
}

function linesOf(table: string): string {
  try {
    return readFileSync(table, "latin1");
  } catch {
    return "";
  }
}
