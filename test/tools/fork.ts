/** A server in a process of its own: what it tells, the signals it gets, and how it ends. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** How a process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
  /** On the clock of `performance.now()`. */
  at: number;
}

/** What a process told, and when it was heard. */
export type Told<Event> = Event & { at: number };

interface AnyEvent {
  event: string;
}

/** A fixture that runs. `Event` is what it tells, one JSON object a line. */
export class Forked<Event extends AnyEvent> {
  readonly told: Told<Event>[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #events = new EventEmitter().setMaxListeners(0);
  #stderr = "";
  #exit: Exit | undefined;

  constructor(fixture: string, settings: unknown) {
    const path = fileURLToPath(new URL(`../fixtures/${fixture}`, import.meta.url));
    this.#child = spawn(process.execPath, [path, JSON.stringify(settings)], {
      stdio: ["pipe", "pipe", "pipe"],
      // Nothing of the test runner's: it is plain Node.
      env: { PATH: process.env["PATH"] },
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.told.push({ ...(JSON.parse(line) as Event), at: performance.now() });
      this.#events.emit("change");
    });
    this.#child.stderr.on("data", (chunk) => (this.#stderr += String(chunk)));
    let at = 0;
    this.#child.once("exit", () => (at = performance.now()));
    this.#child.once("close", (code, signal) => {
      this.#exit = { code, signal, stderr: this.#stderr, at };
      this.#events.emit("change");
    });
    onTestFinished(async () => {
      this.#child.kill("SIGKILL");
      await this.exited();
    });
  }

  /** Writes to its standard input. */
  write(text: string): void {
    this.#child.stdin.write(text);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the event of this name, at once when it was told before. */
  async tells<Name extends Event["event"]>(name: Name): Promise<Told<Extract<Event, { event: Name }>>> {
    const find = (): Told<Event> | undefined => this.told.find(({ event }) => event === name);
    await this.#until(() => find() !== undefined);
    return find() as Told<Extract<Event, { event: Name }>>;
  }

  /** Resolves when an event of this name has been told so often. */
  toldTimes(name: Event["event"], times: number): Promise<void> {
    return this.#until(() => this.told.filter(({ event }) => event === name).length >= times);
  }

  /** Resolves when the process is gone and all that it told has been heard. */
  async exited(): Promise<Exit> {
    while (this.#exit === undefined) await once(this.#events, "change");
    return this.#exit;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#exit !== undefined) {
        const { code, signal, stderr } = this.#exit;
        throw new Error(`the process ended (${signal ?? code}) before what was waited for:\n${stderr}`);
      }
      await once(this.#events, "change");
    }
  }
}
