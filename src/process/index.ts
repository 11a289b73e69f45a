/**
 * `lastcall/process`: what connects a server to its process.
 *
 * @module lastcall/process
 */
/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
export { terminationSignals, type TerminationSignals, type TerminationSignalsOptions } from "./signals.js";
