/** The networks that are played, and how long each takes in any case. */
import { setTimeout as sleep } from "node:timers/promises";
/** @typedef {import("./rig.mjs").Rig} Rig */

export const CLIENTS = 15;
/** Docker kills after 10 s. */
export const DEADLINE = 8_000;
/** Each request in hand takes so long; a client has so many of them under way when the server is told to stop. */
export const WORK = 100;
export const ASKED = 3;
export const KIB = 1_024;

/**
 * One row.
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {import("./rig.mjs").LinkOptions} link
 * @property {number} [bytes] Of each reply; 1 KiB if it is not said.
 * @property {number} [away] How many clients are not there to see the end.
 * @property {number} [needs] What the network takes beside round trips and bytes, in milliseconds.
 * @property {(rig: Rig, away: string[]) => Promise<unknown>} [before] Before the requests go.
 * @property {(rig: Rig, away: string[]) => Promise<unknown>} [during] From the shutdown on.
 */

/** How long the link, or a client, is not there. */
const OUTAGE = 2_000;

/** @param {Rig} rig */
async function outage(rig) {
  await rig.link("down");
  await sleep(OUTAGE);
  await rig.link("up");
}

/** @type {readonly Row[]} */
export const ROWS = [
  ...[50, 150, 300].map((roundTrip) => ({ name: `plain, ${roundTrip} ms`, link: { roundTrip } })),
  ...[1, 3, 10].map((percent) => ({
    name: `${percent} % lost`,
    link: { roundTrip: 100, loss: percent / 100 },
  })),
  { name: "a fifth overtaken", link: { roundTrip: 100, late: 0.2 } },
  { name: "3 % lost, a fifth overtaken", link: { roundTrip: 100, loss: 0.03, late: 0.2 } },
  { name: "64 KiB/s", link: { roundTrip: 100, rate: 64 * KIB }, bytes: 40 * KIB },
  ...[100, 300].map((roundTrip) => ({
    name: `an outage from the stop on, ${roundTrip} ms`,
    link: { roundTrip },
    needs: OUTAGE,
    during: outage,
  })),
  {
    name: "64 KiB/s, an outage from the stop on",
    link: { roundTrip: 100, rate: 64 * KIB },
    bytes: 40 * KIB,
    needs: OUTAGE,
    during: outage,
  },
  {
    name: "an outage that the requests run into",
    link: { roundTrip: 100 },
    needs: OUTAGE / 2,
    async before(rig) {
      await rig.link("down");
      void sleep(OUTAGE).then(() => rig.link("up"));
      await sleep(OUTAGE / 2);
    },
  },
  {
    name: "a third vanish before the stop",
    link: { roundTrip: 100 },
    away: 5,
    before: (rig, away) => rig.link("gone", away),
  },
  {
    name: "a third vanish with requests in hand",
    link: { roundTrip: 100 },
    away: 5,
    during: (rig, away) => rig.link("gone", away),
  },
  {
    name: "a third vanish behind the barrier",
    link: { roundTrip: 100 },
    away: 5,
    async during(rig, away) {
      rig.clients.on("pinged", (address) => {
        if (away.includes(address)) void rig.link("gone", [address]);
      });
    },
  },
  {
    name: "all vanish and come back",
    link: { roundTrip: 100 },
    needs: OUTAGE,
    async during(rig) {
      await sleep(150);
      await rig.link("gone", rig.addresses);
      await sleep(OUTAGE);
      await rig.link("back", rig.addresses);
    },
  },
  {
    name: "a third reset",
    link: { roundTrip: 100 },
    away: 5,
    during: (rig, away) => rig.clients.call("reset", away),
  },
];

/**
 * Somebody comes every few milliseconds, from before the shutdown on until this long behind it.
 *
 * @typedef {object} Arrivals
 * @property {number} roundTrip
 * @property {number} lameDuck
 */
export const NEWCOMERS = { count: 140, over: 700, stopAt: 350 };

/** @type {readonly Arrivals[]} */
export const ARRIVALS = [
  { roundTrip: 50, lameDuck: 0 },
  { roundTrip: 100, lameDuck: 0 },
  { roundTrip: 200, lameDuck: 0 },
  { roundTrip: 100, lameDuck: 1_000 },
  { roundTrip: 200, lameDuck: 1_000 },
];

/** What the network needs for a row, in milliseconds. @param {Row} row */
export function needed({ link, bytes = KIB, needs = 0 }) {
  const transfer = link.rate === undefined ? 0 : ((ASKED * bytes) / link.rate) * 1_000;
  // The requests are half way; then the Ping behind the last answer, Close, and FIN, each with what answers it.
  return needs + Math.max(ASKED * WORK, transfer) + (1 / 4 + 3) * link.roundTrip;
}
