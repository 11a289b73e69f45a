/**
 * What the server does for a message, a connection and an end, counted and not timed: writes, buffers, promises, ticks
 * and timers. Nearly all of its speed is in what it does not do, and a figure of time would show that only on a quiet
 * machine. The sockets are in memory, so that a chunk is what the test says and a write is what the server does.
 */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { each, type Connection, type Handler, type Message } from "../../src/index.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { asyncWorkOf, type AsyncWork } from "../tools/async-work.js";
import { MemorySocket } from "../tools/memory-socket.js";
import { gate } from "../tools/serve.js";
import { Allocations } from "../wire/memory.js";
import { closePayload, rawFrame, rawFrames } from "../wire/raw-frame.js";
import { recordingDecoder } from "../wire/recording.js";
import { runBare } from "./bare-connection.js";
import { door, forget } from "../tools/memory-door.js";

/** Messages that a client sends without waiting: as many as in the measurements of an echo. */
const PIPELINED = 32;

/** Well over `MAX_COPIED_PAYLOAD` of src/connection/outbox.ts, and one frame. */
const LARGE = 64 * 1024;

/** The header of a frame of `LARGE` bytes: 2 bytes and a 64-bit length (RFC 6455 §5.2); 4 more from a client. */
const LARGE_HEADER = 10;

/** Connections that are opened one after the other: what only the first ones cost would not show in each of these. */
const CONNECTIONS = 50;

/** Of a connection's end: the machine's only timer (`Ending` in src/connection/ending.ts). */
const TIMERS_PER_END = 1;

/** Of a drain, from the Pong on: the Close has a limit, `closeTimeout`, and FIN one that is nearer, `lingerTimeout`. */
const TIMERS_PER_DRAIN = 2;

const echo: Handler = async (connection) => {
  for await (const message of connection) connection.send(message);
};

/** What `each` comes to for one message at a time, written by hand. */
const echoOneByOne: Handler = async (connection) => {
  const serve = (message: Message): Message => message;
  const messages = connection[Symbol.asyncIterator]();
  for (;;) {
    const { value: message, done } = await messages.next();
    if (done) return;
    connection.send(serve(message));
  }
};

/** Handlers, and what the same takes by hand. */
const HANDLERS: [string, Handler, Handler][] = [
  ["a loop", echo, echo],
  ["each()", each((message) => message), echoOneByOne],
];

/** Bytes as a chunk of their own memory. */
function chunkOf(bytes: Buffer): Buffer<ArrayBuffer> {
  const chunk = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(chunk);
  return chunk;
}

/** So many small text messages in one chunk, and the frames of their echoes. */
function pipelined(count: number): { chunk: Buffer; echoes: Buffer } {
  const payloads = Array.from({ length: count }, (_, index) => `message ${index}`);
  return {
    chunk: chunkOf(rawFrames(...payloads.map((payload) => ({ opcode: Opcode.text, payload })))),
    echoes: rawFrames(...payloads.map((payload) => ({ opcode: Opcode.text, payload, mask: undefined }))),
  };
}

function closeFrame(code: number, reason = ""): Buffer {
  return rawFrame({ opcode: Opcode.close, payload: closePayload(code, reason), mask: undefined });
}

function peersClose(code: number): Buffer {
  return chunkOf(rawFrame({ opcode: Opcode.close, payload: closePayload(code) }));
}

/** The server's Ping with this number, and the Pong that answers it. */
function pingFrame(nonce: number): Buffer {
  return rawFrame({ opcode: Opcode.ping, payload: Buffer.from([0, 0, 0, nonce]), mask: undefined });
}

function peersPong(nonce: number): Buffer {
  return chunkOf(rawFrame({ opcode: Opcode.pong, payload: Buffer.from([0, 0, 0, nonce]) }));
}

async function workOfChunk(socket: MemorySocket, count: number): Promise<AsyncWork> {
  forget(socket);
  const { chunk, echoes } = pipelined(count);
  const work = await asyncWorkOf(() => socket.receive(chunk));
  expect(Buffer.concat(socket.writes.flat()), "what was measured is an echo").toEqual(echoes);
  return work;
}

