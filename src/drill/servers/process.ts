/** A server that runs already and whose process is known by its id. */
import { performance, setInterval, clearInterval } from "../real-timers.js";
import { readFileSync } from "node:fs";
import { atExit } from "../at-exit.js";
import { DrillError } from "../errors.js";
import { hasChildren, signalProcess, type Exit, type RunningServer } from "./running.js";

/** How often is looked whether the process is still there: nobody tells us of a process that is no child. */
const LOOK_EVERY = 20;

export class KnownProcess implements RunningServer {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly failed = new Promise<never>(() => {});
  readonly hasProcess = true;
  readonly isChild = false;
  readonly told = Promise.resolve();
  hadChildren = false;
  readonly #signal: NodeJS.Signals;
  #looking: NodeJS.Timeout | undefined;
  /** Defined while it stands still. */
  #forget: (() => void) | undefined;

  /** @throws DrillError when there is no such process. */
  constructor(pid: number, signal: NodeJS.Signals) {
    this.pid = pid;
    this.#signal = signal;
    if (!isAlive(pid)) {
      throw new DrillError(
        "LASTCALL_DRILL_START",
        `There is no process with the id ${pid}. Give the id of the server that listens at the address.`,
      );
    }
    this.exited = new Promise((resolve) => {
      this.#looking = setInterval(() => {
        if (isAlive(pid)) return;
        clearInterval(this.#looking);
        resolve({ code: undefined, signal: undefined, at: performance.now() });
      }, LOOK_EVERY);
    });
  }

  stop(): boolean {
    this.hadChildren = hasChildren(this.pid);
    return signalProcess(this.pid, this.#signal);
  }

  pause(): boolean {
    // It is no child of ours, and would stand still forever.
    this.#forget ??= atExit(() => this.resume());
    return signalProcess(this.pid, "SIGSTOP");
  }

  resume(): void {
    if (this.#forget === undefined) return;
    this.#forget();
    this.#forget = undefined;
    signalProcess(this.pid, "SIGCONT");
  }

  output(): string[] {
    return [];
  }

  hasOrphans(): boolean {
    return false;
  }

  async dispose(): Promise<void> {
    this.resume();
    clearInterval(this.#looking);
  }
}

/** Whether a process runs. One that has ended and waits for its parent to notice does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // No /proc on this system.
    return true;
  }
}
