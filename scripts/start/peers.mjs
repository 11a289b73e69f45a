/** The clients of `npm start`: connections of the `ws` package that send numbered requests and count the replies. */
import { once } from "node:events";
import { WebSocket } from "ws";

/** So many connect at the same time: more would overrun the system's queue of connections to be accepted. */
const CONNECT_AT_ONCE = 100;

export class Peer {
  answered = 0;
  /** A reply that was not the one to the oldest open request. @type {string | undefined} */
  wrongReply;
  /** Once the connection is over. @type {number | undefined} */
  closeCode;
  /** Resolves when the connection is over. @type {Promise<void>} */
  over;

  #socket;
  #number;
  #onChange;

  /**
   * @param {string} url
   * @param {number} number
   * @param {() => void} onChange
   */
  constructor(url, number, onChange) {
    this.#number = number;
    this.#onChange = onChange;
    this.#socket = new WebSocket(url, { perMessageDeflate: false });
    this.#socket.on("message", (data) => this.#onReply(String(data)));
    this.over = new Promise((resolve) => {
      this.#socket.once("close", (code) => {
        this.closeCode = code;
        onChange();
        resolve();
      });
    });
    // What went wrong is in the close code, 1006.
    this.#socket.on("error", () => {});
  }

  /** @param {string} reply */
  #onReply(reply) {
    if (reply === `done: ${this.#request(this.answered)}`) this.answered++;
    else this.wrongReply ??= reply;
    this.#onChange();
  }

  /** @param {number} index */
  #request(index) {
    return `request ${index + 1} of connection ${this.#number}`;
  }

  /** Rejects when the connection cannot be opened. */
  async opened() {
    await once(this.#socket, "open");
  }

  /** @param {number} requests */
  send(requests) {
    for (let index = 0; index < requests; index++) this.#socket.send(this.#request(index));
  }

  leave() {
    this.#socket.terminate();
  }
}

/**
 * Connects, a hundred at a time.
 *
 * @param {string} url
 * @param {number} connections
 * @param {() => void} onChange hears of every reply and every end
 * @returns {Promise<Peer[]>}
 */
export async function connect(url, connections, onChange) {
  /** @type {Peer[]} */
  const peers = [];
  while (peers.length < connections) {
    const some = Array.from(
      { length: Math.min(CONNECT_AT_ONCE, connections - peers.length) },
      (_, index) => new Peer(url, peers.length + index + 1, onChange),
    );
    peers.push(...some);
    await Promise.all(some.map((peer) => peer.opened()));
  }
  return peers;
}
