/** The effects file: the server's own account of what it has executed, one id a line. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { DrillError, messageOf } from "./errors.js";

/** A file that a server appends to. */
export class EffectsFile {
  readonly path: string;
  /** Where this run begins: what stands before it is of other runs. */
  #start = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Whether the server keeps one: it has made the file. */
  get exists(): boolean {
    return existsSync(this.path);
  }

  /** What stands in it now is not of this run. */
  begin(): void {
    this.#start = this.exists ? statSync(this.path).size : 0;
  }

  /**
   * How often each id or number was executed, in this run.
   *
   * @throws DrillError when it cannot be read.
   */
  read(): Map<string, number> {
    const executions = new Map<string, number>();
    for (const line of this.#lines()) {
      // The id may be the beginning of a longer line, such as the whole message.
      const [id] = line.trim().split(/\s/, 1);
      if (id) executions.set(id, (executions.get(id) ?? 0) + 1);
    }
    return executions;
  }

  #lines(): string[] {
    try {
      return readFileSync(this.path).subarray(this.#start).toString("utf8").split("\n");
    } catch (error) {
      throw new DrillError(
        "LASTCALL_DRILL_EFFECTS",
        `The effects file '${this.path}' cannot be read: ${messageOf(error)}.`,
        { cause: error },
      );
    }
  }
}
