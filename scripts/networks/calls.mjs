/** Calls from the script to the processes that it starts, by Node's own channel between them. */

/** Where the server is. */
export const HOST = "10.77.0.1";
export const PORT = 9000;

/** @typedef {import("node:child_process").ChildProcess} ChildProcess */

/**
 * In the process that is called: what can be called in it, each with one argument that is JSON.
 *
 * @param {Record<string, (argument: any) => unknown>} functions
 */
export function answerCalls(functions) {
  process.on("message", async (/** @type {{ call: string, argument: unknown }} */ { call, argument }) => {
    process.send?.({ answers: call, value: (await functions[call]?.(argument)) ?? null });
  });
  process.send?.({ answers: "start", value: null });
  process.on("disconnect", () => process.exit());
}

/** @param {string} event @param {unknown} value To whoever asked for `on(event)`. */
export function tell(event, value) {
  process.send?.({ event, value });
}

/** A process that answers calls. */
export class Callee {
  /** @type {Map<string, (value: any) => void>} Who waits for an answer. */
  #waiting = new Map();
  /** @type {Map<string, (value: any) => void>} */
  #listeners = new Map();
  /** @type {Promise<never>} */
  #ended;

  /** @param {ChildProcess} child */
  constructor(child) {
    this.child = child;
    child.on("message", (/** @type {{ answers?: string, event?: string, value: unknown }} */ message) => {
      if (message.event === undefined) this.#waiting.get(String(message.answers))?.(message.value);
      else this.#listeners.get(message.event)?.(message.value);
    });
    this.#ended = new Promise((_, reject) => {
      child.once("exit", () => reject(new Error("A process of the rig ended before it was told to.")));
    });
    this.#ended.catch(() => {});
    this.started = this.#answer("start");
  }

  /**
   * Calls a function; one call of each at a time.
   *
   * @param {string} call
   * @param {unknown} [argument]
   * @returns {Promise<any>}
   */
  call(call, argument) {
    const answer = this.#answer(call);
    this.child.send({ call, argument });
    return answer;
  }

  /** @param {string} event @param {(value: any) => void} listener */
  on(event, listener) {
    this.#listeners.set(event, listener);
  }

  /** @param {string} call @returns {Promise<any>} */
  #answer(call) {
    return Promise.race([this.#ended, new Promise((resolve) => this.#waiting.set(call, resolve))]);
  }
}
