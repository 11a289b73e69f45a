/** What a connection publishes. */
import { Publisher } from "../base/diagnostics.js";
import type { Connection, ConnectionClosed } from "./handler.js";

/** Published on `lastcall:connection`. */
export type ConnectionEvent =
  | { event: "opened"; connection: Connection }
  | { event: "closed"; connection: Connection; closed: ConnectionClosed };

/** Published on `lastcall:drop`: messages passed to `send()` that cannot be delivered. */
export interface DropEvent {
  event: "dropped";
  connection: Connection;
  messages: number;
}

export const connectionEvents = new Publisher<ConnectionEvent>("connection");
export const dropEvents = new Publisher<DropEvent>("drop");