describe("small messages that come in one chunk", () => {
  test.for(HANDLERS)("are answered with one write by a handler that is %s", async ([, handler]) => {
    const socket = await (await door(handler)).open();
    const { chunk, echoes } = pipelined(PIPELINED);
    socket.receive(chunk);
    await socket.written(1);
    // In the first write there is everything already.
    expect(Buffer.concat(socket.writes[0]!)).toEqual(echoes);
    expect(socket.writes).toHaveLength(1);
    expect(socket.corks).toBe(0);
  });

  test.for(HANDLERS)(
    "cost a handler that is %s no more promises than on a bare iterator",
    async ([, handler, byHand]) => {
      const socket = await (await door(handler)).open();
      const bare = runBare(byHand);
      for (const count of [1, PIPELINED]) {
        const work = await workOfChunk(socket, count);
        const bareWork = await workOfChunk(bare, count);
        expect(bareWork.promises).toBeGreaterThanOrEqual(count);
        expect(work.promises, `for ${count}`).toBeLessThanOrEqual(bareWork.promises);
      }
    },
  );

  test.for(HANDLERS)(
    "cost a handler that is %s one flush's ticks, and no timer",
    async ([, handler, byHand]) => {
      const socket = await (await door(handler)).open();
      const bare = runBare(byHand);
      const one = await workOfChunk(socket, 1);
      const all = await workOfChunk(socket, PIPELINED);
      const bareOne = await workOfChunk(bare, 1);
      expect(all.ticks).toBe(one.ticks);
      // The stream makes some of its own: one of ours is what is left.
      expect(one.ticks).toBeLessThanOrEqual(bareOne.ticks);
      expect(all).toMatchObject({ timeouts: 0, immediates: 0 });
    },
  );
});

describe("a message of 64 KiB", () => {
  const payload = Buffer.alloc(LARGE, "0123456789");

  /** A connection to an echo, and the memory of what its handler was given. */
  async function recorded(): Promise<{ socket: MemorySocket; given: ArrayBufferLike[] }> {
    const given: ArrayBufferLike[] = [];
    const { open } = await door(async (connection) => {
      for await (const message of connection) {
        given.push((message as Buffer).buffer);
        connection.send(message);
      }
    });
    return { socket: await open(), given };
  }

  /** Bytes that Buffers are made with for the work and what follows from it, and for nothing else. */
  async function bytesMadeBy(work: () => void): Promise<number> {
    let allocations: Allocations | undefined;
    await asyncWorkOf(() => {
      allocations = new Allocations();
      work();
    });
    return allocations!.bytes;
  }

  test("that lies in one chunk is echoed from where it is, in one write of header and payload", async () => {
    const { socket, given } = await recorded();
    const chunk = chunkOf(rawFrame({ opcode: Opcode.binary, payload }));
    expect(await bytesMadeBy(() => socket.receive(chunk))).toBe(LARGE_HEADER);
    expect(socket.writes).toHaveLength(1);
    expect(socket.corks).toBe(1);
    const [header, body, ...others] = socket.writes[0]!;
    expect(others).toEqual([]);
    expect(header!.length).toBe(LARGE_HEADER);
    expect(body!.equals(payload)).toBe(true);
    expect(given).toHaveLength(1);
    expect(given[0]).toBe(chunk.buffer);
    expect(body!.buffer).toBe(chunk.buffer);
  });

  test("that comes in two chunks, as a kernel hands it over, is copied once to put it together", async () => {
    const { socket, given } = await recorded();
    const bytes = rawFrame({ opcode: Opcode.binary, payload });
    const chunks = [chunkOf(bytes.subarray(0, LARGE)), chunkOf(bytes.subarray(LARGE))];
    const bytesMade = await bytesMadeBy(() => chunks.forEach((chunk) => socket.receive(chunk)));
    expect(bytesMade).toBe(LARGE + LARGE_HEADER);
    expect(socket.writes).toHaveLength(1);
    expect(socket.writes[0]!.map(({ length }) => length)).toEqual([LARGE_HEADER, LARGE]);
    expect(socket.writes[0]![1]!.equals(payload)).toBe(true);
    expect(socket.writes[0]![1]!.buffer).toBe(given[0]);
  });
});

