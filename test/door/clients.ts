/** The process of the clients. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ClientSeen, ClientsOrder, ClientsReport } from "./script.js";

const FIXTURE = fileURLToPath(new URL("../fixtures/door/clients.mjs", import.meta.url));

/** Milliseconds on the clock that all processes of a machine share. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export class Clients {
  readonly #child: ChildProcess;
  readonly #reports = new Map<number, (clients: ClientSeen[]) => void>();
  /** Resolves when it runs. */
  readonly ready: Promise<unknown>;
  #worlds = 0;

  constructor() {
    // Nothing of the test runner's: it is plain Node.
    this.#child = fork(FIXTURE, { env: { PATH: process.env["PATH"] }, execArgv: [] });
    this.ready = once(this.#child, "message");
    this.#child.on("message", (message) => {
      if (message === "ready") return;
      const { world, clients } = message as ClientsReport;
      this.#reports.get(world)!(clients);
      this.#reports.delete(world);
    });
  }

  /** Resolves with what the clients have seen when the last of them is gone. */
  play(order: Omit<ClientsOrder, "world">): Promise<ClientSeen[]> {
    const world = ++this.#worlds;
    return new Promise((resolve) => {
      this.#reports.set(world, resolve);
      this.#child.send({ ...order, world });
    });
  }

  async end(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.disconnect();
    await gone;
  }
}
