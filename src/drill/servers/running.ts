/** A server under drill, however it was started. */
import { readdirSync, readFileSync } from "node:fs";
import { DrillError, messageOf } from "../errors.js";

/** How a process ended. */
export interface Exit {
  code: number | undefined;
  signal: string | undefined;
  /** On the clock of `performance.now()`. */
  at: number;
}

/** A server that runs. */
export interface RunningServer {
  readonly pid: number | undefined;
  /** Resolves when its process is gone; never for a server whose process nobody knows. */
  readonly exited: Promise<Exit>;
  /** Rejects with a DrillError when telling it to stop has failed, which may show late. */
  readonly failed: Promise<never>;
  /** Whether `exited` can ever resolve. */
  readonly hasProcess: boolean;
  /** Whether it is a child of ours: the code of its exit is known then, and `dispose` kills it. */
  readonly isChild: boolean;
  /** Resolves when whatever tells it to stop has done so. A command or a function of the user's may take its time. */
  readonly told: Promise<void>;
  /** Whether its process had started others that ran when it was told to stop: it may be a wrapper. */
  readonly hadChildren: boolean;
  /** Begins to tell it to stop; false when it had ended before. Throws a DrillError when that is not possible. */
  stop(): boolean;
  /** Lets it stand still until `resume()`, as one that has no processor does; false when that is not possible. */
  pause(): boolean;
  /** Calling it for a server that does not stand still, or is gone, does nothing. */
  resume(): void;
  /** The last lines that it printed. */
  output(): string[];
  /** Processes that the command started and that outlived it. */
  hasOrphans(): boolean;
  /** Ends what the drill has started, whatever its state, and waits until it is gone. */
  dispose(): Promise<void>;
}

/**
 * Sends a signal to one process; false when there is none any more.
 *
 * @throws DrillError when that is not allowed.
 */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw new DrillError(
      "LASTCALL_DRILL_STOP",
      `The process ${pid} cannot be sent ${signal}: ${messageOf(error)}. Run the drill as a user who may.`,
      { cause: error },
    );
  }
}

/** Whether a process has started others that run; false where the system does not say. */
export function hasChildren(pid: number): boolean {
  const threads = `/proc/${pid}/task`;
  try {
    return readdirSync(threads).some((id) => readFileSync(`${threads}/${id}/children`, "utf8") !== "");
  } catch {
    return false;
  }
}
