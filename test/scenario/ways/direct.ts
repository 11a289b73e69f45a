/** A port of the server's own, and plain TCP. */
import type { Traits, Way } from "./way.js";

/** What TCP does, and so everything that leaves it as it is. */
export const plainTcp: Traits = {
  halfClosed: "still reads",
  gone: ["gone"],
  reset: ["reset"],
  // The kernel takes the first; the reset that answers it tells that nobody reads the others.
  repliesTakenForTheGone: 1,
  countsFromBefore: false,
  nodesOwn: [],
};

/** A server on a port of its own, peers that connect to it or to what stands before it. */
export const onPort = {
  host: () => Promise.resolve({ port: 0, host: "127.0.0.1" }),
  fixture: {},
};

export const direct: Way = {
  name: "a port",
  traits: plainTcp,
  ...onPort,
  entrance: (port) => Promise.resolve(port),
};
