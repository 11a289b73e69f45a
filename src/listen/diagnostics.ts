/** What the way in publishes. */
import { Publisher } from "../base/diagnostics.js";
import type { RequestHead } from "../wire/handshake.js";

/** Published on `lastcall:upgrade`. `url` and `origin` are undefined when there was no request that could be read. */
export type UpgradeEvent =
  | {
      event: "refused";
      /** The HTTP status of the answer, and the sentence in it. */
      status: number;
      reason: string;
      /** The request target with its query, which may hold secrets. */
      url: string | undefined;
      /** The page that it comes from; undefined too for a client that is no browser. */
      origin: string | undefined;
      /** The address of the socket's other end, which may be a proxy. */
      remoteAddress: string;
    }
  | {
      /** A client was let in without any of the subprotocols that it offers. Most fail then by themselves. */
      event: "no subprotocol";
      offered: readonly string[];
      url: string | undefined;
      origin: string | undefined;
      remoteAddress: string;
    };

export const upgradeEvents = new Publisher<UpgradeEvent>("upgrade");

/** What a client has asked for. */
export function askedFor(request: RequestHead | undefined): Pick<UpgradeEvent, "url" | "origin"> {
  return { url: request?.url, origin: request?.headers["origin"] };
}
