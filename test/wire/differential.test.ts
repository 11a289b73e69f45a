/**
 * Our decoder and that of `ws` are given the same random streams and must find the same in them.
 *
 *   FUZZ_STREAMS=5000000    how many streams (default: see test/tools/effort.ts)
 *   FUZZ_SEED=1 FUZZ_FROM=2 where to begin: what a failure prints runs it again
 */
import { randomInt } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { Decoder } from "../../src/wire/decoder.js";
import { repetitions } from "../tools/effort.js";
import { ms } from "../tools/timing.js";
import { Random } from "./random.js";
import { randomStream, type RandomStream } from "./random-stream.js";
import { rawFrame } from "./raw-frame.js";
import { RecordingSink, SERVER_OPTIONS, decode, essence, type Found } from "./recording.js";
import { WsDecoder } from "./ws-receiver.js";

const STREAMS = repetitions.streams;
const SEED = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
const FROM = Number(process.env["FUZZ_FROM"] ?? 0);

/** Reserved bits that are never allowed: whatever follows the end of a frame, this breaks it. */
const FILLER = 0xff;

const TOP_BIT_SET = "a frame length whose most significant bit is set";

/** A copy at any of four alignments, for unmasking takes another way at each. */
function copyAt(alignment: number, chunk: Buffer): Buffer {
  const memory = Buffer.allocUnsafe(alignment + chunk.length);
  chunk.copy(memory, alignment);
  return memory.subarray(alignment);
}

function countBeforeViolation(found: readonly Found[]): number {
  return found.at(-1)?.type === "violation" ? found.length - 1 : found.length;
}

/** Those that tests of their own state, below: random bytes come upon them as well. */
function isKnownDifference(ours: readonly Found[], theirs: readonly Found[]): boolean {
  const [our, their] = [ours.at(-1), theirs.at(-1)];
  if (our?.type !== "violation") return false;
  return (
    isAhead(ours, theirs) ||
    (our.explanation === TOP_BIT_SET && their?.type === "violation" && their.code === 1009)
  );
}

/** We refuse text with the piece that is wrong. `ws` goes on until it is whole, or something behind it is wrong as well. */
function isAhead(ours: readonly Found[], theirs: readonly Found[]): boolean {
  const last = ours.at(-1);
  if (last?.type !== "violation" || last.code !== 1007) return false;
  return theirs.slice(ours.length - 1).every(({ type }) => type !== "text" && type !== "binary");
}

/** Runs a stream through both; what they found, or the reason why that is not the same. */
function compare({ options, chunks }: RandomStream, random: Random): { found: Found[]; difference?: string } {
  const { found, ...ours } = startOurs(options);
  const theirs = new WsDecoder(options);
  for (const [index, chunk] of chunks.entries()) {
    ours.decoder.push(copyAt(random.below(4), chunk));
    theirs.push(Buffer.from(chunk));
    // A message is due with its last byte. Only refusals may come at different times: see below.
    if (isAhead(found, theirs.found)) continue;
    if (countBeforeViolation(found) !== countBeforeViolation(theirs.found)) {
      return { found, difference: `after chunk ${index}\n${tell(found, theirs.found)}` };
    }
  }
  if (ours.decoder.finished !== theirs.finished) {
    // We refuse one fragment too many by its header, `ws` when it is whole; with half a close code it is the other
    // way round. So the frame that the stream was cut in is completed.
    const filler = Buffer.alloc(options.maxPayload + 14, FILLER);
    ours.decoder.push(Buffer.from(filler));
    theirs.push(filler);
  }
  const [our, their] = [essence(found), essence(theirs.found)];
  if (isKnownDifference(found, theirs.found)) their.splice(our.length - 1, Infinity, our.at(-1)!);
  const same = our.length === their.length && our.every((event, index) => event === their[index]);
  return same ? { found } : { found, difference: tell(found, theirs.found) };
}

function startOurs(options: RandomStream["options"]): { decoder: Decoder; found: Found[] } {
  const sink = new RecordingSink();
  return { decoder: new Decoder(sink, options), found: sink.found };
}

