/** A server that runs somewhere and is stopped by a command of the user's, or by a function. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { DrillError, messageOf } from "../errors.js";
import type { Exit, RunningServer } from "./running.js";
import { Tail } from "./tail.js";

/** A shell command, or a function that stops the server. */
export type Stopper = string | (() => unknown);

export class ServerElsewhere implements RunningServer {
  readonly pid = undefined;
  readonly exited = new Promise<Exit>(() => {});
  readonly failed: Promise<never>;
  readonly hasProcess = false;
  readonly knowsExitCode = false;
  readonly #stop: Stopper;
  readonly #tail = new Tail();
  #fail!: (error: unknown) => void;
  #group: number | undefined;

  constructor(stop: Stopper) {
    this.#stop = stop;
    this.failed = new Promise((_, reject) => (this.#fail = reject));
  }

  async stop(): Promise<void> {
    // Not waited for: it may take as long as the server does.
    const stopping = typeof this.#stop === "string" ? this.#shell(this.#stop) : this.#call(this.#stop);
    stopping.catch(this.#fail);
  }

  output(): string[] {
    return this.#tail.lines();
  }

  hasOrphans(): boolean {
    return false;
  }

  async dispose(): Promise<void> {
    if (this.#group === undefined) return;
    try {
      process.kill(-this.#group, "SIGKILL");
    } catch {
      // It has ended.
    }
  }

  async #shell(line: string): Promise<void> {
    const child = spawn("/bin/sh", ["-c", line], { stdio: ["ignore", "pipe", "pipe"], detached: true });
    this.#group = child.pid;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => this.#tail.append(chunk));
    }
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    this.#group = undefined;
    if (code === 0) return;
    throw new DrillError(
      "LASTCALL_DRILL_STOP",
      `The command '${line}', which should stop the server, ended with ${code ?? signal}. ${this.#tail.sentence()}`,
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
