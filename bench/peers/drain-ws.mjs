/**
 * The stop that a careful user of `ws` writes by hand. Fastify, graphql-ws and socket.io stand on `ws`, so it is theirs
 * too. In this order:
 *
 *   1. The door stays open for a moment: closing it resets whoever waits in the system's accept queue. It closes when
 *      a turn of the loop has brought nobody, since Node accepts one connection a turn and turns may be long, and nobody
 *      is in the middle of a handshake any more, or does not come to the end of it.
 *   2. Each client is sent a Ping: its Pong comes behind everything that it had sent before.
 *   3. It is waited for until nothing is in hand and no message has come for a while, so that a client which asks again
 *      as soon as it is answered gets to its end; but not forever.
 *   4. What comes now is not started. What was started is finished, and its reply is sent.
 *   5. Close; the client's Close; and only who does not answer is cut off.
 */
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";

// stop: by hand
const ACCEPT = 250;
const HANDSHAKE = 3_000;
const PONG = 2_000;
const QUIET = 200;
const PATIENCE = 5_000;
const CLOSE = 3_000;
/** For everything behind the closed door. */
const DEADLINE = 11_500;

/**
 * For the server of `ws`, which destroys a connection when so many Pongs of it are not written yet: its default of 60 is
 * reached by a client that sends 2 000 Pings a second when the server is busy for 30 ms.
 */
export const pongs = { maxPendingAutoPongs: 1_000 };

// Nothing of this keeps the process alive: where no client and no work is left, there is nothing to wait for.
const pause = (ms) => sleep(ms, undefined, { ref: false });
const within = (ms, promise) => Promise.race([promise, pause(ms)]);

export class Drain {
  /** Sockets whose handshake is not done. */
  #guests = new Set();
  #clients = new Map();
  #accepted = 0;
  #isShut = false;

  constructor(http) {
    http.on("connection", (socket) => {
      this.#accepted++;
      this.#guests.add(socket);
      socket.once("close", () => this.#guests.delete(socket));
      if (this.#isShut) turnAway(socket);
    });
  }

  /** Takes a client whose handshake is done. `unsent`: whether the library keeps replies from `ws`. */
  welcome(client, socket, unsent = () => false) {
    this.#guests.delete(socket);
    const gone = new Promise((resolve) => void client.once("close", resolve));
    this.#clients.set(client, { pending: 0, activeAt: performance.now(), gone, unsent });
    void gone.then(() => this.#clients.delete(client));
  }

  /** A request has come. */
  begin(client) {
    this.#count(client, 1);
  }

  /** Its reply was passed to `send()`. */
  end(client) {
    this.#count(client, -1);
  }

  async serve(client, task) {
    this.begin(client);
    try {
      await task();
    } finally {
      this.end(client);
    }
  }

  /** Lets in who has come. When it resolves, the listener is to be closed. */
  async lastGuests() {
    await pause(ACCEPT);
    const until = performance.now() + HANDSHAKE;
    let accepted;
    do {
      accepted = this.#accepted;
      if (this.#guests.size > 0) await pause(10);
      // A timer may act before the sockets are looked at; behind two turns they have been.
      await turn();
      await turn();
    } while ((this.#accepted > accepted || this.#guests.size > 0) && performance.now() < until);
  }

  /** Resolves when every client has gone. */
  async goodbyes() {
    this.#isShut = true;
    for (const socket of this.#guests) turnAway(socket);
    const clients = [...this.#clients.keys()];
    await within(DEADLINE, Promise.all(clients.map((client) => this.#goodbye(client))));
    for (const client of clients) client.terminate();
  }

  #count(client, change) {
    const state = this.#clients.get(client);
    // One that has gone is not waited for.
    if (state === undefined) return;
    state.pending += change;
    state.activeAt = performance.now();
  }

  async #goodbye(client) {
    const state = this.#clients.get(client);
    const isOpen = () => client.readyState === client.OPEN;
    const begun = performance.now();
    const roundTrip = await within(PONG, Promise.race([roundTripOf(client), state.gone]));
    // From a client that is far away the next request takes that long.
    const quiet = Math.max(QUIET, 2 * (roundTrip ?? 0));
    const isQuiet = () => state.pending === 0 && performance.now() - state.activeAt > quiet;
    while (isOpen() && !isQuiet() && performance.now() - begun < PATIENCE) await pause(10);

    client.removeAllListeners("message");
    const isUnsent = () => state.pending > 0 || state.unsent() || client.bufferedAmount > 0;
    while (isOpen() && isUnsent() && performance.now() - begun < DEADLINE - CLOSE) await pause(10);

    client.close(1012, "service restart");
    await within(CLOSE, state.gone);
    client.terminate();
  }
}

/** Resolves at the client's Pong. */
function roundTripOf(client) {
  const asked = "last call";
  const askedAt = performance.now();
  return new Promise((resolve) => {
    client.on("pong", (data) => String(data) === asked && resolve(performance.now() - askedAt));
    client.ping(asked);
  });
}

function turnAway(socket) {
  socket.end("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n\r\n");
  socket.setTimeout(CLOSE, () => socket.destroy());
}
// end of stop
