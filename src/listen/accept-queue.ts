/** Who is connected, as the kernel sees it, and waits to be accepted. Closing a listening socket resets them all. */
import { setImmediate } from "../base/real-timers.js";
import cluster from "node:cluster";
import type { Server } from "node:net";
import { now } from "../base/clock.js";
import { waitingAt } from "../connection/kernel-table.js";

/** How many the queue holds, unless somebody asks for another length: Node's default. */
const QUEUE_LENGTH = 511;

/**
 * Who comes between the last look and the end of the port is reset. So a look that took longer than this, in milliseconds,
 * is not the last: the first one does, since nothing of it is compiled, and one in whose middle others had the processor.
 * There are so many of them at most.
 */
const QUICK_LOOK = 0.5;
const MOST_LOOKS = 4;

/**
 * Resolves after a turn of the event loop in which nobody was accepted and nobody is waiting: Node accepts one socket a
 * turn. As many as the queue may have held are let in, whatever time that takes; when others keep coming behind them,
 * that is over after `limit` ms, as it is when somebody waits for so long and is not accepted; and at once when `isOver`.
 * The port MUST be closed at once then. Tells how many wait still.
 *
 * @param accepted How many have been accepted.
 * @param waiting How many wait, as far as that is known.
 */
export async function untilNobodyComes(
  accepted: () => number,
  waiting: () => number,
  limit: number,
  isOver: () => boolean,
): Promise<number> {
  const owed = accepted() + QUEUE_LENGTH;
  let [cameAt, until] = [now(), Infinity];
  while (now() < until && !isOver()) {
    const before = accepted();
    // The first may be called in the turn that we are in; between it and the second lies a whole poll.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    if (accepted() !== before) cameAt = now();
    else {
      const left = lookQuickly(waiting);
      if (left === 0 || now() - cameAt >= limit) return left;
    }
    if (until === Infinity && accepted() >= owed) until = now() + limit;
  }
  return waiting();
}

function lookQuickly(waiting: () => number): number {
  for (let looks = 1; ; looks++) {
    const began = now();
    const left = waiting();
    if (left > 0 || now() - began <= QUICK_LOOK || looks === MOST_LOOKS) return left;
  }
}

/** How many wait to be accepted by a server, as far as the system tells. In a cluster the primary accepts. */
export function waitingToBeAccepted(server: Server): number {
  const address = server.address();
  if (cluster.isWorker || address === null || typeof address === "string") return 0;
  return waitingAt(address.address, address.port);
}
