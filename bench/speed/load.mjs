/**
 * The clients, in a process of their own: raw TCP, so that they cost as little as can be and the same for every server.
 * Like any client they answer Ping and Close, and end when the server does.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { build } from "hdr-histogram-js";
import { answer } from "./child.mjs";
import { Ammunition, encodeMasked, FrameReader } from "./frames.mjs";

const HANDSHAKE =
  "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/** Handshakes at a time. */
const AT_A_TIME = 64;
const ADDRESSES = 4;
/** How often it is looked who is to send now, ms, where each client sends so many times a second. */
const BEAT = 2;

const now = () => performance.now() * 1000;

let latency = newHistogram();
let messages = 0;
/** @type {Client[]} */
const clients = [];
/** @type {Ammunition} */
let ammunition;
let expected = Infinity;
let onExpected = () => {};

/** Microseconds, to a minute. */
function newHistogram() {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
}

class Client {
  #socket;
  #reader = new FrameReader((opcode, payload) => this.#takeControl(opcode, payload));
  /** When what is not answered was sent, and how many with it. */
  #sentAt = [];
  #sentCount = [];
  #refill = false;
  unanswered = 0;
  isClosing = false;
  wasReset = false;

  constructor(socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", () => (this.wasReset = true));
    this.closed = once(socket, "close").catch(() => {});
  }

  /** @param {number} count */
  send(count) {
    this.#socket.write(ammunition.take(count));
    this.#sentAt.push(now());
    this.#sentCount.push(count);
    this.unanswered += count;
  }

  /** Sends as many at once, and one more for each that is answered. */
  keepSending(window) {
    this.#refill = true;
    this.send(window);
  }

  /** Sends one, and returns the payload of the reply. @param {number} length */
  async exchange(length) {
    const chunks = [];
    const collect = (chunk) => chunks.push(chunk);
    this.#socket.on("data", collect);
    this.send(1);
    while (this.unanswered > 0) await once(this.#socket, "data");
    this.#socket.off("data", collect);
    return payloadOf(Buffer.concat(chunks), length);
  }

  #take(chunk) {
    const count = this.#reader.push(chunk);
    if (count === 0) return;
    messages += count;
    if (this.unanswered > 0) this.#takeAnswers(count);
    if (this.#refill && !this.isClosing) this.send(count);
    if (messages >= expected) onExpected();
  }

  #takeAnswers(count) {
    const at = now();
    this.unanswered -= count;
    while (count > 0) {
      const answered = Math.min(count, this.#sentCount[0]);
      latency.recordValueWithCount(Math.max(1, Math.round(at - this.#sentAt[0])), answered);
      count -= answered;
      this.#sentCount[0] -= answered;
      if (this.#sentCount[0] === 0) {
        this.#sentCount.shift();
        this.#sentAt.shift();
      }
    }
  }

  #takeControl(opcode, payload) {
    if (opcode === 10) return;
    if (opcode === 8) this.isClosing = true;
    this.#socket.write(encodeMasked(payload, opcode === 9 ? 10 : 8));
  }
}

/** The payload of the frames of one message. */
function payloadOf(bytes, length) {
  const parts = [];
  for (let position = 0; position < bytes.length;) {
    let size = bytes[position + 1];
    const header = size < 126 ? 2 : size === 126 ? 4 : 10;
    if (size === 126) size = bytes.readUInt16BE(position + 2);
    else if (size === 127) size = bytes.readUInt32BE(position + 6);
    // Some send a Ping between the fragments of a long message.
    const isControl = (bytes[position] & 8) !== 0;
    if (!isControl) parts.push(bytes.subarray(position + header, position + header + size));
    position += header + size;
  }
  return Buffer.concat(parts, length);
}

function open(port, index) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: `127.0.0.${1 + (index % ADDRESSES)}`, noDelay: true });
    socket.on("connect", () => socket.write(HANDSHAKE));
    socket.on("error", reject);
    let head = "";
    socket.on("data", function take(chunk) {
      // Nobody sends anything behind the answer before it was sent something.
      head += chunk.toString("latin1");
      if (!head.endsWith("\r\n\r\n")) return;
      socket.off("data", take);
      socket.off("error", reject);
      if (head.startsWith("HTTP/1.1 101 ")) resolve(new Client(socket));
      else reject(new Error(head));
    });
  });
}

answer({
  /** Opens connections, and returns how long that took, µs. */
  async open({ port, connections }) {
    const start = now();
    let next = 0;
    await Promise.all(
      Array.from({ length: AT_A_TIME }, async () => {
        while (next < connections) {
          const index = next++;
          clients[index] = await open(port, index);
        }
      }),
    );
    return now() - start;
  },

  aim({ payload, opcode, most }) {
    ammunition = new Ammunition(Buffer.from(payload), opcode, most);
  },

  /** Whether a reply is what was sent. */
  async isEcho({ payload }) {
    const reply = await clients[0].exchange(payload.length);
    return reply.equals(payload);
  },

  /** Each sends so many at once, and no more. */
  send({ count }) {
    for (const client of clients) client.send(count);
  },

  /** Each sends a window at once, and one more for each reply. */
  keepSending({ window }) {
    for (const client of clients) client.keepSending(window);
  },

  /** Each sends one message in so many ms, all of them spread over that time; who is told to close stops. */
  sendEvery({ interval }) {
    const start = now();
    let sent = 0;
    setInterval(() => {
      const due = ((now() - start) / 1000 / interval) * clients.length;
      for (; sent < due; sent++) {
        const client = clients[sent % clients.length];
        if (!client.isClosing) client.send(1);
      }
    }, BEAT);
  },

  /** Begins to count anew. */
  reset() {
    latency = newHistogram();
    messages = 0;
  },

  count() {
    return { messages, at: now() };
  },

  latency() {
    const at = (percentile) => latency.getValueAtPercentile(percentile);
    return { count: latency.totalCount, p50: at(50), p99: at(99), p999: at(99.9) };
  },

  /** Waits until so many messages have come since `reset`. */
  received(count) {
    if (messages >= count) return;
    expected = count;
    return new Promise((resolve) => {
      onExpected = () => {
        expected = Infinity;
        resolve();
      };
    });
  },

  /** Waits until all connections are gone. Returns what was sent and not answered, and who was reset. */
  async gone() {
    await Promise.all(clients.map(({ closed }) => closed));
    return {
      unanswered: clients.reduce((sum, { unanswered }) => sum + unanswered, 0),
      reset: clients.filter(({ wasReset }) => wasReset).length,
    };
  },
});
