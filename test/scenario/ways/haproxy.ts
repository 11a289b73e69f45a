/** HAProxy passes on what comes, in both of its modes: a FIN as a FIN, a reset as a reset. */
import { startHaproxy } from "../../tools/proxy.js";
import { REQUESTS } from "../../tools/scenario.js";
import { onPort, plainTcp } from "./direct.js";
import type { Way } from "./way.js";

export const haproxy: Way[] = (["tcp", "http"] as const).map((mode) => ({
  name: `HAProxy in mode ${mode}`,
  traits: {
    ...plainTcp,
    // A reset, when it had something for the peer by the time it heard of its FIN.
    gone: ["gone", "reset"],
    // It takes the first, finds nobody to give it to, and lets go; the kernel takes the second, as everywhere. While
    // the machine is busy it takes more before it finds out: three were seen.
    repliesTakenForTheGone: REQUESTS - 1,
    countsFromBefore: true,
  },
  ...onPort,
  entrance: (port) => startHaproxy(mode, port),
}));
