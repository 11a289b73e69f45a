/** Random streams of frames, valid ones and such that break a rule, cut into chunks at random places. */
import type { DecoderOptions } from "../../src/wire/decoder.js";
import { Opcode } from "../../src/wire/frame.js";
import { closePayload, rawFrame, type RawFrame } from "./raw-frame.js";
import type { Random } from "./random.js";

export interface RandomStream {
  options: DecoderOptions;
  chunks: Buffer[];
}

const { continuation, text, binary, close, ping, pong } = Opcode;

const CHARACTERS = [
  ..."az09 \n\0\u007F",
  ..."äß\u0080\u07FF",
  ..."€한\u0800\uD7FF\uE000\uFEFF\uFFFD\uFFFF",
  ..."👋\u{10000}\u{10FFFF}",
];

const NOT_UTF8: readonly Buffer[] = [
  [0xc0, 0x80], // overlong, of two, three and four bytes
  [0xc1, 0xbf],
  [0xe0, 0x9f, 0xbf],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xed, 0xa0, 0x80], // the first and the last surrogate, and a pair of them
  [0xed, 0xbf, 0xbf],
  [0xed, 0xa0, 0xbd, 0xed, 0xb1, 0x8b],
  [0xf4, 0x90, 0x80, 0x80], // beyond U+10FFFF
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0xfe],
  [0xff],
  [0x80], // a continuation byte of nothing
  [0xc3], // cut short, at the end or before something else
  [0xe2, 0x82],
  [0xf0, 0x9f, 0x91],
].map((bytes) => Buffer.from(bytes));

const CLOSE_CODES = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
];
const BAD_CLOSE_CODES = [
  0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 32_768, 65_535,
];

/** Ways to break a rule of RFC 6455 or a limit. Each takes a good frame and makes it a bad one. */
type Break = (random: Random, frame: RawFrame, options: DecoderOptions) => RawFrame;

