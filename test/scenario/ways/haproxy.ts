/** HAProxy passes everything on as it comes, in both of its modes: a FIN as a FIN, a reset as a reset. */
import { startHaproxy } from "../../tools/proxy.js";
import { onPort, plainTcp } from "./direct.js";
import type { Way } from "./way.js";

export const haproxy: Way[] = (["tcp", "http"] as const).map((mode) => ({
  name: `HAProxy in mode ${mode}`,
  traits: {
    ...plainTcp,
    // It takes the first, finds nobody to give it to, and lets go; the kernel takes the second, as everywhere.
    repliesTakenForTheGone: 2,
  },
  ...onPort,
  entrance: (port) => startHaproxy(mode, port),
}));
