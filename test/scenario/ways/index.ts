/** All ways in, as far as the programs for them are here. */
import { hasHaproxy, hasNginx, hasOpenssl } from "../../tools/debian.js";
import { frameworks } from "./frameworks.js";
import { haproxy } from "./haproxy.js";
import { nginx } from "./nginx.js";
import { tls } from "./tls.js";
import type { Way } from "./way.js";

/** Those beside the plain port, which has tests of its own. */
export const ways: readonly Way[] = [
  ...frameworks,
  ...(hasOpenssl ? tls : []),
  ...(hasHaproxy ? haproxy : []),
  ...(hasNginx && hasOpenssl ? nginx : []),
];
