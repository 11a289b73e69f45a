/**
 * What is measured, and how. A workload starts a server of the subject and clients, both fresh, and returns what it saw:
 * `figure` is what is compared, less is better; all else is shown beside it. Times in microseconds, sizes in bytes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "./child.mjs";
import { encodeMasked } from "./frames.mjs";
import { subjects } from "./subjects.mjs";
import { encode } from "./upgrade.mjs";

const TEXT = 1;
const BINARY = 2;
const SECOND = 1_000_000;
/** How long an echo runs before it is measured and while it is, ms. */
const WARM_UP = 1_000;
const MEASURED = 2_500;
/** The same where so few messages come that V8 takes seconds to compile what handles them. */
const SLOW_WARM_UP = 6_000;
const SLOW_MEASURED = 4_000;
/** Who has not finished by then hangs, ms. */
const LIMIT = 420_000;
/** How long memory may settle before it is looked at, ms. */
const SETTLE = 1_500;
const LINE = "Grüße aus Köln, спасибо, 東京は晴れです, and a smile: 😀. ";

/**
 * @typedef {object} Workload
 * @property {string} name
 * @property {string} what is done, in a sentence
 * @property {string} unit of the figure
 * @property {number} rounds
 * @property {(subject: string, context: Context) => Promise<{ figure: number } & Record<string, unknown>>} run
 * @property {string[]} [subjects] when it is not all of them
 * @property {{ ws?: number, uws?: number, floor?: [subject: string, ratio: number, more?: number] }} [targets] ratios
 *   that are not to be passed
 */

/**
 * @typedef {object} Context
 * @property {string} node the path of the node that runs the server; the clients run on the one that runs this
 * @property {string[]} nodeOptions
 */

/** @type {Workload[]} */
export const workloads = [
  {
    ...echo({ connections: 50, window: 32, size: 64 }),
    name: "64 B, pipelined",
    rounds: 5,
    targets: { ws: 0.12, uws: 1, floor: ["framing", 2] },
  },
  {
    ...echo({ connections: 200, window: 1, size: 64 }),
    name: "64 B, closed loop",
    rounds: 5,
    targets: { ws: 0.75, uws: 1.4, floor: ["socket", 1.15] },
  },
  { ...echo({ connections: 50, window: 16, size: 1024 }), name: "1 KiB", rounds: 3 },
  {
    ...echo({ connections: 50, window: 8, size: 8 * 1024 }),
    name: "8 KiB",
    rounds: 5,
    targets: { ws: 0.4, uws: 1.5, floor: ["framing", 1] },
  },
  {
    ...echo({ connections: 20, window: 4, size: 64 * 1024 }),
    name: "64 KiB",
    rounds: 5,
    targets: { ws: 0.55 },
  },
  { ...echo({ connections: 8, window: 2, size: 1024 * 1024 }), name: "1 MiB", rounds: 3 },
  {
    ...echo({ connections: 50, window: 32, text: LINE.repeat(3) }),
    name: "Text that is not ASCII",
    rounds: 3,
  },
  { ...everySecond({ connections: 4_000 }), name: "4 000 connections, one message a second each", rounds: 3 },
  {
    ...broadcast({ connections: 1_000, times: 300 }),
    name: "Broadcast to 1 000",
    rounds: 3,
    targets: { ws: 0.5 },
  },
  { ...broadcast({ connections: 10_000, times: 20 }), name: "Broadcast to 10 000", rounds: 3 },
  {
    ...idle({ connections: 8_000 }),
    name: "Memory of an idle connection",
    rounds: 3,
    targets: { ws: 0.9, floor: ["framing", 1, 2_000] },
  },
  { ...upgrade({ connections: 4_000 }), name: "Upgrade", rounds: 3 },
  {
    ...drainIdle({ connections: 10_000 }),
    name: "Drain of 10 000 idle connections",
    rounds: 3,
    targets: { ws: 1, floor: ["framing", 1.3] },
  },
  {
    ...drainUnderLoad({ connections: 2_000, interval: 250 }),
    name: "Drain under load",
    rounds: 3,
    // Who looks at no frame does not see a Close among requests.
    subjects: Object.keys(subjects).filter((name) => name !== "socket"),
  },
  { ...drainWork(), name: "Drain of 5 × 5 requests of 100 ms", rounds: 5, subjects: ["lastcall-work"] },
  {
    ...soak({ connections: 50, window: 8, size: 1024, minutes: 5 }),
    name: "Five minutes of echo",
    rounds: 1,
    subjects: ["lastcall-for-await"],
  },
];

