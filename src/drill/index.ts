/** What `lastcall/drill` exports: a drill from a test runner, with the result that the command reports. */
export { drill } from "./drill.js";
export { drillDefaults, type DrillOptions } from "./options.js";
export { DrillError, type DrillErrorCode } from "./errors.js";
export { profileNames, profiles, type ProfileName } from "./profiles.js";
export type { DrillScript, RequestDetails } from "./dialect.js";
export type { Progress } from "./progress.js";
export type {
  ConnectionResult,
  DrillResult,
  DrillSettings,
  Finding,
  Latency,
  ProcessResult,
  RequestClass,
  RequestResult,
  RunResult,
} from "./result.js";
