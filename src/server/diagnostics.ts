/**
 * What the server publishes on Node's `diagnostics_channel`, so that metrics, logs and pages need no hook in the core.
 * Nothing is made or sent while nobody subscribes.
 */
import { channel } from "node:diagnostics_channel";
import type { DrainReport } from "../drain/report.js";
import type { Connection, ConnectionClosed } from "./handler.js";

/** Published on `lastcall:connection`. */
export type ConnectionEvent =
  | { event: "opened"; connection: Connection<unknown> }
  | { event: "closed"; connection: Connection<unknown>; closed: ConnectionClosed };

/** Published on `lastcall:upgrade` when a handshake is refused. */
export interface UpgradeEvent {
  event: "refused";
  status: number;
}

/** Published on `lastcall:drop`: messages passed to `send()` that cannot be delivered. */
export interface DropEvent {
  event: "dropped";
  connection: Connection<unknown>;
  messages: number;
}

/** Published on `lastcall:error`: what `onError` hears of. */
export interface ErrorEvent {
  event: "error";
  error: unknown;
  /** Missing when the error came before there was a connection. */
  connection: Connection<unknown> | undefined;
}

/** Published on `lastcall:drain`. */
export type DrainProgressEvent =
  | { event: "started"; connections: number }
  | { event: "door closed" }
  | { event: "last call" }
  | { event: "forced" }
  | { event: "finished"; report: DrainReport };

const channels = {
  connection: channel("lastcall:connection"),
  upgrade: channel("lastcall:upgrade"),
  drop: channel("lastcall:drop"),
  error: channel("lastcall:error"),
  drain: channel("lastcall:drain"),
};

interface Published {
  connection: ConnectionEvent;
  upgrade: UpgradeEvent;
  drop: DropEvent;
  error: ErrorEvent;
  drain: DrainProgressEvent;
}

/** Publishes what `make` returns, if anyone listens. */
export function publish<Name extends keyof Published>(name: Name, make: () => Published[Name]): void {
  if (channels[name].hasSubscribers) channels[name].publish(make());
}
