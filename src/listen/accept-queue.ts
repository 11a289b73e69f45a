/** Who is connected, as the kernel sees it, and waits to be accepted. Closing a listening socket resets them all. */
import cluster from "node:cluster";
import type { Server } from "node:net";
import { now } from "../base/clock.js";
import { waitingAt } from "../connection/kernel-table.js";

/** How many the queue holds, unless somebody asks for another length: Node's default. */
const QUEUE_LENGTH = 511;

/**
 * Resolves after a turn of the event loop in which nobody was accepted: Node accepts one socket a turn. As many as the
 * queue may have held are let in, whatever time that takes; when others keep coming behind them, that is over after
 * `limit` ms, and at once when `isOver`.
 *
 * @param accepted How many have been accepted.
 */
export async function untilNobodyComes(
  accepted: () => number,
  limit: number,
  isOver: () => boolean,
): Promise<void> {
  const owed = accepted() + QUEUE_LENGTH;
  let [before, until] = [-1, Infinity];
  while (accepted() !== before && now() < until && !isOver()) {
    before = accepted();
    // The first may be called in the turn that we are in; between it and the second lies a whole poll.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    if (until === Infinity && accepted() >= owed) until = now() + limit;
  }
}

/** How many wait to be accepted by a server, as far as the system tells. In a cluster the primary accepts. */
export function waitingToBeAccepted(server: Server): number {
  const address = server.address();
  if (cluster.isWorker || address === null || typeof address === "string") return 0;
  return waitingAt(address.address, address.port);
}
