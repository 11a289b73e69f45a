/** A server that runs somewhere and is stopped by a command of the user's, or by a function. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { atExit } from "../at-exit.js";
import { DrillError, messageOf } from "../errors.js";
import { lastLines, saying } from "../last-lines.js";
import type { Exit, RunningServer } from "./running.js";
import { endOf } from "./tail.js";

/** A shell command, or a function that stops the server. */
type Stopper = string | (() => unknown);

export class ServerElsewhere implements RunningServer {
  readonly pid = undefined;
  readonly exited = new Promise<Exit>(() => {});
  readonly failed: Promise<never>;
  readonly told: Promise<void>;
  readonly hasProcess = false;
  readonly isChild = false;
  readonly hadChildren = false;
  readonly #stop: Stopper;
  #fail!: (error: unknown) => void;
  #markTold!: () => void;
  readonly #outputPath: string;
  /** The process group of a command that has not ended. */
  #group: number | undefined;
  #ended: Promise<unknown> | undefined;

  /** @param outputPath where the command's output goes: a file of ours. */
  constructor(stop: Stopper, outputPath: string) {
    this.#stop = stop;
    this.#outputPath = outputPath;
    this.failed = new Promise((_, reject) => (this.#fail = reject));
    this.told = new Promise((resolve) => (this.#markTold = resolve));
  }

  stop(): boolean {
    // Not waited for: it may take as long as the server does.
    const stopping = typeof this.#stop === "string" ? this.#shell(this.#stop) : this.#call(this.#stop);
    stopping.then(this.#markTold, this.#fail);
    return true;
  }

  pause(): boolean {
    return false;
  }

  resume(): void {}

  output(): string[] {
    return lastLines(this.#output());
  }

  hasOrphans(): boolean {
    return false;
  }

  async dispose(): Promise<void> {
    this.#kill();
    await this.#ended?.catch(() => {});
  }

  #kill(): void {
    if (this.#group === undefined) return;
    try {
      process.kill(-this.#group, "SIGKILL");
    } catch {
      // It has ended just now.
    }
  }

  #output(): string {
    return existsSync(this.#outputPath) ? endOf(this.#outputPath) : "";
  }

  async #shell(line: string): Promise<void> {
    // A file and no pipes: what it leaves in the background, a new server for instance, may write on when we are gone.
    const file = openSync(this.#outputPath, "a");
    const child = spawn("/bin/sh", ["-c", line], { stdio: ["ignore", file, file], detached: true });
    closeSync(file);
    this.#group = child.pid;
    const forget = atExit(() => this.#kill());
    this.#ended = once(child, "exit");
    try {
      const [code, signal] = (await this.#ended) as [number | null, string | null];
      if (code === 0) return;
      throw new Error(`ended with ${code ?? signal}. ${saying(this.#output())}`);
    } catch (error) {
      throw new DrillError(
        "LASTCALL_DRILL_STOP",
        `The command '${line}', which should stop the server, ${messageOf(error)}`,
        { cause: error },
      );
    } finally {
      this.#group = undefined;
      forget();
    }
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
