/**
 * A way by which peers come to the server: straight to a port, through TLS, on the HTTP server of a framework, through
 * a proxy. Another one is an entry in `ways`.
 */
import type { ListenTarget } from "../../../src/index.js";
import type { Target } from "../../tools/raw-client.js";

/** Why the report names a connection that left before its replies. */
export type Leaving = "gone" | "reset";

/** What a way does to peers that go without Close. All of it was seen before it was written down, and is asserted. */
export interface Traits {
  /** What a peer is for the server that ends its side of TCP and still reads: one that still reads, or one that left. */
  halfClosed: "still reads" | readonly Leaving[];
  /** What one is that has closed both sides. */
  gone: readonly Leaving[];
  /** What one is that has reset. */
  reset: readonly Leaving[];
  /**
   * How many replies to a peer that has closed both sides may be taken by a kernel or a proxy, and so count as
   * delivered, before the server hears that nobody reads them.
   */
  repliesTakenForTheGone: number;
  /**
   * A reply from right before the stop may turn out to be undeliverable right after it, and then counts among those of
   * the drain.
   */
  countsFromBefore: boolean;
  /** What Node itself may have running for a turn when the server is down, in the words of `getActiveResourcesInfo`. */
  nodesOwn: readonly string[];
}

export interface Way {
  name: string;
  traits: Traits;
  /** What the server listens on. */
  host(): Promise<ListenTarget>;
  /** Where its peers connect, once it listens on this port. */
  entrance(port: number): Promise<Target>;
  /** What the fixture `scenario-server.mjs` is told, to listen on the same in a process of its own. */
  fixture: Record<string, unknown>;
}
