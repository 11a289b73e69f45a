/** The clients of a row: `ws`, each from an address of its own. */
import { once } from "node:events";
import { connect } from "node:net";
import { WebSocket } from "ws";
import { answerCalls, HOST, PORT, tell } from "./calls.mjs";

/** @typedef {{ work: number, bytes: number, count: number }} Asked */

class Client {
  /** @type {string[]} */
  #asked = [];
  /** @type {string[]} */
  #answered = [];
  /** @type {number | undefined} */
  #code;

  /** @param {string} address */
  constructor(address) {
    this.address = address;
    this.socket = new WebSocket(`ws://${HOST}:${PORT}`, { localAddress: address, perMessageDeflate: false });
    this.opened = once(this.socket, "open");
    this.socket.on("upgrade", ({ socket }) => (this.tcp = socket));
    this.socket.on("message", (data) => this.#answered.push(JSON.parse(String(data)).id));
    this.socket.on("ping", () => tell("pinged", address));
    this.socket.on("error", () => {});
    this.socket.on("close", (code) => (this.#code = code));
  }

  get hasAnswers() {
    return this.#answered.length === this.#asked.length;
  }

  get isClosed() {
    return this.#code !== undefined;
  }

  /** @param {Asked} asked */
  ask({ count, ...request }) {
    for (let n = 0; n < count; n++) {
      const id = `${this.address} ${this.#asked.length}`;
      this.#asked.push(id);
      this.socket.send(JSON.stringify({ id, ...request }));
    }
  }

  reset() {
    this.tcp?.resetAndDestroy();
  }

  get seen() {
    return { address: this.address, asked: this.#asked, answered: this.#answered, code: this.#code };
  }
}

/**
 * Somebody who comes while the door closes. Resolves with what it saw: "served", "told" (503), "refused" before it was
 * connected, or "reset" behind that.
 *
 * @param {string} localAddress
 * @returns {Promise<string>}
 */
function newcomer(localAddress) {
  return new Promise((resolve) => {
    let saw = "refused";
    const socket = connect({ host: HOST, port: PORT, localAddress });
    socket.on("connect", () => {
      saw = "reset";
      const lines = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
      const head = ["GET / HTTP/1.1", `Host: ${HOST}`, ...lines, `Sec-WebSocket-Key: ${"A".repeat(22)}==`];
      socket.write(`${head.join("\r\n")}\r\n\r\n`);
    });
    socket.on("data", (data) => {
      if (saw === "reset") saw = String(data).startsWith("HTTP/1.1 101 ") ? "served" : "told";
      socket.end();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(saw));
  });
}

/** @type {Map<string, Client>} */
const clients = new Map();
/** @param {(client: Client) => boolean} holds @param {number} limit Milliseconds. */
async function until(holds, limit) {
  const end = performance.now() + limit;
  while (![...clients.values()].every(holds) && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

answerCalls({
  /** @param {string[]} addresses */
  async connect(addresses) {
    for (const address of addresses) clients.set(address, new Client(address));
    await Promise.all([...clients.values()].map(({ opened }) => opened));
  },
  /** @param {Asked} asked */
  ask(asked) {
    for (const client of clients.values()) client.ask(asked);
  },
  async answers() {
    await until(({ hasAnswers }) => hasAnswers, 30_000);
  },
  /** @param {string[]} addresses */
  reset(addresses) {
    for (const address of addresses) clients.get(address)?.reset();
  },
  /**
   * So many newcomers, one after the other, evenly over this time.
   *
   * @param {{ addresses: string[], count: number, over: number }} newcoming
   */
  async newcomers({ addresses, count, over }) {
    const began = performance.now();
    const saw = [];
    for (let n = 0; n < count; n++) {
      const wait = began + (n * over) / count - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      saw.push(newcomer(addresses[n % addresses.length] ?? HOST));
    }
    return Promise.all(saw);
  },
  /**
   * What all have seen, once those that live have seen an end.
   *
   * @param {{ living: string[], limit: number }} whom
   */
  async seen({ living, limit }) {
    await until(({ address, isClosed }) => isClosed || !living.includes(address), limit);
    return [...clients.values()].map(({ seen }) => seen);
  },
});
