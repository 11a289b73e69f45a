/** A server that the drill starts: a child process in a group of its own, so that nothing of it is left behind. */
import { performance } from "../real-timers.js";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { atExit } from "../at-exit.js";
import { DrillError, messageOf } from "../errors.js";
import { within } from "../within.js";
import { hasChildren, signalProcess, type Exit, type RunningServer } from "./running.js";
import { Tail, type Printing } from "./tail.js";

/** What is started, and how it is stopped. */
export interface CommandOptions {
  /** The program and its arguments; no shell. */
  command: readonly string[];
  env: NodeJS.ProcessEnv;
  signal: NodeJS.Signals;
}

/** How long is waited for a process that was killed: one of another user cannot be. */
const KILL_PATIENCE = 2_000;

export class CommandServer implements RunningServer {
  readonly exited: Promise<Exit>;
  readonly failed = new Promise<never>(() => {});
  readonly hasProcess = true;
  readonly isChild = true;
  readonly told = Promise.resolve();
  hadChildren = false;
  /** Undefined while it runs. */
  exit: Exit | undefined;

  readonly #child: Printing;
  readonly #signal: NodeJS.Signals;
  readonly #tail: Tail;
  /** Undefined when it is disposed of. */
  #forget: (() => void) | undefined;

  private constructor(child: Printing, signal: NodeJS.Signals) {
    this.#child = child;
    this.#signal = signal;
    this.#tail = new Tail(child);
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, killedBy) => {
        this.exit = { code: code ?? undefined, signal: killedBy ?? undefined, at: performance.now() };
        resolve(this.exit);
      });
    });
    this.#forget = atExit(() => this.killGroup());
  }

  /** Starts it. Rejects with a DrillError when there is no such program. */
  static async start({ command, env, signal }: CommandOptions): Promise<CommandServer> {
    const [program = "", ...args] = command;
    let child: Printing;
    try {
      child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
      await once(child, "spawn");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const why =
        code === "ENOENT"
          ? "there is no such program"
          : code === "EACCES"
            ? "it may not be executed"
            : messageOf(error);
      throw new DrillError(
        "LASTCALL_DRILL_START",
        `The command '${command.join(" ")}' does not start: ${why}. Give a program and its arguments behind '--'.`,
        { cause: error },
      );
    }
    return new CommandServer(child, signal);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  stop(): boolean {
    this.hadChildren = hasChildren(this.#child.pid!);
    // To the process alone, as Kubernetes and Docker do it: what a wrapper passes on is part of the drill.
    return this.exit === undefined && signalProcess(this.#child.pid!, this.#signal);
  }

  pause(): boolean {
    // All that it has started with it: a worker would go on accepting.
    return this.exit === undefined && this.#signalGroup("SIGSTOP");
  }

  resume(): void {
    // Not when it is disposed of: its number may be that of another group.
    if (this.#forget !== undefined) this.#signalGroup("SIGCONT");
  }

  output(): string[] {
    return this.#tail.lines();
  }

  /** What it printed last, as a sentence. */
  async lastWords(): Promise<string> {
    if (this.exit !== undefined) await this.#tail.rest();
    return this.#tail.sentence();
  }

  hasOrphans(): boolean {
    return this.exit !== undefined && this.#signalGroup(0);
  }

  /** SIGKILL to it and all that it has started. */
  killGroup(): void {
    this.#signalGroup("SIGKILL");
  }

  async dispose(): Promise<void> {
    // Once: its number may be that of another group later.
    if (this.#forget === undefined) return;
    this.#forget();
    this.#forget = undefined;
    this.killGroup();
    await within(KILL_PATIENCE, this.exited);
    if (this.exit === undefined) this.#child.unref();
    else await this.#tail.rest();
    this.#tail.end();
  }

  /** Whether there was a process to get it. */
  #signalGroup(signal: NodeJS.Signals | 0): boolean {
    try {
      // A group outlives its first process as long as others are in it.
      process.kill(-this.#child.pid!, signal);
      return true;
    } catch {
      return false;
    }
  }
}
