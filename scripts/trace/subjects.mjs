/** The servers that are traced, and what they are traced at. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** @typedef {import("./tracer.mjs").Action<any>} AnyAction */

/**
 * @typedef {object} Subject
 * @property {URL} directory Where the traced files are.
 * @property {string} written The extension of the files that these were made of.
 * @property {Record<"echo" | "upgrade" | "shutdown", AnyAction>} actions
 */

const root = new URL("../../", import.meta.url);

/** Short, and whole words of the masking key: no server has anything special to do for it. */
const MESSAGE = "sixteen letters.";

/** Messages before the one that is traced: what is made for the first one is there. */
const WARM_MESSAGES = 3;

/** Turns of the event loop in which a server does what is left to do behind what its peer has seen. */
const TURNS = 5;

/** How much longer than by default a server waits: what it does when it has waited enough is no part of an action. */
const PATIENCE = 10;

/** The client in the other thread, which does one thing after the other. */
export class Client {
  #thread = new Worker(new URL("client.mjs", import.meta.url));

  /** @param {number} port */
  connect(port) {
    return this.#order({ connect: port }, "open");
  }

  /** Sends a message and waits for the answer. */
  exchange() {
    return this.#order({ send: MESSAGE }, "message");
  }

  /** Resolves when the connection is closed. To be called before that can be. */
  closed() {
    return this.#hears("close");
  }

  async end() {
    await this.#thread.terminate();
  }

  /** @param {{ connect: number } | { send: string }} order @param {string} answer */
  async #order(order, answer) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    this.#thread.postMessage(order);
    await this.#hears(answer);
  }

  /** @param {string} awaited */
  async #hears(awaited) {
    const [heard] = await once(this.#thread, "message");
    if (heard !== awaited) throw new Error(`The client tells "${heard}" where "${awaited}" is awaited.`);
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * An echo, an upgrade, and a shutdown with one idle client.
 *
 * @template {{ port: number }} Server
 * @param {Client} client
 * @param {() => Promise<Server>} listen
 * @param {(server: Server) => Promise<unknown>} stop
 * @returns {Record<"echo" | "upgrade" | "shutdown", AnyAction>}
 */
function actionsOf(client, listen, stop) {
  async function connect() {
    const server = await listen();
    await client.connect(server.port);
    for (let message = 0; message < WARM_MESSAGES; message++) await client.exchange();
    return server;
  }

  return {
    echo: { prepare: connect, act: () => client.exchange(), settle: stop },
    upgrade: { prepare: listen, act: ({ port }) => client.connect(port), settle: stop },
    shutdown: { prepare: connect, act: stop, settle: () => {} },
  };
}

/** @param {Client} client @returns {Promise<Subject>} */
async function lastcall(client) {
  const { createServer, defaults } = await import("lastcall");
  const { heartbeat, drain } = defaults;
  const options = {
    heartbeat: { interval: PATIENCE * heartbeat.interval, timeout: PATIENCE * heartbeat.timeout },
    drain: {
      deadline: PATIENCE * drain.deadline,
      patience: PATIENCE * drain.patience,
      barrierTimeout: PATIENCE * drain.barrierTimeout,
      handshakeGrace: PATIENCE * drain.handshakeGrace,
      closeTimeout: PATIENCE * drain.closeTimeout,
      lingerTimeout: PATIENCE * drain.lingerTimeout,
    },
  };

  async function listen() {
    const server = createServer(options, async (connection) => {
      for await (const message of connection) connection.send(message);
    });
    const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
    return { server, port };
  }

  return {
    directory: new URL("dist/", root),
    written: ".ts",
    actions: actionsOf(client, listen, ({ server }) => Promise.all([client.closed(), server.shutdown()])),
  };
}

/** @param {Client} client @returns {Promise<Subject>} */
async function ws(client) {
  const { WebSocketServer } = await import("ws");

  async function listen() {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    server.on("connection", (socket) => socket.on("message", (message) => socket.send(String(message))));
    await once(server, "listening");
    return { server, port: /** @type {import("node:net").AddressInfo} */ (server.address()).port };
  }

  /** It neither waits for what is under way nor makes sure of anything: less than a shutdown of ours. */
  async function stop(/** @type {{ server: import("ws").WebSocketServer }} */ { server }) {
    const closed = [client.closed(), once(server, "close")];
    for (const socket of server.clients) socket.close(1012);
    server.close();
    await Promise.all(closed);
  }

  return {
    directory: new URL("node_modules/ws/", root),
    written: ".js",
    actions: actionsOf(client, listen, stop),
  };
}

/** Each starts with the client that it is to use. */
export const subjects = { lastcall, ws };
