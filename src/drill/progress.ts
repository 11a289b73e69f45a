/** How far a drill is. */
export interface Progress {
  profile: string;
  /** Counted from 1. */
  repeat: number;
  /** Counted from 1, of all runs. */
  run: number;
  runs: number;
  phase: "starting" | "connecting" | "loading" | "stopping" | "over";
  connections: number;
  opened: number;
  sent: number;
  answered: number;
  /** Connections that are over. */
  ended: number;
  /** Milliseconds since the signal; undefined before it. */
  sinceSignal: number | undefined;
}
