/** Processes that are asked and answer, over the IPC channel of `fork`. */
import { fork } from "node:child_process";
import { once } from "node:events";

/** A process of this bench. */
export class Child {
  #process;
  #name;
  #asked = new Map();
  #number = 0;

  /**
   * @param {string} file a path beside this file
   * @param {string[]} args
   * @param {import("node:child_process").ForkOptions} [options]
   */
  constructor(file, args, options) {
    this.#name = [file, ...args].join(" ");
    this.#process = fork(new URL(file, import.meta.url), args, { serialization: "advanced", ...options });
    this.#process.on("message", ({ number, result, error }) => {
      const { resolve, reject } = this.#asked.get(number);
      this.#asked.delete(number);
      if (error === undefined) resolve(result);
      else reject(new Error(`${this.#name}: ${error}`));
    });
    this.#process.on("exit", (code, signal) => {
      for (const { reject } of this.#asked.values())
        reject(new Error(`${this.#name} ended: ${code ?? signal}.`));
    });
  }

  /**
   * @param {string} what
   * @param {unknown} [given]
   * @returns {Promise<any>}
   */
  ask(what, given) {
    return new Promise((resolve, reject) => {
      this.#asked.set(++this.#number, { resolve, reject });
      this.#process.send({ number: this.#number, what, given });
    });
  }

  kill() {
    this.#process.kill("SIGKILL");
  }

  /** Ends it: by itself, so that it can write a profile first. */
  async end() {
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.disconnect();
    await ended;
  }
}

/**
 * The other side: answers with what the function of that name returns, and ends when its parent does.
 *
 * @param {Record<string, (given: any) => unknown>} answers
 */
export function answer(answers) {
  process.on("message", async ({ number, what, given }) => {
    try {
      process.send({ number, result: await answers[what](given) });
    } catch (error) {
      process.send({ number, error: error.stack });
    }
  });
  process.on("disconnect", () => process.exit());
}
