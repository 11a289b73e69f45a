/** Prints, behind the results, how often the suite has repeated what it repeats. */
import type { Reporter } from "vitest/node";
import { describeEffort } from "./effort.js";

export default class EffortReporter implements Reporter {
  onTestRunEnd(): void {
    console.log(`\n${describeEffort()}\n`);
  }
}
