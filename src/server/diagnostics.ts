/** What a server publishes. */
import { Publisher } from "../base/diagnostics.js";
import type { Connection } from "../connection/handler.js";
import type { DrainReport } from "../drain/report.js";

/** Published on `lastcall:error`: what `onError` hears of. */
export interface ErrorEvent {
  event: "error";
  error: unknown;
  /** Missing when the error came before there was a connection. */
  connection: Connection | undefined;
}

/** Published on `lastcall:drain`. */
export type DrainProgressEvent =
  | { event: "started"; connections: number }
  | { event: "door closed" }
  | { event: "last call" }
  | { event: "forced" }
  | { event: "finished"; report: DrainReport };

export const errorEvents = new Publisher<ErrorEvent>("error");
export const drainEvents = new Publisher<DrainProgressEvent>("drain");
