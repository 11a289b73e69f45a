/**
 * `lastcall/drill`: a drill from a test runner, with the result that the command reports.
 *
 * @module lastcall/drill
 */
/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
export { drill } from "./drill.js";
export { drillDefaults, type DrillOptions } from "./options.js";
export { DrillError, type DrillErrorCode } from "./errors.js";
export { profileNames, type ProfileName } from "./profiles.js";
export { htmlReport, junitReport } from "./report/index.js";
export type { DrillScript, RequestDetails } from "./dialect.js";
export type { Progress } from "./progress.js";
export {
  requestClasses,
  type ConnectionResult,
  type DrillResult,
  type DrillSettings,
  type Finding,
  type Latency,
  type ProcessResult,
  type RequestClass,
  type RequestResult,
  type RunResult,
} from "./result.js";
