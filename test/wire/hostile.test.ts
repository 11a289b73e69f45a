/** Input made to hurt: nothing of it may throw, and what it costs in memory is bounded by what was really sent. */
import { describe, expect, it } from "vitest";
import { Decoder, type DecoderOptions, type DecoderSink } from "../../src/wire/decoder.js";
import { Opcode } from "../../src/wire/frame.js";
import { ms } from "../tools/timing.js";
import { Allocations, held } from "./memory.js";
import { Random } from "./random.js";
import { rawFrame, rawFrames } from "./raw-frame.js";
import { SERVER_OPTIONS, recordingDecoder } from "./recording.js";

const { continuation, text, binary, close, ping, pong } = Opcode;

const KIB = 1024;
const MIB = 1024 * KIB;
const MILLION = 1_000_000;

/** Counts and keeps nothing, as a connection does that serves at once. */
class CountingSink implements DecoderSink {
  messages = 0;
  pings = 0;
  pongs = 0;
  code: number | undefined;

  onMessage(_data: string | Buffer): void {
    this.messages++;
  }
  onCompressedMessage(): void {
    this.messages++;
  }
  onPing(): void {
    this.pings++;
  }
  onPong(): void {
    this.pongs++;
  }
  onClose(code: number): void {
    this.code = code;
  }
  onViolation({ violated }: { violated: number }): void {
    this.code = violated;
  }
}

function countingDecoder(options: Partial<DecoderOptions> = {}): { decoder: Decoder; sink: CountingSink } {
  const sink = new CountingSink();
  return { decoder: new Decoder(sink, { ...SERVER_OPTIONS, ...options }), sink };
}

/** Pushes `frame` a million times, in chunks of 64 KiB that rarely end where a frame does. */
function pushAMillion(decoder: Decoder, frame: Buffer): void {
  const frames = Buffer.concat(Array.from({ length: 10_000 }, () => frame));
  const rest = 64 * KIB;
  for (let round = 0; round < MILLION / 10_000; round++) {
    for (let start = 0; start < frames.length; start += rest) {
      decoder.push(Buffer.from(frames.subarray(start, start + rest)));
    }
  }
}

describe("a header that declares much, with nothing behind it,", () => {
  for (const [what, declaredLength] of [
    ["2^62", 2n ** 62n],
    ["2^53", 2n ** 53n],
    ["maxPayload + 1", BigInt(SERVER_OPTIONS.maxPayload + 1)],
  ] as const) {
    it(`is refused as too big, and no memory is asked for: ${what}`, () => {
      const { decoder, found } = recordingDecoder();
      const header = rawFrame({ opcode: binary, declaredLength });
      const allocations = new Allocations();
      decoder.push(header);
      expect(allocations.bytes).toBe(0);
      expect(found).toMatchObject([{ type: "violation", code: 1009 }]);
    });
  }

  it("makes no room before the first byte, and 4 KiB for it: a length of maxPayload", () => {
    const { decoder } = countingDecoder();
    const header = rawFrame({ opcode: binary, declaredLength: SERVER_OPTIONS.maxPayload });
    const allocations = new Allocations();
    decoder.push(header);
    expect(allocations.bytes).toBe(0);
    decoder.push(Buffer.from("x"));
    expect(allocations.bytes).toBe(4 * KIB);
  });

  it("makes 4 KiB of room where no limit was set: a length of 2^62", () => {
    const { decoder } = countingDecoder({ maxPayload: Infinity });
    const header = rawFrame({ opcode: binary, payload: "x", declaredLength: 2n ** 62n });
    const allocations = new Allocations();
    decoder.push(header);
    expect(allocations.bytes).toBe(4 * KIB);
    expect(decoder.finished).toBe(false);
  });

  it("holds next to nothing, sent by ten thousand connections", () => {
    const header = rawFrame({ opcode: binary, declaredLength: SERVER_OPTIONS.maxPayload });
    const before = held();
    const decoders = Array.from({ length: 10_000 }, () => countingDecoder().decoder);
    for (const decoder of decoders) decoder.push(Buffer.from(header));
    expect((held() - before) / decoders.length).toBeLessThan(2 * KIB);
    expect(decoders.every((decoder) => !decoder.atBoundary)).toBe(true);
  });
});

