/** The end of what a process prints: bounded, whatever it prints. */
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Readable } from "node:stream";
import { lastLines, LONGEST_TAIL, saying } from "../last-lines.js";
import { within } from "../within.js";

/** How long output may come behind the exit: others may hold the pipes. */
const OUTPUT_PATIENCE = 500;

/** A process whose output is read. */
export type Printing = ChildProcessByStdio<null, Readable, Readable>;

export class Tail {
  readonly #streams: readonly Readable[];
  readonly #closed: Promise<unknown>;
  #text = "";

  constructor(child: Printing) {
    this.#streams = [child.stdout, child.stderr];
    for (const stream of this.#streams) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        this.#text = (this.#text + chunk).slice(-LONGEST_TAIL);
      });
    }
    this.#closed = once(child, "close");
    this.#closed.catch(() => {});
  }

  /** Waits a moment for the last of it, once the process has ended. */
  async rest(): Promise<void> {
    await within(OUTPUT_PATIENCE, this.#closed);
  }

  /** Reads no more of it. */
  end(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  /** The last lines, oldest first. */
  lines(): string[] {
    return lastLines(this.#text);
  }

  /** The end as one line, for an error message. */
  sentence(): string {
    return saying(this.#text);
  }
}

/** The end of a file that a process prints into, however long that is. */
export function endOf(path: string): string {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const end = Buffer.alloc(Math.min(size, LONGEST_TAIL));
    return end.toString("utf8", 0, readSync(file, end, 0, end.length, size - end.length));
  } finally {
    closeSync(file);
  }
}
