/** A server under drill, however it was started. */

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
  /** Whether the exit's code can be known. */
  readonly knowsExitCode: boolean;
  /** Tells it to stop. Rejects with a DrillError when that is not possible. */
  stop(): Promise<void>;
  /** The last lines that it printed. */
  output(): string[];
  /** Processes that the command started and that outlived it. */
  hasOrphans(): boolean;
  /** Ends what the drill has started, whatever its state, and waits until it is gone. */
  dispose(): Promise<void>;
}
