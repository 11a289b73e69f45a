import { describe, expect, it } from "vitest";
import { MAX_CLOSE_REASON } from "../../src/wire/close.js";
import { Opcode } from "../../src/wire/frame.js";
import { closePayload, rawFrames as stream } from "./raw-frame.js";
import { decode, recordingDecoder, type Found } from "./recording.js";

const { continuation, text, binary, close, ping, pong } = Opcode;

interface Breach {
  what: string;
  code: number;
  bytes: Buffer;
  /** What stands within it. */
  between?: Found[];
  /** How many bytes of the stream are enough to know; left out where it is all of them. */
  knownAfter?: number;
}

const started = stream({ opcode: text, final: false, payload: "a" });

const breaches: Breach[] = [
  ...[0x40, 0x20, 0x10, 0x70].map((reserved) => ({
    what: `the reserved bits 0x${reserved.toString(16)}`,
    code: 1002,
    bytes: stream({ opcode: text, reserved, payload: "x" }),
    knownAfter: 2,
  })),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => ({
    what: `the opcode ${opcode}`,
    code: 1002,
    bytes: stream({ opcode, payload: "x" }),
    knownAfter: 2,
  })),
  ...[text, binary, close, ping, pong].map((opcode) => ({
    what: `opcode ${opcode} without a mask`,
    code: 1002,
    bytes: stream({ opcode, mask: undefined }),
    knownAfter: 2,
  })),
  ...[close, ping, pong].flatMap((opcode) => [
    {
      what: `a fragment of the control opcode ${opcode}`,
      code: 1002,
      bytes: stream({ opcode, final: false }),
      knownAfter: 2,
    },
    {
      what: `the control opcode ${opcode} with 126 bytes`,
      code: 1002,
      bytes: stream({ opcode, payload: Buffer.alloc(126) }),
      knownAfter: 2,
    },
    {
      what: `the control opcode ${opcode} with a length of 64 bits`,
      code: 1002,
      bytes: stream({ opcode, payload: "x", lengthBytes: 8 }),
      knownAfter: 2,
    },
  ]),
  {
    what: "a continuation of nothing",
    code: 1002,
    bytes: stream({ opcode: continuation, payload: "x" }),
    knownAfter: 2,
  },
  {
    what: "a continuation after the message has ended",
    code: 1002,
    bytes: stream({ opcode: continuation }),
    knownAfter: 2,
  },
  ...[text, binary].map((opcode) => ({
    what: `a new message of opcode ${opcode} within a fragmented one`,
    code: 1002,
    bytes: Buffer.concat([started, stream({ opcode, payload: "x" })]),
    knownAfter: started.length + 2,
  })),
  { what: "half a close code", code: 1002, bytes: stream({ opcode: close, payload: Buffer.from([3]) }) },
  { what: "the close code 1005", code: 1002, bytes: stream({ opcode: close, payload: closePayload(1005) }) },
  {
    what: "a close reason that is not UTF-8",
    code: 1007,
    bytes: stream({ opcode: close, payload: closePayload(1000, Uint8Array.of(0xff)) }),
  },
  ...(
    [
      ["an overlong form", [0xc0, 0xaf], 1],
      ["a surrogate", [0xed, 0xa0, 0x80], 2],
      ["a lone continuation byte", [0x80], 1],
      ["a character cut short", [0x61, 0xf0, 0x9f, 0x91], 4],
      ["a code point beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80], 2],
      ["a byte that UTF-8 never has", [0xff], 1],
    ] as const
  ).map(([what, bytes, known]) => ({
    what: `text with ${what}`,
    code: 1007,
    bytes: stream({ opcode: text, payload: Uint8Array.from(bytes) }),
    // Behind a header of 6 bytes.
    knownAfter: 6 + known,
  })),
  {
    what: "text whose last fragment ends within a character",
    code: 1007,
    bytes: stream(
      { opcode: text, final: false, payload: "a" },
      { opcode: continuation, payload: Uint8Array.of(0xe2, 0x82) },
    ),
  },
  {
    what: "a fragment of text that nothing behind it could make UTF-8",
    code: 1007,
    bytes: Buffer.concat([
      started,
      stream({ opcode: continuation, final: false, payload: Uint8Array.of(0x61, 0xff) }),
    ]),
  },
  {
    what: "a fragment with the second byte of a character that does not exist, behind an empty one and a Ping",
    code: 1007,
    bytes: stream(
      { opcode: text, final: false, payload: Uint8Array.of(0x61, 0xf4) },
      { opcode: continuation, final: false },
      { opcode: ping, payload: "p" },
      { opcode: continuation, final: false, payload: Uint8Array.of(0x90) },
    ),
    between: [{ type: "ping", payload: Buffer.from("p") }],
  },
  {
    what: "text whose first half is not UTF-8, with the rest of its frame still to come",
    code: 1007,
    bytes: stream({ opcode: text, payload: Uint8Array.of(0x61, 0xed, 0xa0, 0x80, 0x62) }),
    knownAfter: 9,
  },
  ...([0, 2, 8] as const).map((lengthBytes) => ({
    what: `a message over maxPayload, its length in ${lengthBytes} more bytes`,
    code: 1009,
    bytes: stream({ opcode: binary, payload: Buffer.alloc(101), lengthBytes }),
    knownAfter: 2 + lengthBytes,
  })),
  {
    what: "fragments that are over maxPayload together",
    code: 1009,
    bytes: Buffer.concat([started, stream({ opcode: continuation, payload: Buffer.alloc(100) })]),
    knownAfter: started.length + 2,
  },
  {
    what: "a length of 2^63, whose most significant bit is set",
    code: 1002,
    bytes: stream({ opcode: binary, declaredLength: 2n ** 63n }),
    knownAfter: 10,
  },
  {
    what: "a length of 2^62",
    code: 1009,
    bytes: stream({ opcode: binary, declaredLength: 2n ** 62n }),
    knownAfter: 10,
  },
  {
    what: "a fourth fragment where three are allowed",
    code: 1008,
    bytes: stream(
      { opcode: text, final: false },
      { opcode: continuation, final: false },
      { opcode: continuation, final: false },
      { opcode: continuation, payload: "x" },
    ),
    // The header is enough: 3 frames and 6 bytes.
    knownAfter: 24,
  },
];