function tell(found: readonly Found[], theirs: readonly Found[]): string {
  return `ours: ${JSON.stringify(essence(found))}\n  ws: ${JSON.stringify(essence(theirs))}`;
}

function describeStream({ options, chunks }: RandomStream): string {
  return `${JSON.stringify(options)}\n${chunks.map((chunk) => chunk.toString("hex")).join(" ")}`;
}

/** How often each thing was found, so that a generator that has dried up is seen. */
class Census {
  readonly counts = new Map<string, number>();

  add(found: readonly Found[]): void {
    for (const event of found) this.#count(event.type === "violation" ? String(event.code) : event.type);
    const last = found.at(-1)?.type;
    if (last !== "violation" && last !== "close") this.#count("unbroken");
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  toString(): string {
    return [...this.counts].map(([name, count]) => `${name} ${count}`).join(", ");
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("ws' Receiver and our decoder", () => {
  it(
    `find the same in ${STREAMS} random streams (FUZZ_SEED=${SEED} FUZZ_FROM=${FROM})`,
    async () => {
      const census = new Census();
      // `ws` makes an Error per broken stream; nobody looks at their stacks, which cost a fifth of the time.
      const { stackTraceLimit } = Error;
      onTestFinished(() => void (Error.stackTraceLimit = stackTraceLimit));
      Error.stackTraceLimit = 0;
      const started = performance.now();
      for (let number = FROM; number < FROM + STREAMS; number++) {
        const random = new Random(SEED, number);
        const stream = randomStream(random);
        const { found, difference } = compare(stream, random);
        if (difference !== undefined) {
          const again = `FUZZ_SEED=${SEED} FUZZ_FROM=${number} FUZZ_STREAMS=1`;
          expect.fail(`${again}\n${difference}\n${describeStream(stream)}`);
        }
        census.add(found);
        // Streams of Node's tell their ends on the next tick: let them, or they pile up.
        if (number % 256 === 0) await turn();
      }
      await turn();
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`FUZZ_SEED=${SEED}: ${STREAMS} streams in ${seconds} s: ${String(census)}`);

      if (STREAMS < 10_000) return;
      for (const kind of [
        "text",
        "binary",
        "ping",
        "pong",
        "close",
        "1002",
        "1007",
        "1008",
        "1009",
        "unbroken",
      ]) {
        expect(census.counts.get(kind) ?? 0, kind).toBeGreaterThan(STREAMS / 100);
      }
    },
    ms(120_000 + STREAMS),
  );

  it("differ on purpose in a length whose most significant bit is set: RFC 6455 §5.2 says that it MUST be 0", async () => {
    for (const declaredLength of [2n ** 63n, 2n ** 63n + 5n, 2n ** 64n - 1n]) {
      const frame = rawFrame({ opcode: 2, declaredLength });
      const theirs = new WsDecoder(SERVER_OPTIONS);
      theirs.push(Buffer.from(frame));
      expect(decode([frame])).toEqual([{ type: "violation", code: 1002, explanation: TOP_BIT_SET }]);
      expect(theirs.found).toMatchObject([{ type: "violation", code: 1009 }]);
    }
    await turn();
  });

  it("differ on purpose in text that is wrong in its first fragment: Autobahn's case 6.4.1 wants it refused there", async () => {
    const frames = [
      rawFrame({ opcode: 1, final: false, payload: Uint8Array.of(0xff) }),
      rawFrame({ opcode: 9, payload: "p" }),
    ];
    const theirs = new WsDecoder(SERVER_OPTIONS);
    for (const frame of frames) theirs.push(Buffer.from(frame));
    expect(decode(frames)).toMatchObject([{ type: "violation", code: 1007 }]);
    expect(theirs.found).toMatchObject([{ type: "ping" }]);
    theirs.push(rawFrame({ opcode: 0 }));
    expect(theirs.found).toMatchObject([{ type: "ping" }, { type: "violation", code: 1007 }]);
    await turn();
  });
});
