/** A server that the drill starts: a child process in a group of its own, so that nothing of it is left behind. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { DrillError, messageOf } from "../errors.js";
import type { Exit, RunningServer } from "./running.js";
import { Tail } from "./tail.js";

/** What is started, and how it is stopped. */
export interface CommandOptions {
  /** The program and its arguments; no shell. */
  command: readonly string[];
  env: NodeJS.ProcessEnv;
  signal: NodeJS.Signals;
}

/** How long output may come behind the exit: a grandchild may hold the pipes. */
const OUTPUT_PATIENCE = 500;

/** Signals that kill our process: what we started goes with it. */
const running = new Set<CommandServer>();

function killAll(): void {
  for (const server of running) server.killGroup();
}

export class CommandServer implements RunningServer {
  readonly exited: Promise<Exit>;
  readonly failed = new Promise<never>(() => {});
  readonly hasProcess = true;
  readonly knowsExitCode = true;
  /** Undefined while it runs. */
  exit: Exit | undefined;

  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #signal: NodeJS.Signals;
  readonly #tail = new Tail();
  readonly #outputRead: Promise<unknown>;

  private constructor(child: ChildProcessByStdio<null, Readable, Readable>, signal: NodeJS.Signals) {
    this.#child = child;
    this.#signal = signal;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => this.#tail.append(chunk));
    }
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, killedBy) => {
        this.exit = { code: code ?? undefined, signal: killedBy ?? undefined, at: performance.now() };
        resolve(this.exit);
      });
    });
    this.#outputRead = once(child, "close");
    this.#outputRead.catch(() => {});
    // Whoever ends this process without more ado must not leave the server behind.
    if (running.size === 0) process.on("exit", killAll);
    running.add(this);
  }

  /** Starts it. Rejects with a DrillError when there is no such program. */
  static async start({ command, env, signal }: CommandOptions): Promise<CommandServer> {
    const [program = "", ...args] = command;
    let child: ChildProcessByStdio<null, Readable, Readable>;
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

  async stop(): Promise<void> {
    // To the process alone, as Kubernetes and Docker do it: what a wrapper passes on is part of the drill.
    this.#child.kill(this.#signal);
  }

  output(): string[] {
    return this.#tail.lines();
  }

  /** What it printed last, as a sentence. */
  lastWords(): string {
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
    this.killGroup();
    await this.exited;
    await this.readOutput();
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
    running.delete(this);
    if (running.size === 0) process.off("exit", killAll);
  }

  /** Waits a moment for the last of its output. */
  async readOutput(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => (timer = setTimeout(resolve, OUTPUT_PATIENCE)));
    await Promise.race([this.#outputRead, patience]);
    clearTimeout(timer);
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