describe("a broadcast", () => {
  const PEERS = 8;
  const large = Buffer.alloc(LARGE, 1);

  test.for([
    ["a short text", "to all", 1],
    ["a long text", "to all ".repeat(LARGE / 8), 2],
    ["64 KiB", large, 2],
  ] as const)(
    "of %s is encoded once, and one write for each connection",
    async ([, message, buffersOfOne]) => {
      const { server, open } = await door(echo);
      const sockets = [];
      for (let index = 0; index < PEERS; index++) sockets.push(await open());
      const work = await asyncWorkOf(() => expect(server.broadcast(message)).toBe(PEERS));
      expect(sockets.map(({ writes }) => writes.length)).toEqual(sockets.map(() => 1));
      const buffers = new Set(sockets.flatMap(({ writes }) => writes[0]!));
      expect(buffers.size).toBe(buffersOfOne);
      expect(Buffer.concat([...buffers])).toEqual(
        encodeFrame(typeof message === "string" ? Opcode.text : Opcode.binary, message),
      );
      if (message === large) expect([...buffers][1]!.buffer).toBe(large.buffer);
      expect(work).toMatchObject({ promises: 0, timeouts: 0, immediates: 0 });
    },
  );
});

describe("a connection that is idle", () => {
  test("has no timer, and no promise beside those of its handler", async () => {
    const { server, enter, open } = await door(echo);
    await open();
    const work = await asyncWorkOf(() => {
      for (let index = 0; index < CONNECTIONS; index++) enter();
    });
    const bareWork = await asyncWorkOf(() => {
      for (let index = 0; index < CONNECTIONS; index++) runBare(echo);
    });
    expect(server.connections.size).toBe(CONNECTIONS + 1);
    expect(bareWork.promises).toBeGreaterThanOrEqual(CONNECTIONS);
    expect(work.promises).toBeLessThanOrEqual(bareWork.promises);
    // Those of the handshakes, which are gone by now.
    expect(work.timeouts).toBeLessThanOrEqual(CONNECTIONS);
    expect(work).toMatchObject({ timeoutsLeft: 0, immediates: 0 });
  });

  test("has no signal until its handler asks for one", async () => {
    let made = 0;
    const Original = AbortController;
    vi.stubGlobal(
      "AbortController",
      class extends Original {
        constructor() {
          super();
          made++;
        }
      },
    );
    onTestFinished(() => void vi.unstubAllGlobals());
    const { server, open } = await door(echo);
    const ofServer = made;
    for (let index = 0; index < CONNECTIONS; index++) await open();
    expect(made - ofServer).toBe(0);
    for (const connection of server.connections) void [connection.signal, connection.draining];
    expect(made - ofServer).toBe(2 * CONNECTIONS);
  });
});

describe("a close", () => {
  /** A connection whose handler waits for the test. */
  async function waiting(): Promise<{ socket: MemorySocket; connection: Connection; finish: () => void }> {
    const finished = gate();
    const { server, open } = await door(() => finished.passed);
    onTestFinished(() => finished.open());
    const socket = await open();
    return { socket, connection: [...server.connections][0]!, finish: () => finished.open() };
  }

  /** The least that it takes on a stream: a write in the next tick, and then FIN in the tick behind the peer's Close. */
  async function bareEnd(): Promise<{ closing: AsyncWork; ending: AsyncWork }> {
    const socket = new MemorySocket();
    socket.on("data", () => process.nextTick(() => socket.end()));
    await asyncWorkOf(() => {});
    const closing = await asyncWorkOf(() => process.nextTick(() => socket.write(closeFrame(1000), () => {})));
    const ending = await asyncWorkOf(() => socket.receive(peersClose(1000)));
    expect(socket.ended).toBe(true);
    return { closing, ending };
  }

  test.for(["its handler returns", "close() is called"] as const)(
    "goes out in one write when %s, and FIN follows the peer's Close before the event loop turns",
    async (how) => {
      const { socket, connection, finish } = await waiting();
      const closing = await asyncWorkOf(() =>
        how === "close() is called" ? connection.close(1000) : finish(),
      );
      expect(socket.writes).toEqual([[closeFrame(1000)]]);
      expect(socket.ended).toBe(false);

      const ending = await asyncWorkOf(() => socket.receive(peersClose(1000)));
      expect(socket.ended).toBe(true);
      expect(socket.writes).toHaveLength(1);
      expect(closing.timeouts + ending.timeouts).toBe(TIMERS_PER_END);
      expect(closing.immediates + ending.immediates).toBe(0);

      const bare = await bareEnd();
      expect(closing.ticks).toBeLessThanOrEqual(bare.closing.ticks);
      expect(ending.ticks).toBeLessThanOrEqual(bare.ending.ticks);
    },
  );

  test("goes out in one write with the replies before it", async () => {
    const { open } = await door(async (connection) => {
      for await (const message of connection) {
        connection.send(message);
        if (message === `message ${PIPELINED - 1}`) return;
      }
    });
    const socket = await open();
    const { chunk, echoes } = pipelined(PIPELINED);
    await asyncWorkOf(() => socket.receive(chunk));
    expect(socket.writes.map((buffers) => Buffer.concat(buffers))).toEqual([
      Buffer.concat([echoes, closeFrame(1000)]),
    ]);
  });

  test("of the peer is answered, and FIN sent, before the event loop turns", async () => {
    const socket = await (await door(echo)).open();
    const work = await asyncWorkOf(() => socket.receive(peersClose(1001)));
    expect(socket.writes).toEqual([[closeFrame(1001)]]);
    expect(socket.ended).toBe(true);
    expect(work).toMatchObject({ timeouts: TIMERS_PER_END, immediates: 0 });
  });
});

