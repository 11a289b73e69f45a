/**
 * nginx ends both sides of a WebSocket when either is ended. A peer that ends its side gets no reply any more, and that
 * is nginx' doing: what the server still sends finds nobody.
 */
import { startNginx } from "../../tools/proxy.js";
import { REQUESTS } from "../../tools/scenario.js";
import { onPort, plainTcp } from "./direct.js";
import { certificate } from "./tls.js";
import type { Traits, Way } from "./way.js";

const traits: Traits = {
  ...plainTcp,
  // Whatever the peer did, the server sees a FIN, or a reset when nginx had not read all that came from the server.
  halfClosed: ["gone", "reset"],
  gone: ["gone", "reset"],
  reset: ["gone", "reset"],
  // One, as a rule; like any proxy it may be late to tell.
  repliesTakenForTheGone: REQUESTS - 1,
  countsFromBefore: true,
};

export const nginx: Way[] = [
  {
    name: "nginx",
    traits,
    ...onPort,
    entrance: async (port) => (await startNginx(port, certificate)).clear,
  },
  {
    name: "nginx that ends TLS",
    traits,
    ...onPort,
    entrance: async (port) => ({ port: (await startNginx(port, certificate)).tls, tls: true }),
  },
];