const BREAKS: readonly Break[] = [
  (_, frame, { masked }) => ({ ...frame, mask: masked ? undefined : [1, 2, 3, 4] }),
  (random, frame) => ({ ...frame, reserved: (1 + random.below(7)) << 4 }),
  (random, frame) => ({ ...frame, opcode: random.pick([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) }),
  // Wrong if no message has begun; a new message is wrong if one has.
  (_, frame) => ({ ...frame, opcode: continuation }),
  (random, frame) => ({ ...frame, opcode: random.pick([text, binary]) }),
  (random, frame) => ({ ...frame, opcode: random.pick([close, ping, pong]), payload: "", final: false }),
  (random, frame) => ({
    ...frame,
    opcode: random.pick([close, ping, pong]),
    payload: Buffer.alloc(126 + random.below(30)),
    final: true,
  }),
  (random, frame) => ({
    ...frame,
    opcode: random.pick([ping, pong]),
    final: true,
    lengthBytes: random.pick([2, 8]),
  }),
  (random, frame) => ({
    ...frame,
    ...closing(closePayload(random.pick(BAD_CLOSE_CODES), randomText(random, 20))),
  }),
  (random, frame) => ({ ...frame, ...closing(random.bytes(1)) }),
  (random, frame) => ({ ...frame, ...closing(closePayload(random.pick(CLOSE_CODES), badText(random, 20))) }),
  (random, frame) => ({ ...frame, opcode: text, final: true, payload: badText(random, 60) }),
  (random, frame, { maxPayload }) => ({ ...frame, declaredLength: maxPayload + 1 + random.below(100) }),
  (random, frame) => ({
    ...frame,
    declaredLength: BigInt(random.word()) << BigInt(random.below(31)),
    lengthBytes: 8,
  }),
];

export function randomStream(random: Random): RandomStream {
  const options: DecoderOptions = {
    maxPayload: random.pick([10, 125, 126, 300, 300, 1000, 1000, 65_535, 65_536, 1 << 20]),
    maxFragments: random.pick([1, 2, 3, 8, 8, 100]),
    masked: random.chance(85),
    compression: false,
  };
  const frames = randomFrames(random, options);
  if (random.chance(50)) {
    const place = random.below(frames.length);
    frames[place] = random.pick(BREAKS)(random, frames[place]!, options);
  }
  let bytes = Buffer.concat(frames.map(rawFrame));
  // A rule that nobody thought of: some byte is another one.
  if (random.chance(15)) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
  if (random.chance(10)) bytes = Buffer.concat([bytes, random.bytes(random.below(40))]);
  if (random.chance(10)) bytes = bytes.subarray(0, random.below(bytes.length));
  return { options, chunks: cutRandomly(random, bytes) };
}

/** The frames of a few messages with control frames between them, perhaps with a Close at the end: all valid. */
function randomFrames(random: Random, options: DecoderOptions): RawFrame[] {
  const frames: RawFrame[] = [];
  for (let messages = 1 + random.below(4); messages > 0; messages--) {
    const opcode = random.pick([text, binary]);
    const payload =
      opcode === text ? randomText(random, randomLength(random, options)) : randomBytes(random, options);
    const fragments = random.chance(50) ? 1 : 1 + random.below(Math.min(options.maxFragments + 2, 10));
    let start = 0;
    for (let fragment = 1; fragment <= fragments; fragment++) {
      if (random.chance(25)) frames.push(withMask(random, options, randomControl(random)));
      const final = fragment === fragments;
      const end = final ? payload.length : start + random.below(payload.length - start + 1);
      const part = {
        opcode: fragment === 1 ? opcode : continuation,
        final,
        payload: payload.subarray(start, end),
      };
      const frame = withMask(random, options, part);
      if (random.chance(10)) frame.lengthBytes = end - start < 65_536 && random.chance(50) ? 2 : 8;
      frames.push(frame);
      start = end;
    }
  }
  if (random.chance(30)) {
    const code = random.chance(80) ? random.pick(CLOSE_CODES) : random.below(65_536);
    const payload = random.chance(20)
      ? Buffer.alloc(0)
      : closePayload(code, randomText(random, random.below(124)));
    frames.push(withMask(random, options, closing(payload)));
  }
  return frames;
}

function withMask(random: Random, { masked }: DecoderOptions, frame: RawFrame): RawFrame {
  if (!masked) return { ...frame, mask: undefined };
  return { ...frame, mask: random.chance(5) ? [0, 0, 0, 0] : [...random.bytes(4)] };
}

function closing(payload: Buffer): RawFrame {
  return { opcode: close, final: true, payload };
}

function randomControl(random: Random): RawFrame {
  const length = random.chance(70) ? random.below(20) : random.chance(50) ? 125 : random.below(126);
  return { opcode: random.pick([ping, pong]), payload: random.bytes(length) };
}

/** Mostly small; the places where the header changes its form, and the limit itself, come up on purpose. */
function randomLength(random: Random, { maxPayload }: DecoderOptions): number {
  if (random.chance(80)) return random.below(60);
  if (random.chance(60)) return random.below(400);
  if (random.chance(50)) return random.pick([63, 64, 65, 124, 125, 126, 127, 128]);
  if (maxPayload <= 1000 || random.chance(30)) return maxPayload - 1 + random.below(3);
  return random.pick([4096, 8192, 65_535, 65_536]);
}

function randomBytes(random: Random, options: DecoderOptions): Buffer {
  const length = randomLength(random, options);
  return length <= 1000 ? random.bytes(length) : Buffer.alloc(length, random.bytes(257));
}

/** At most `length` bytes of text. */
function randomText(random: Random, length: number): Buffer {
  let characters = "";
  for (let count = random.below(Math.min(length, 400) + 1); count > 0; count--)
    characters += random.pick(CHARACTERS);
  // In the middle of a long run of ASCII, where a decoder may take a faster way.
  const filled = random.chance(20) ? "x".repeat(length) + characters : characters + "x".repeat(length);
  const bytes = Buffer.from(filled);
  const start = filled.startsWith(characters)
    ? 0
    : Math.min(bytes.length - length, Buffer.byteLength(characters));
  let end = start + length;
  // Back to the start of a character.
  while (end < bytes.length && end > start && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(start, end);
}

function badText(random: Random, length: number): Buffer {
  const before = randomText(random, random.below(length));
  return Buffer.concat([
    before,
    random.pick(NOT_UTF8),
    random.chance(50) ? randomText(random, 10) : Buffer.alloc(0),
  ]);
}

function cutRandomly(random: Random, bytes: Buffer): Buffer[] {
  const way = random.below(10);
  if (way < 2) return [bytes];
  // In single bytes, or in a few; a large stream is not cut that finely.
  const step =
    way < 4 && bytes.length < 600 ? 1 : way < 7 ? 1 + (bytes.length >> 5) : 1 + (bytes.length >> 1);
  const chunks: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = start + 1 + random.below(step * 2 - 1);
    chunks.push(bytes.subarray(start, end));
    start = end;
  }
  return chunks;
}