/**
 * @param {string} subject
 * @param {Context} context
 * @param {{ payload?: Buffer, opcode?: number, most?: number }} message
 * @param {(server: Child, load: Child, port: number) => Promise<any>} measure
 */
async function withBoth(
  subject,
  context,
  { payload = Buffer.alloc(64, "x"), opcode = BINARY, most = 1 },
  measure,
) {
  const execArgv = context.nodeOptions;
  const server = new Child("server.mjs", [subject], { execPath: context.node, execArgv });
  const load = new Child("load.mjs", [], { execArgv: [] });
  const limit = setTimeout(() => {
    server.kill();
    load.kill();
  }, LIMIT);
  try {
    const length = encodeMasked(payload, opcode).length;
    const port = await server.ask("listen", { length, reply: encode(payload, opcode) });
    await load.ask("aim", { payload, opcode, most });
    return await measure(server, load, port);
  } finally {
    clearTimeout(limit);
    await load.end();
    await server.end();
  }
}

/** What the server costs a message while the clients go on: each side by its own clock, so no answer need be prompt. */
async function costOfMessage(server, load, time = MEASURED) {
  await load.ask("reset");
  const [before, countBefore] = await Promise.all([server.ask("cost"), load.ask("count")]);
  await sleep(time);
  const [after, count] = await Promise.all([server.ask("cost"), load.ask("count")]);
  if (count.messages === countBefore.messages) throw new Error("Nothing was answered.");
  const rate = ((count.messages - countBefore.messages) / (count.at - countBefore.at)) * SECOND;
  const busy = (after.cpu - before.cpu) / (after.at - before.at);
  return { figure: (busy / rate) * SECOND, rate, latency: await load.ask("latency") };
}

/** @param {{ connections: number, window: number, size?: number, text?: string }} given */
function echo({ connections, window, size, text }) {
  const payload = text === undefined ? Buffer.alloc(size, "lastcall") : Buffer.from(text);
  const opcode = text === undefined ? BINARY : TEXT;
  const kind =
    text === undefined ? `${size} bytes` : `a text of ${payload.length} bytes, handed over as a string,`;
  return {
    what: `Echo of ${kind} on ${connections} connections, ${window} on the way on each.`,
    unit: "µs of CPU per message",
    run: (subject, context) =>
      withBoth(subject, context, { payload, opcode, most: window }, async (server, load, port) => {
        await load.ask("open", { port, connections });
        if (!(await load.ask("isEcho", { payload }))) throw new Error(`${subject} does not echo.`);
        await load.ask("keepSending", { window });
        await sleep(WARM_UP);
        return costOfMessage(server, load);
      }),
  };
}

/** @param {{ connections: number }} given */
function everySecond({ connections }) {
  return {
    what: "Echo of 64 bytes; the messages are spread over the second.",
    unit: "µs of CPU per message",
    run: (subject, context) =>
      withBoth(subject, context, {}, async (server, load, port) => {
        await load.ask("open", { port, connections });
        await load.ask("sendEvery", { interval: 1_000 });
        await sleep(SLOW_WARM_UP);
        return costOfMessage(server, load, SLOW_MEASURED);
      }),
  };
}

/** @param {{ connections: number, times: number }} given */
function broadcast({ connections, times }) {
  const message = Buffer.alloc(64, "x");
  return {
    what: `One message of 64 bytes to ${connections} connections, ${times} times; the next when all have the one before.`,
    unit: "µs of CPU per message delivered",
    run: (subject, context) =>
      withBoth(subject, context, {}, async (server, load, port) => {
        await load.ask("open", { port, connections });
        let delivered = 0;
        const send = async (count) => {
          for (let index = 0; index < count; index++) {
            await server.ask("broadcast", message);
            await load.ask("received", (delivered += connections));
          }
        };
        await send(Math.ceil(times / 4));
        const before = await server.ask("cost");
        await send(times);
        const after = await server.ask("cost");
        const count = times * connections;
        return { figure: (after.cpu - before.cpu) / count, rate: (count / (after.at - before.at)) * SECOND };
      }),
  };
}

/** @param {{ connections: number }} given */
function idle({ connections }) {
  return {
    what: `${connections} connections on which nothing is sent: resident memory with them less that before the first.`,
    unit: "bytes of resident memory per connection",
    run: (subject, context) =>
      withBoth(subject, context, {}, async (server, load, port) => {
        const before = await server.ask("cost");
        await load.ask("open", { port, connections });
        await sleep(SETTLE);
        const after = await server.ask("cost");
        const used = await afterOneEcho(server, load, connections);
        return {
          figure: (after.resident - before.resident) / connections,
          used: (used.resident - before.resident) / connections,
        };
      }),
  };
}

