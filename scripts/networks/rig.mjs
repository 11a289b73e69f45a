/** Two network namespaces, a server in one, its clients in the other, and the link between them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Callee } from "./calls.mjs";

/**
 * A link. Times are in milliseconds.
 *
 * @typedef {object} LinkOptions
 * @property {number} roundTrip
 * @property {number} [loss] The share of packets that is lost, each way.
 * @property {number} [late] The share that comes later by half a round trip: others overtake it.
 * @property {number} [rate] Bytes a second, each way, for each client; none: as fast as the machine.
 */

/** A packet that would wait longer than this for its turn is dropped, as a router does it. */
const BUFFER = 500;

/** @param {string} name */
function fileHere(name) {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** A program in a network namespace of its own. @param {string} name */
function inNamespace(name) {
  return new Callee(
    spawn("unshare", ["--net", process.execPath, fileHere(name)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    }),
  );
}

export class Rig {
  server = inNamespace("server.mjs");
  clients = inNamespace("clients.mjs");
  /** @type {import("node:child_process").ChildProcessByStdio<import("node:stream").Writable,
   *   import("node:stream").Readable, null> | undefined} */
  #link;
  /** @type {AsyncIterator<string> | undefined} */
  #lines;

  /** @param {number} count How many clients. */
  constructor(count) {
    this.addresses = Array.from({ length: count }, (_, n) => `10.77.1.${n + 1}`);
  }

  /** @param {LinkOptions} options @param {number} seed */
  async start({ roundTrip, loss = 0, late = 0, rate = 0 }, seed) {
    await Promise.all([this.server.started, this.clients.started]);
    const delay = roundTrip / 2 / 1_000;
    const specification = {
      server: this.server.child.pid,
      clients: this.clients.child.pid,
      count: this.addresses.length,
      seed,
      delay,
      loss,
      late: { share: late, by: delay },
      rate,
      buffer: BUFFER / 1_000,
    };
    this.#link = spawn("python3", [fileHere("link.py"), JSON.stringify(specification)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface(this.#link.stdout)[Symbol.asyncIterator]();
    await this.#line();
  }

  /**
   * Tells the link what it is to be from now on.
   *
   * @param {"down" | "up" | "gone" | "back"} command All of it, or for these clients.
   * @param {readonly string[]} addresses
   */
  async link(command, addresses = []) {
    this.#link?.stdin.write(`${[command, ...addresses].join(" ")}\n`);
    await this.#line();
  }

  /** Ends everything. Resolves with what became of the packets. */
  async end() {
    const ended = [this.server.child, this.clients.child].map((child) => once(child, "exit"));
    this.#link?.stdin.end();
    const packets = JSON.parse(await this.#line());
    this.server.child.kill("SIGKILL");
    this.clients.child.kill("SIGKILL");
    await Promise.all(ended);
    return packets;
  }

  /** The link's next line. */
  async #line() {
    const line = await this.#lines?.next();
    if (line?.value === undefined) throw new Error("The link has ended.");
    return line.value;
  }
}