describe("a million", () => {
  it("empty fragments end at maxFragments", () => {
    const { decoder, sink } = countingDecoder();
    decoder.push(rawFrame({ opcode: text, final: false }));
    pushAMillion(decoder, rawFrame({ opcode: continuation, final: false }));
    expect(sink).toMatchObject({ messages: 0, code: 1008 });
  });

  it("empty fragments hold no memory even without that limit", () => {
    const { decoder, sink } = countingDecoder({ maxFragments: Infinity });
    decoder.push(rawFrame({ opcode: text, final: false }));
    const before = held();
    pushAMillion(decoder, rawFrame({ opcode: continuation, final: false }));
    expect(held() - before).toBeLessThan(MIB);
    decoder.push(rawFrame({ opcode: continuation }));
    expect(sink).toMatchObject({ messages: 1, code: undefined });
  });

  it("fragments of one byte hold no more than twice their bytes", () => {
    const { decoder, sink } = countingDecoder({ maxFragments: Infinity });
    decoder.push(rawFrame({ opcode: binary, final: false }));
    const before = held();
    pushAMillion(decoder, rawFrame({ opcode: continuation, final: false, payload: "x" }));
    expect(held() - before).toBeLessThan(2 * MILLION + MIB);
    decoder.push(rawFrame({ opcode: continuation }));
    expect(sink).toMatchObject({ messages: 1, code: undefined });
  });

  for (const [what, frame, counted] of [
    ["pings", { opcode: ping, payload: "ping" }, "pings"],
    ["pongs that nobody asked for", { opcode: pong, payload: Buffer.alloc(125) }, "pongs"],
    ["empty messages", { opcode: text }, "messages"],
  ] as const) {
    it(`${what} are told one by one and hold no memory`, () => {
      const { decoder, sink } = countingDecoder();
      const before = held();
      pushAMillion(decoder, rawFrame(frame));
      expect(held() - before).toBeLessThan(MIB);
      expect(sink[counted]).toBe(MILLION);
      expect(decoder.atBoundary).toBe(true);
    });
  }

  it("pings within a fragmented message leave it whole", () => {
    const messages: (string | Buffer)[] = [];
    const sink = new CountingSink();
    sink.onMessage = (data) => void messages.push(data);
    const decoder = new Decoder(sink, SERVER_OPTIONS);
    decoder.push(rawFrame({ opcode: text, final: false, payload: "kept " }));
    pushAMillion(decoder, rawFrame({ opcode: ping }));
    decoder.push(rawFrame({ opcode: continuation, payload: "whole" }));
    expect(sink.pings).toBe(MILLION);
    expect(messages).toEqual(["kept whole"]);
  });
});

describe("fragments of one byte", () => {
  it("behind a large one are not paid for with a copy of it each", () => {
    const { maxPayload, maxFragments } = SERVER_OPTIONS;
    const first = rawFrame({
      opcode: binary,
      final: false,
      payload: Buffer.alloc(maxPayload - maxFragments + 1),
    });
    const next = rawFrame({ opcode: continuation, final: false, payload: "x" });
    const last = rawFrame({ opcode: continuation, payload: "x" });
    const rest = Buffer.concat([...Array.from({ length: maxFragments - 2 }, () => next), last]);
    const { decoder, sink } = countingDecoder();
    const allocations = new Allocations();
    decoder.push(first);
    decoder.push(rest);
    expect(sink).toMatchObject({ messages: 1, code: undefined });
    expect(allocations.bytes).toBeLessThan(2 * maxPayload);
  });
});