describe("a drain with `quiet: 0`", () => {
  test("writes only a Ping and a Close to a connection that is idle, and then FIN", async () => {
    const { server, open } = await door(echo);
    const socket = await open();
    const down = server.shutdown({ quiet: 0 });
    await socket.written(1);
    expect(socket.writes).toEqual([[pingFrame(1)]]);

    const afterPong = await asyncWorkOf(() => socket.receive(peersPong(1)));
    expect(socket.writes.slice(1)).toEqual([[closeFrame(1012, "service restart")]]);
    expect(socket.ended).toBe(false);

    const afterClose = await asyncWorkOf(() => socket.receive(peersClose(1012)));
    expect(socket.ended).toBe(true);
    expect(afterPong.timeouts + afterClose.timeouts).toBeLessThanOrEqual(TIMERS_PER_DRAIN);
    expect(afterPong.immediates + afterClose.immediates).toBe(0);
    socket.receiveEnd();
    expect((await down).outcome).toBe("clean");
    expect(socket.writes).toHaveLength(2);
  });
});

describe("a drain", () => {
  test("sets no timer for a message, and asks for quiet in the write of its reply", async () => {
    // Its limits are far off, and the wait for quiet is the nearest of them: what moves with each message.
    const limits = { quiet: 10_000, patience: 20_000, barrierTimeout: 60_000 };
    const { server, open } = await door(echo);
    const socket = await open();
    void server.shutdown(limits);
    await socket.written(1);
    await asyncWorkOf(() => socket.receive(peersPong(1)));
    for (const nonce of [2, 3, 4]) {
      forget(socket);
      const { chunk, echoes } = pipelined(PIPELINED);
      const served = await asyncWorkOf(() => socket.receive(chunk));
      const asked = await asyncWorkOf(() => socket.receive(peersPong(nonce)));
      const written = socket.writes.map((buffers) => Buffer.concat(buffers));
      expect(written).toEqual([Buffer.concat([echoes, pingFrame(nonce)])]);
      expect(served).toMatchObject({ timeouts: 0, immediates: 0 });
      expect(asked).toMatchObject({ timeouts: 0, immediates: 0 });
    }
  });
});

describe("the decoder", () => {
  test("hands binary messages out as views of the chunk that they lie in", () => {
    const lengths = [1, 5, 63, 64, 125, 126, 1000, LARGE];
    const payloads = lengths.map((length) => Buffer.alloc(length, "0123456789"));
    const chunk = chunkOf(rawFrames(...payloads.map((payload) => ({ opcode: Opcode.binary, payload }))));
    const { decoder, found } = recordingDecoder();
    const allocations = new Allocations();
    decoder.push(chunk);
    expect(allocations.bytes).toBe(0);
    const messages = found.map((event) => (event as { data: Buffer }).data);
    expect(messages.map(({ length }) => length)).toEqual(lengths);
    for (const [index, message] of messages.entries()) {
      expect(message.buffer).toBe(chunk.buffer);
      expect(message.equals(payloads[index]!)).toBe(true);
    }
  });
});
