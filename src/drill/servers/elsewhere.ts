/** A server that runs somewhere and is stopped by a command of the user's, or by a function. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { DrillError, messageOf } from "../errors.js";
import type { Exit, RunningServer } from "./running.js";
import { Tail } from "./tail.js";

/** A shell command, or a function that stops the server. */
type Stopper = string | (() => unknown);

export class ServerElsewhere implements RunningServer {
  readonly pid = undefined;
  readonly exited = new Promise<Exit>(() => {});
  readonly failed: Promise<never>;
  readonly told: Promise<void>;
  readonly hasProcess = false;
  readonly isChild = false;
  readonly #stop: Stopper;
  #fail!: (error: unknown) => void;
  #markTold!: () => void;
  #tail: Tail | undefined;
  /** The process group of a command that has not ended. */
  #group: number | undefined;
  #ended: Promise<unknown> | undefined;

  constructor(stop: Stopper) {
    this.#stop = stop;
    this.failed = new Promise((_, reject) => (this.#fail = reject));
    this.told = new Promise((resolve) => (this.#markTold = resolve));
  }

  stop(): boolean {
    // Not waited for: it may take as long as the server does.
    const stopping = typeof this.#stop === "string" ? this.#shell(this.#stop) : this.#call(this.#stop);
    stopping.then(this.#markTold, this.#fail);
    return true;
  }

  output(): string[] {
    return this.#tail?.lines() ?? [];
  }

  hasOrphans(): boolean {
    return false;
  }

  async dispose(): Promise<void> {
    this.#tail?.end();
    if (this.#group === undefined) return;
    try {
      process.kill(-this.#group, "SIGKILL");
    } catch {
      // It has ended just now.
    }
    await this.#ended;
  }

  async #shell(line: string): Promise<void> {
    const child = spawn("/bin/sh", ["-c", line], { stdio: ["ignore", "pipe", "pipe"], detached: true });
    const tail = new Tail(child);
    this.#tail = tail;
    this.#group = child.pid;
    // Not its output's end: what it has left in the background, a new server for instance, may hold the pipes.
    this.#ended = once(child, "exit");
    const [code, signal] = (await this.#ended) as [number | null, string | null];
    this.#group = undefined;
    if (code === 0) return;
    await tail.rest();
    throw new DrillError(
      "LASTCALL_DRILL_STOP",
      `The command '${line}', which should stop the server, ended with ${code ?? signal}. ${tail.sentence()}`,
    );
  }

  async #call(stop: () => unknown): Promise<void> {
    try {
      await stop();
    } catch (error) {
      throw new DrillError(
        "LASTCALL_DRILL_STOP",
        `The function that should stop the server threw: ${messageOf(error)}.`,
        { cause: error },
      );
    }
  }
}
