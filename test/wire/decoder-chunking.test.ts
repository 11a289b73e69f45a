/** What holds for any stream and any way of cutting it into chunks. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Opcode, encodeFrame } from "../../src/wire/frame.js";
import { closePayload, rawFrames as stream } from "./raw-frame.js";
import { cut, decode, essence, recordingDecoder, type Found } from "./recording.js";

const { continuation, text, binary, close, ping, pong } = Opcode;

const mask = fc.uint8Array({ minLength: 4, maxLength: 4 });
const payload = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40, size: "max" }) },
  { weight: 2, arbitrary: fc.uint8Array({ minLength: 60, maxLength: 300, size: "max" }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(125, 126, 4096, 65_535, 65_536).map((size) => new Uint8Array(size).fill(0xb7)),
  },
);
const control = fc.record({
  opcode: fc.constantFrom(ping, pong),
  payload: fc.uint8Array({ maxLength: 125, size: "max" }),
  mask,
});
const fragment = fc.record({ payload, mask, controls: fc.array(control, { maxLength: 2 }) });
const message = fc.oneof(
  fc.record({
    type: fc.constant("binary" as const),
    fragments: fc.array(fragment, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    type: fc.constant("text" as const),
    text: fc.string({ unit: "binary", maxLength: 60, size: "max" }),
    places: fc.array(fc.nat(200), { maxLength: 3 }),
    mask,
  }),
);
const places = fc.array(fc.nat(3000), { maxLength: 12, size: "max" });

function encodeMessages(messages: (typeof message extends fc.Arbitrary<infer M> ? M : never)[]): {
  bytes: Buffer;
  expected: Found[];
} {
  const frames: Buffer[] = [];
  const expected: Found[] = [];
  for (const sent of messages) {
    if (sent.type === "text") {
      const parts = cut(Buffer.from(sent.text), sent.places);
      for (const [index, part] of parts.entries()) {
        const final = index === parts.length - 1;
        frames.push(encodeFrame(index === 0 ? text : continuation, part, { final, mask: sent.mask }));
      }
      expected.push({ type: "text", data: sent.text });
      continue;
    }
    for (const [index, part] of sent.fragments.entries()) {
      const final = index === sent.fragments.length - 1;
      for (const { opcode, payload, mask } of part.controls) {
        frames.push(encodeFrame(opcode, payload, { mask }));
        expected.push({ type: opcode === ping ? "ping" : "pong", payload: Buffer.from(payload) });
      }
      frames.push(encodeFrame(index === 0 ? binary : continuation, part.payload, { final, mask: part.mask }));
    }
    expected.push({ type: "binary", data: Buffer.concat(sent.fragments.map((part) => part.payload)) });
  }
  return { bytes: Buffer.concat(frames), expected };
}

describe("any stream, cut anywhere,", () => {
  it("gives what was encoded, and what it gave is not changed by what comes later", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), places, (messages, places) => {
        const { bytes, expected } = encodeMessages(messages);
        expect(essence(decode(cut(bytes, places)))).toEqual(essence(expected));
      }),
      { numRuns: 300 },
    );
  });

  it("gives the same in one chunk, in single bytes and cut at every pair of places", () => {
    const bytes = stream(
      { opcode: text, payload: "ä€" },
      { opcode: binary, final: false, payload: "fr" },
      { opcode: ping, payload: "pg", mask: [1, 2, 3, 4] },
      { opcode: continuation, payload: "ag", mask: [0xff, 0x80, 0x7f, 0] },
      { opcode: text, payload: "long", lengthBytes: 8 },
      { opcode: close, payload: closePayload(4000, "bye") },
    );
    const whole = decode([bytes]);
    expect(whole.map((event) => event.type)).toEqual(["text", "ping", "binary", "text", "close"]);
    expect(decode(cut(bytes, Array.from(bytes.keys())))).toEqual(whole);
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const found = decode(cut(bytes, [first, second]));
        if (JSON.stringify(found) !== JSON.stringify(whole))
          expect({ first, second, found }).toEqual({ first, second, found: whole });
      }
    }
  });

  it("leaves the decoder in the same state, broken streams and garbage included", () => {
    const garbage = fc.uint8Array({ maxLength: 60, size: "max" });
    // Two bytes that often pass the first checks, so that the garbage behind them is taken for header and payload.
    const likely = fc.tuple(
      fc.constantFrom(0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8a),
      fc.integer({ min: 0x80, max: 0xff }),
    );
    const bytes = fc
      .tuple(fc.array(message, { maxLength: 2 }), fc.option(likely, { nil: [] }), garbage)
      .map(([messages, start, rest]) =>
        Buffer.concat([encodeMessages(messages).bytes, Buffer.from(start), rest]),
      );
    const limits = fc.record({
      maxPayload: fc.constantFrom(10, 300, 1 << 20),
      maxFragments: fc.constantFrom(1, 2, 100),
    });
    fc.assert(
      fc.property(bytes, places, limits, (bytes, places, limits) => {
        const outcomes = [
          [bytes],
          cut(bytes, places),
          cut(bytes, Array.from(bytes.subarray(0, 400).keys())),
        ].map((chunks) => {
          const { decoder, found } = recordingDecoder(limits);
          for (const chunk of chunks) decoder.push(Buffer.from(chunk));
          return { found: essence(found), finished: decoder.finished, atBoundary: decoder.atBoundary };
        });
        expect(outcomes[1]).toEqual(outcomes[0]);
        expect(outcomes[2]).toEqual(outcomes[0]);
      }),
      { numRuns: 500 },
    );
  });
});