describe("a broken rule", () => {
  const limits = { maxPayload: 100, maxFragments: 3 };

  for (const { what, code, bytes, between = [], knownAfter = bytes.length } of breaches) {
    it(`${what} is told as ${code}, after what came before it and as soon as it is known`, () => {
      const before = stream({ opcode: text, payload: "before" }, { opcode: ping, payload: "p" });
      const after = stream({ opcode: text, payload: "after" });
      const { decoder, found } = recordingDecoder(limits);
      const chunk = Buffer.concat([before, bytes, after]);
      for (let index = 0; index < chunk.length; index++) {
        decoder.push(Buffer.from(chunk.subarray(index, index + 1)));
        expect(decoder.finished, `after byte ${index}`).toBe(index + 1 >= before.length + knownAfter);
      }
      const expected = [
        { type: "text", data: "before" },
        { type: "ping", payload: Buffer.from("p") },
        ...between,
        { type: "violation", code, explanation: expect.any(String) },
      ];
      expect(found).toEqual(expected);
      expect(decode([chunk], limits)).toEqual(expected);
      expect(decoder.atBoundary).toBe(true);

      // The explanation is prose that fits into the Close that answers it.
      const { explanation } = found.at(-1) as { explanation: string };
      expect(explanation).toMatch(/^(a |close code ).{10,}[^.]$/);
      expect(Buffer.byteLength(explanation)).toBeLessThanOrEqual(MAX_CLOSE_REASON);
    });
  }

  it("has an explanation that fits a close reason with the largest limits, too", () => {
    const largest = Number.MAX_SAFE_INTEGER;
    const [found] = decode([stream({ opcode: binary, declaredLength: 2n ** 62n })], { maxPayload: largest });
    expect(found).toMatchObject({ code: 1009, explanation: expect.stringContaining(String(largest)) });
    expect(Buffer.byteLength((found as { explanation: string }).explanation)).toBeLessThanOrEqual(
      MAX_CLOSE_REASON,
    );
  });
});
