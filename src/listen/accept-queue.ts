/** Who is connected, as the kernel sees it, and waits to be accepted. Closing a listening socket resets them all. */
import { setImmediate } from "../base/real-timers.js";
import cluster from "node:cluster";
import type { Server } from "node:net";
import { now } from "../base/clock.js";
import { waitingAt } from "../connection/kernel-table.js";

/** How many the queue holds, unless somebody asks for another length: Node's default. */
const QUEUE_LENGTH = 511;

/**
 * Resolves after a turn of the event loop in which nobody was accepted and nobody is waiting: Node accepts one socket a
 * turn. As many as the queue may have held are let in, whatever time that takes; when others keep coming behind them,
 * that is over after `limit` ms, as it is when somebody waits for so long and is not accepted; and at once when `isOver`.
 *
 * @param accepted How many have been accepted.
 * @param waiting How many wait, as far as that is known.
 */
export async function untilNobodyComes(
  accepted: () => number,
  waiting: () => number,
  limit: number,
  isOver: () => boolean,
): Promise<void> {
  const owed = accepted() + QUEUE_LENGTH;
  let [cameAt, until] = [now(), Infinity];
  while (now() < until && !isOver()) {
    const before = accepted();
    // The first may be called in the turn that we are in; between it and the second lies a whole poll.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    if (accepted() !== before) cameAt = now();
    else if (now() - cameAt >= limit || waiting() === 0) return;
    if (until === Infinity && accepted() >= owed) until = now() + limit;
  }
}

/** How many wait to be accepted by a server, as far as the system tells. In a cluster the primary accepts. */
export function waitingToBeAccepted(server: Server): number {
  const address = server.address();
  if (cluster.isWorker || address === null || typeof address === "string") return 0;
  return waitingAt(address.address, address.port);
}