describe("single bytes", () => {
  it("make up a message of 1 MiB in linear time and within twice its memory", () => {
    const payload = Buffer.alloc(MIB, "0123456789abcdef!");
    const frame = rawFrame({ opcode: binary, payload });
    const { decoder, found } = recordingDecoder();
    const before = held();
    const allocations = new Allocations();
    const byte = Buffer.from(new ArrayBuffer(1));
    for (let index = 0; index < frame.length; index++) {
      byte[0] = frame[index]!;
      decoder.push(byte);
      if (index === frame.length - 2) expect(held() - before).toBeLessThan(2 * MIB + 64 * KIB);
    }
    expect(found).toHaveLength(1);
    expect((found[0] as { data: Buffer }).data.equals(payload)).toBe(true);
    // Doubling: all buffers ever made are at most twice the last one, and copying them costs as much.
    expect(allocations.bytes).toBeLessThan(2 * MIB + 64 * KIB);
  });
});

describe("a chunk of 64 KiB is let go", () => {
  const filler = Buffer.concat(
    Array.from({ length: 500 }, () => rawFrame({ opcode: ping, payload: Buffer.alloc(125) })),
  );
  const CONNECTIONS = 200;

  for (const [what, end] of [
    ["half a header", rawFrame({ opcode: text, payload: "x" }).subarray(0, 3)],
    ["a fragment of one byte", rawFrame({ opcode: text, final: false, payload: "x" })],
    ["the first byte of a message", rawFrame({ opcode: text, payload: "xy" }).subarray(0, 7)],
    ["the first byte of a ping", rawFrame({ opcode: ping, payload: "xy" }).subarray(0, 7)],
    ["a protocol error", rawFrame({ opcode: 3 })],
    ["a Close", rawFrame({ opcode: close })],
  ] as const) {
    it(`though it ended in ${what}`, () => {
      const before = held();
      const decoders = Array.from({ length: CONNECTIONS }, () => countingDecoder().decoder);
      for (const decoder of decoders) decoder.push(Buffer.concat([filler, end]));
      expect((held() - before) / CONNECTIONS).toBeLessThan(16 * KIB);
      expect(decoders).toHaveLength(CONNECTIONS);
    });
  }

  it("and so is an unfinished message, when the stream breaks", () => {
    const first = rawFrame({ opcode: binary, final: false, payload: Buffer.alloc(60 * KIB) });
    const before = held();
    const decoders = Array.from({ length: CONNECTIONS }, () => countingDecoder().decoder);
    for (const decoder of decoders) decoder.push(Buffer.from(first));
    expect((held() - before) / CONNECTIONS).toBeGreaterThan(60 * KIB);
    for (const decoder of decoders) decoder.push(rawFrame({ opcode: text }));
    expect((held() - before) / CONNECTIONS).toBeLessThan(16 * KIB);
    expect(decoders.every((decoder) => decoder.finished)).toBe(true);
  });
});

describe("garbage", () => {
  const SEED = 20_240_601;

  it(
    `never throws, from the first byte or behind a good frame (seed ${SEED})`,
    () => {
      const codes = new Map<number | undefined, number>();
      for (let number = 0; number < 50_000; number++) {
        const random = new Random(SEED, number);
        const masked = random.chance(80);
        const { decoder, sink } = countingDecoder({ masked, maxPayload: 200, maxFragments: 3 });
        if (random.chance(50))
          decoder.push(rawFrames(masked ? { opcode: text } : { opcode: text, mask: undefined }));
        for (let chunks = random.below(6); chunks > 0; chunks--) {
          const garbage = random.bytes(random.below(80));
          // Most garbage is wrong in its first byte. A good beginning lets the rest come further.
          if (random.chance(70) && garbage.length > 1) {
            garbage[0] = random.pick([0x81, 0x82, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8a]);
            garbage[1] = (masked ? 0x80 : 0) | random.pick([0, 1, 2, 20, 125, 126, 127]);
          }
          decoder.push(garbage);
        }
        codes.set(sink.code, (codes.get(sink.code) ?? 0) + 1);
      }
      // It got far enough to end in every way that garbage easily finds.
      for (const code of [undefined, 1002, 1005, 1007, 1009])
        expect(codes.get(code), String(code)).toBeGreaterThan(10);
    },
    ms(30_000),
  );
});
