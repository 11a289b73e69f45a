/**
 * Where everybody listens. Clients come to several addresses of this machine, so that tens of thousands of connections
 * in a minute find a port that is free.
 */
export const listening = { host: "0.0.0.0", port: 0, backlog: 4096 };
