/** The effects file: the server's own account of what it has executed, one id a line. */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { DrillError, messageOf } from "./errors.js";

/** A request's id, wherever it stands. */
const ID = /lc-[0-9a-z]{4}-\d+/;

/** What an effects file says of a run. */
export interface Effects {
  /** How often each id or number was executed. */
  executions: ReadonlyMap<string, number>;
  /** Whether its last line has no end: its server was stopped while it wrote. */
  endsWithinLine: boolean;
}

/** A file that a server appends to. */
export class EffectsFile {
  readonly path: string;
  readonly isExpected: boolean;
  /** Where this run begins: what stands before it is of other runs. */
  #start = 0;

  /** @param isExpected whether the user says that the server keeps it: then it is told when it does not. */
  constructor(path: string, { isExpected = false } = {}) {
    this.path = path;
    this.isExpected = isExpected;
  }

  /** Whether the server keeps one: it has made the file. */
  get exists(): boolean {
    return existsSync(this.path);
  }

  /**
   * What stands in it now is not of this run.
   *
   * @throws DrillError when it is there and no file.
   */
  begin(): void {
    const stats = statSync(this.path, { throwIfNoEntry: false });
    if (stats !== undefined && !stats.isFile()) throw cannotRead(this.path, "it is no file");
    this.#start = stats?.size ?? 0;
  }

  /**
   * What was executed in this run.
   *
   * @throws DrillError when it cannot be read.
   */
  read(): Effects {
    const executions = new Map<string, number>();
    const lines = this.#text().split("\n");
    // Half an id may look like that of another request: what has no end is not counted.
    const endsWithinLine = lines.pop() !== "";
    for (const line of lines) {
      // A line may be the whole message. Numbers, and ids of a script's making, are its first word.
      const id = ID.exec(line)?.[0] ?? line.trim().split(/\s/, 1)[0];
      if (id) executions.set(id, (executions.get(id) ?? 0) + 1);
    }
    return { executions, endsWithinLine };
  }

  /** What was appended since the run began; the file may hold much more than that. */
  #text(): string {
    try {
      const file = openSync(this.path, "r");
      try {
        const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - this.#start));
        return bytes.toString("utf8", 0, readSync(file, bytes, 0, bytes.length, this.#start));
      } finally {
        closeSync(file);
      }
    } catch (error) {
      throw cannotRead(this.path, messageOf(error), { cause: error });
    }
  }
}

function cannotRead(path: string, why: string, options?: ErrorOptions): DrillError {
  return new DrillError(
    "LASTCALL_DRILL_EFFECTS",
    `The effects file '${path}' cannot be read: ${why}.`,
    options,
  );
}
