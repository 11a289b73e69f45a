import type { DrillResult } from "../result.js";
export function htmlReport(result: DrillResult): string {
  return JSON.stringify(result);
}
export function junitReport(result: DrillResult): string {
  return JSON.stringify(result);
}
