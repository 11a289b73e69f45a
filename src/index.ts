/**
 * `lastcall`: a WebSocket server that loses nothing on the way down.
 *
 * @module lastcall
 */
/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
export { createServer, type RunOptions, type Server, type StopSignals } from "./server/server.js";
export type { ServerState } from "./server/premises.js";
export { defaults, type ServerOptions } from "./server/options.js";
export type { DrainProgressEvent, ErrorEvent } from "./server/diagnostics.js";
export type { Connection, ConnectionClosed, Handler, Message, Reply } from "./connection/handler.js";
export { each } from "./connection/each.js";
export type { HeartbeatOptions, InboxLimit } from "./connection/options.js";
export type { ConnectionEvent, DropEvent } from "./connection/diagnostics.js";
export type { ListenPlace, ListenTarget } from "./listen/listen-target.js";
export type {
  Authenticate,
  AuthenticateContext,
  ClientTls,
  ProtocolChoice,
  Verdict,
} from "./listen/options.js";
export type { CompressionOptions } from "./listen/compression-offer.js";
export type { UpgradeEvent } from "./listen/diagnostics.js";
export {
  ConnectionGoneError,
  InvalidOptionError,
  LastcallError,
  ServerStateError,
  UpgradeRejected,
} from "./base/errors.js";
export type { EndCause } from "./drain/cause.js";
export type { ConnectionDrainOptions, DrainOptions } from "./drain/options.js";
export type { CutRequest, DrainReport, TroubledConnection } from "./drain/report.js";
export type { RequestHead } from "./wire/handshake.js";
