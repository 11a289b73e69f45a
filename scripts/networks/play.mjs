/** Plays a row, and judges what was seen. */
import { setTimeout as sleep } from "node:timers/promises";
import { Rig } from "./rig.mjs";
import { ASKED, CLIENTS, DEADLINE, KIB, NEWCOMERS, WORK } from "./rows.mjs";

/** @typedef {import("./rows.mjs").Row} Row */

/** @param {Row} row @param {number} seed */
export async function play(row, seed) {
  const { link, bytes = KIB, away = 0 } = row;
  const rig = new Rig(CLIENTS);
  try {
    await rig.start(link, seed);
    await rig.server.call("listen", { deadline: DEADLINE });
    await rig.clients.call("connect", rig.addresses);
    // A conversation, so that TCP knows the way.
    for (let n = 0; n < 3; n++) {
      await rig.clients.call("ask", { count: 1, work: 0, bytes: KIB });
      await rig.clients.call("answers");
    }
    const gone = rig.addresses.slice(CLIENTS - away);
    await row.before?.(rig, gone);
    await rig.clients.call("ask", { count: ASKED, work: WORK, bytes });
    // The requests are half way when the server is told to stop.
    await sleep(link.roundTrip / 4);
    const during = row.during?.(rig, gone);
    const { report, executed } = await rig.server.call("shutdown");
    await during;
    const living = rig.addresses.slice(0, CLIENTS - away);
    const seen = await rig.clients.call("seen", { living, limit: 5_000 });
    const packets = await rig.end();
    return { row, report, executed, living, seen, packets };
  } catch (error) {
    await rig.end().catch(() => {});
    throw error;
  }
}

/** @typedef {{ address: string, asked: string[], answered: string[], code?: number }} Seen */
/** @typedef {Awaited<ReturnType<typeof play>>} Played */

/** What is wrong with it. @param {Played} played @returns {string[]} */
export function judge({ report, executed, living, seen }) {
  /** @type {string[]} */
  const wrong = [];
  const once = new Set(executed);
  if (once.size < executed.length) wrong.push(`${executed.length - once.size} executed twice`);
  for (const { address, asked, answered, code } of /** @type {Seen[]} */ (seen)) {
    if (!living.includes(address)) continue;
    const unanswered = asked.filter((id) => !answered.includes(id));
    if (code !== 1012) wrong.push(`${address} saw ${code ?? "no end"}`);
    if (unanswered.some((id) => once.has(id))) wrong.push(`${address} got no answer to what was executed`);
    else if (unanswered.length > 0) wrong.push(`${unanswered.length} of ${address} handed back`);
  }
  if (report.duration > DEADLINE) wrong.push(`it took ${report.duration} ms`);
  return wrong;
}

/** What those see who come around the shutdown. @param {import("./rows.mjs").Arrivals} arrivals @param {number} seed */
export async function playArrivals({ roundTrip, lameDuck }, seed) {
  const rig = new Rig(CLIENTS);
  try {
    await rig.start({ roundTrip }, seed);
    await rig.server.call("listen", { deadline: DEADLINE, lameDuck });
    const { stopAt, ...newcoming } = NEWCOMERS;
    const coming = rig.clients.call("newcomers", { addresses: rig.addresses, ...newcoming });
    await sleep(stopAt);
    await rig.server.call("shutdown");
    /** @type {string[]} */
    const saw = await coming;
    return (/** @type {string} */ what) => saw.filter((each) => each === what).length;
  } finally {
    await rig.end();
  }
}
