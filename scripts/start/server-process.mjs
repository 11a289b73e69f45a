/** The example server as a process of its own, which never outlives this one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const EXAMPLE = new URL("../../examples/server.mjs", import.meta.url);
const END_WITH_PARENT = new URL("end-with-parent.mjs", import.meta.url);

export class ServerProcess {
  /** What it has printed since it listens. @type {string[]} */
  output = [];
  /** Exit code, or the signal that killed it. @type {Promise<number | string>} */
  exit;

  #child;
  #lines;

  /** @param {string[]} args */
  constructor(args) {
    this.#child = spawn(
      process.execPath,
      ["--import", END_WITH_PARENT.href, EXAMPLE.pathname, ...args],
      // In a group of its own, a Ctrl-C meant for us does not reach it: we end it.
      { stdio: ["ignore", "pipe", "inherit", "ipc"], detached: true },
    );
    this.#lines = createInterface({
      input: /** @type {import("node:stream").Readable} */ (this.#child.stdout),
    });
    // 'close' comes when the output is read to its end as well.
    this.exit = once(this.#child, "close").then(([code, signal]) => code ?? signal);
  }

  get pid() {
    return this.#child.pid;
  }

  /**
   * The address it listens on.
   *
   * @returns {Promise<string>}
   */
  async listening() {
    const ended = this.exit.then((exit) => {
      throw new Error(`The server ended (${exit}) before it listened.`);
    });
    const [line] = await Promise.race([once(this.#lines, "line"), ended]);
    ended.catch(() => {});
    const url = /ws:\S+/.exec(line)?.[0];
    if (url === undefined) throw new Error(`The server said '${line}' instead of its address.`);
    this.#lines.on("line", (next) => this.output.push(next));
    return url;
  }

  /** @param {NodeJS.Signals} signal */
  kill(signal) {
    this.#child.kill(signal);
  }
}
