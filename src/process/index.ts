/**
 * `lastcall/process`: what connects a server to its process.
 *
 * @module lastcall/process
 */
export { terminationSignals, type TerminationSignals, type TerminationSignalsOptions } from "./signals.js";