/** Memory of connections that have been used and are idle again. */
async function afterOneEcho(server, load, connections) {
  await load.ask("send", { count: 1 });
  await load.ask("received", connections);
  await sleep(SETTLE);
  return server.ask("cost");
}

/** @param {{ connections: number }} given */
function upgrade({ connections }) {
  return {
    what: `${connections} connections are opened, 64 at a time.`,
    unit: "µs of CPU per connection",
    run: (subject, context) =>
      withBoth(subject, context, {}, async (server, load, port) => {
        const before = await server.ask("cost");
        const time = await load.ask("open", { port, connections });
        const after = await server.ask("cost");
        return { figure: (after.cpu - before.cpu) / connections, rate: (connections / time) * SECOND };
      }),
  };
}

/** @param {{ connections: number }} given */
function drainIdle({ connections }) {
  return {
    what:
      `${connections} connections on which nothing was sent are closed with 1012 as fast as it goes, and the clients ` +
      "answer: ours with a pace without limit and quiet 0, the others with a loop that closes all.",
    unit: "ms of CPU",
    run: (subject, context) =>
      withBoth(subject, context, {}, async (server, load, port) => {
        await load.ask("open", { port, connections });
        await sleep(SETTLE);
        const { cpu, time } = await server.ask("drain", { pace: Infinity, quiet: 0 });
        return { figure: cpu / 1_000, time };
      }),
  };
}

/** @param {{ connections: number, interval: number }} given */
function drainUnderLoad({ connections, interval }) {
  return {
    what:
      `Each of ${connections} connections sends a request every ${interval} ms, and the server is told to stop: ours ` +
      "with its defaults, the others with a loop that closes all.",
    unit: "µs until the reply, 99th percentile, of requests sent before or during the drain",
    run: (subject, context) =>
      withBoth(subject, context, {}, async (server, load, port) => {
        await load.ask("open", { port, connections });
        await load.ask("sendEvery", { interval });
        await sleep(WARM_UP);
        await load.ask("reset");
        await sleep(WARM_UP);
        const before = await load.ask("latency");
        await load.ask("reset");
        const gone = load.ask("gone");
        const { time } = await server.ask("drain");
        const { unanswered, reset } = await gone;
        const latency = await load.ask("latency");
        // Where nothing was answered there is no such time.
        const figure = latency.count === 0 ? Number.NaN : latency.p99;
        return { figure, before: before.p99, answered: latency.count, unanswered, reset, time };
      }),
  };
}

function drainWork() {
  return {
    what: "5 connections send 5 requests each, and 50 ms later the server is told to stop, with quiet 0.",
    unit: "ms from the end of the last request's work until `shutdown` is done",
    run: (subject, context) =>
      withBoth(subject, context, { most: 5 }, async (server, load, port) => {
        await load.ask("open", { port, connections: 5 });
        await load.ask("send", { count: 5 });
        await sleep(50);
        const { over, served, time } = await server.ask("drain", { quiet: 0 });
        const { unanswered, reset } = await load.ask("gone");
        return { figure: over / 1_000, served, unanswered, reset, time };
      }),
  };
}

/** @param {{ connections: number, window: number, size: number, minutes: number }} given */
function soak({ connections, window, size, minutes }) {
  const payload = Buffer.alloc(size, "lastcall");
  const EVERY = 5_000;
  return {
    what: `Echo of ${size} bytes on ${connections} connections, ${window} on the way on each, for ${minutes} minutes.`,
    unit: "bytes that the heap has grown by",
    run: (subject, context) =>
      withBoth(subject, context, { payload, most: window }, async (server, load, port) => {
        await load.ask("open", { port, connections });
        await server.ask("watchHeap");
        await load.ask("keepSending", { window });
        await load.ask("reset");
        const samples = [];
        const length = (minutes * 60_000) / EVERY;
        while (samples.length < length) {
          await sleep(EVERY);
          samples.push({ ...(await server.ask("heap")), messages: (await load.ask("count")).messages });
        }
        const third = Math.floor(length / 3);
        return { figure: heapOf(samples.slice(-third)) - heapOf(samples.slice(third, 2 * third)), samples };
      }),
  };
}

function heapOf(samples) {
  return median(samples.map(({ lowestHeap }) => lowestHeap));
}

/** @param {number[]} numbers */
export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
