/** TLS on a server of the caller's. What it says to its peers at their end, close_notify, changes nothing of TCP's. */
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTlsServer } from "node:tls";
import { listening } from "../../listen/hosts.js";
import { selfSignedCertificate } from "../../tools/certificate.js";
import { hasOpenssl } from "../../tools/debian.js";
import { plainTcp } from "./direct.js";
import type { Way } from "./way.js";

export const certificate = hasOpenssl ? selfSignedCertificate() : { key: "", cert: "" };

const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
const MODULES = ["https", "tls"] as const;

export const tls: Way[] = VERSIONS.flatMap((version) =>
  MODULES.map((module): Way => {
    const options = { ...certificate, minVersion: version, maxVersion: version };
    return {
      name: `${version} on a server of node:${module}`,
      // Node frees what a socket had of OpenSSL in the turn after its end.
      traits: { ...plainTcp, nodesOwn: ["Immediate"] },
      host: () =>
        module === "https" ? listening(createHttpsServer(options)) : listening(createTlsServer(options)),
      entrance: (port) => Promise.resolve({ port, tls: true }),
      fixture: { [module]: options },
    };
  }),
);
