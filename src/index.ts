/**
 * `lastcall`: a WebSocket server that loses nothing on the way down.
 *
 * @module lastcall
 */
export { createServer, type RunOptions, type Server, type ServerState } from "./server/server.js";
export {
  each,
  type Connection,
  type ConnectionClosed,
  type Handler,
  type Message,
  type Reply,
} from "./server/handler.js";
export {
  defaults,
  type HeartbeatOptions,
  type InboxLimit,
  type ProtocolChoice,
  type ServerOptions,
} from "./server/options.js";
export {
  ConnectionGoneError,
  InvalidOptionError,
  LastcallError,
  ServerStateError,
  UpgradeRejected,
} from "./server/errors.js";
export type { CompressionOptions } from "./server/compression.js";
export type { ListenTarget } from "./server/listen-target.js";
export type { DrainOptions } from "./drain/options.js";
export type { DrainReport, TroubledConnection } from "./drain/report.js";
export type { RequestHead } from "./wire/handshake.js";
export type {
  ConnectionEvent,
  DrainProgressEvent,
  DropEvent,
  ErrorEvent,
  UpgradeEvent,
} from "./server/diagnostics.js";
