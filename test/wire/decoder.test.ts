import { describe, expect, it } from "vitest";
import { Opcode } from "../../src/wire/frame.js";
import { closePayload, rawFrame, rawFrames as stream } from "./raw-frame.js";
import { cut, decode, recordingDecoder } from "./recording.js";

const { continuation, text, binary, close, ping, pong } = Opcode;

describe("the decoder", () => {
  it("gives text as a string, binary as a Buffer, and control frames as what they are", () => {
    const found = decode([
      stream(
        { opcode: text, payload: "grüße 👋" },
        { opcode: binary, payload: Uint8Array.of(0, 255) },
        { opcode: ping, payload: "1" },
        { opcode: pong, payload: "2" },
        { opcode: close, payload: closePayload(1001, "going away") },
      ),
    ]);
    expect(found).toEqual([
      { type: "text", data: "grüße 👋" },
      { type: "binary", data: Buffer.from([0, 255]) },
      { type: "ping", payload: Buffer.from("1") },
      { type: "pong", payload: Buffer.from("2") },
      { type: "close", code: 1001, reason: "going away" },
    ]);
  });

  it("gives empty messages, pings and pongs like any others", () => {
    expect(
      decode([stream({ opcode: text }, { opcode: binary }, { opcode: ping }, { opcode: pong })]),
    ).toEqual([
      { type: "text", data: "" },
      { type: "binary", data: Buffer.alloc(0) },
      { type: "ping", payload: Buffer.alloc(0) },
      { type: "pong", payload: Buffer.alloc(0) },
    ]);
  });

  it("shows a Close without a code as 1005", () => {
    expect(decode([stream({ opcode: close })])).toEqual([{ type: "close", code: 1005, reason: "" }]);
  });

  it("joins fragments, with control frames between them coming out first", () => {
    const found = decode([
      stream(
        { opcode: text, final: false, payload: "one " },
        { opcode: ping, payload: "between" },
        { opcode: continuation, final: false, payload: "two " },
        { opcode: pong },
        { opcode: continuation, payload: "three" },
        { opcode: binary, payload: "next" },
      ),
    ]);
    expect(found).toEqual([
      { type: "ping", payload: Buffer.from("between") },
      { type: "pong", payload: Buffer.alloc(0) },
      { type: "text", data: "one two three" },
      { type: "binary", data: Buffer.from("next") },
    ]);
  });

  it("joins fragments of nothing to an empty message", () => {
    const nothing = { opcode: continuation, final: false };
    expect(
      decode([stream({ opcode: text, final: false }, nothing, nothing, { opcode: continuation })]),
    ).toEqual([{ type: "text", data: "" }]);
  });

  it("lets a character be split between fragments", () => {
    const bytes = Buffer.from("€");
    const found = decode([
      stream(
        { opcode: text, final: false, payload: bytes.subarray(0, 1) },
        { opcode: continuation, final: false, payload: bytes.subarray(1, 2) },
        { opcode: continuation, payload: bytes.subarray(2) },
      ),
    ]);
    expect(found).toEqual([{ type: "text", data: "€" }]);
  });

  it("shows a Close in the middle of a fragmented message, whose fragments are then forgotten", () => {
    expect(
      decode([stream({ opcode: text, final: false, payload: "never ended" }, { opcode: close })]),
    ).toEqual([{ type: "close", code: 1005, reason: "" }]);
  });

  it("keeps a byte order mark", () => {
    expect(decode([stream({ opcode: text, payload: "\uFEFFtext" })])).toEqual([
      { type: "text", data: "\uFEFFtext" },
    ]);
  });

  it("takes a length in a longer form than it needs", () => {
    for (const lengthBytes of [2, 8] as const) {
      expect(decode([stream({ opcode: text, payload: "short", lengthBytes })])).toEqual([
        { type: "text", data: "short" },
      ]);
    }
  });

  it("reads what servers send when told to, and refuses a mask there", () => {
    const options = { masked: false };
    const unmasked = stream({ opcode: text, payload: "from a server", mask: undefined });
    expect(decode([unmasked], options)).toEqual([{ type: "text", data: "from a server" }]);
    expect(decode(cut(unmasked, [1, 5, 9]), options)).toEqual([{ type: "text", data: "from a server" }]);
    expect(decode([stream({ opcode: text })], options)).toEqual([
      { type: "violation", code: 1002, explanation: "a masked frame from a server" },
    ]);
  });

  it("hands on a whole binary message as a view of the chunk, without a copy", () => {
    const { decoder, found } = recordingDecoder();
    const chunk = stream({ opcode: binary, payload: "0123456789" });
    decoder.push(chunk);
    const message = found[0] as { data: Buffer };
    expect(message.data.buffer).toBe(chunk.buffer);
    expect(message.data.toString()).toBe("0123456789");
  });

  it("gives text as bytes where that is asked for, from one frame or several, and checks it all the same", () => {
    const found = decode(
      [
        stream(
          { opcode: text, payload: "grüße" },
          { opcode: text, final: false, payload: "👋".repeat(2) },
          { opcode: continuation },
          { opcode: binary, payload: "plain" },
          { opcode: text, payload: Uint8Array.of(0xff) },
        ),
      ],
      { textAsBytes: true },
    );
    expect(found).toMatchObject([
      { type: "text bytes", data: Buffer.from("grüße") },
      { type: "text bytes", data: Buffer.from("👋👋") },
      { type: "binary", data: Buffer.from("plain") },
      { type: "violation", code: 1007 },
    ]);
  });

  it("accepts nothing at all", () => {
    const { decoder, found } = recordingDecoder();
    decoder.push(Buffer.alloc(0));
    expect(found).toEqual([]);
    expect(decoder.atBoundary).toBe(true);
    expect(decoder.finished).toBe(false);
  });
});

describe("the decoder with compression", () => {
  const options = { compression: true };
  const COMPRESSED = 0x40;

  it("hands on what is compressed as it is, each message by what its first frame says", () => {
    const found = decode(
      [
        stream(
          { opcode: text, reserved: COMPRESSED, payload: "one" },
          { opcode: binary, payload: "two" },
          { opcode: binary, reserved: COMPRESSED, final: false, payload: "th" },
          { opcode: ping, payload: "between" },
          { opcode: continuation, payload: "ree" },
          { opcode: text, final: false, payload: "fo" },
          { opcode: continuation, payload: "ur" },
        ),
      ],
      options,
    );
    expect(found).toEqual([
      { type: "compressed", payload: Buffer.from("one"), isText: true },
      { type: "binary", data: Buffer.from("two") },
      { type: "ping", payload: Buffer.from("between") },
      { type: "compressed", payload: Buffer.from("three"), isText: false },
      { type: "text", data: "four" },
    ]);
  });

  it("does not look for UTF-8 in what is compressed", () => {
    expect(
      decode([stream({ opcode: text, reserved: COMPRESSED, payload: Buffer.from([0xff]) })], options),
    ).toEqual([{ type: "compressed", payload: Buffer.from([0xff]), isText: true }]);
  });

  it.each([
    ["RSV1 on a continuation", { opcode: continuation, reserved: COMPRESSED }],
    ["RSV1 on a Ping", { opcode: ping, reserved: COMPRESSED }],
    ["RSV1 on a Close", { opcode: close, reserved: COMPRESSED }],
    ["RSV2", { opcode: text, reserved: 0x20 }],
    ["RSV1 and RSV3", { opcode: text, reserved: 0x50 }],
  ])("refuses %s", (_, frame) => {
    const started = { opcode: text, reserved: COMPRESSED, final: false, payload: "a" };
    const frames = frame.opcode === continuation ? [started, frame] : [frame];
    expect(decode([stream(...frames)], options)).toEqual([
      {
        type: "violation",
        code: 1002,
        explanation: "a frame with a reserved bit set that no extension gives a meaning",
      },
    ]);
  });

  it("holds compressed bytes to maxPayload before they are stored", () => {
    const declared = { opcode: text, reserved: COMPRESSED, declaredLength: 11 };
    expect(decode([stream(declared)], { ...options, maxPayload: 10 })).toMatchObject([
      { type: "violation", code: 1009 },
    ]);
  });

  it("decodes nothing any more once it is told to finish", () => {
    const { decoder, found } = recordingDecoder(options);
    decoder.push(stream({ opcode: text, final: false, payload: "half" }));
    decoder.finish();
    decoder.push(stream({ opcode: continuation, payload: "rest" }));
    expect(found).toEqual([]);
    expect(decoder).toMatchObject({ finished: true, atBoundary: true });
  });
});

describe("the decoder's limits", () => {
  it("let a message have exactly maxPayload bytes, in one frame or in several", () => {
    const whole = stream({ opcode: binary, payload: Buffer.alloc(100) });
    const parts = stream(
      { opcode: binary, final: false, payload: Buffer.alloc(99) },
      { opcode: continuation, final: false, payload: Buffer.alloc(1) },
      { opcode: continuation },
    );
    for (const bytes of [whole, parts]) {
      expect(decode([bytes, bytes], { maxPayload: 100 })).toEqual(
        [1, 2].map(() => ({ type: "binary", data: Buffer.alloc(100) })),
      );
    }
  });

  it("let a message have exactly maxFragments frames, and count afresh for the next", () => {
    const bytes = stream(
      { opcode: text, final: false, payload: "a" },
      { opcode: continuation, final: false, payload: "b" },
      { opcode: continuation, payload: "c" },
    );
    expect(decode([bytes, bytes], { maxFragments: 3 })).toEqual(
      [1, 2].map(() => ({ type: "text", data: "abc" })),
    );
  });

  it("let whole messages pass where only one fragment is allowed", () => {
    expect(decode([stream({ opcode: text }, { opcode: text })], { maxFragments: 1 })).toHaveLength(2);
  });

  it("do not count control frames", () => {
    const bytes = stream(
      { opcode: text, final: false, payload: "aa" },
      { opcode: ping, payload: Buffer.alloc(125) },
      { opcode: ping },
      { opcode: pong },
      { opcode: continuation, payload: "bb" },
    );
    expect(decode([bytes], { maxPayload: 4, maxFragments: 2 }).at(-1)).toEqual({
      type: "text",
      data: "aabb",
    });
  });
});

describe("after its end, the stream", () => {
  for (const [what, last, type] of [
    ["a Close", stream({ opcode: close }), "close"],
    ["a violation", stream({ opcode: 3 }), "violation"],
  ] as const) {
    it(`is dropped unread behind ${what}, in the same chunk and in later ones`, () => {
      const { decoder, found } = recordingDecoder();
      decoder.push(
        Buffer.concat([last, stream({ opcode: ping }, { opcode: text, payload: "late" }, { opcode: close })]),
      );
      decoder.push(stream({ opcode: text, payload: "later" }));
      decoder.push(Buffer.from([0x81]));
      expect(found.map((event) => event.type)).toEqual([type]);
      expect(decoder.finished).toBe(true);
      expect(decoder.atBoundary).toBe(true);
    });

    it(`is already told to be finished while ${what} is handed on`, () => {
      const seen: boolean[] = [];
      const { decoder, found } = recordingDecoder();
      const push = found.push.bind(found);
      found.push = (...events) => {
        seen.push(decoder.finished);
        return push(...events);
      };
      decoder.push(last);
      expect(seen).toEqual([true]);
    });
  }
});

describe("a decoder between frames", () => {
  it("is at a boundary exactly when neither a frame nor a fragmented message is unfinished", () => {
    const { decoder } = recordingDecoder();
    const boundaries: number[] = [];
    const frames = [
      rawFrame({ opcode: text, payload: "whole" }),
      rawFrame({ opcode: binary, final: false, payload: "first" }),
      rawFrame({ opcode: ping, payload: "within" }),
      rawFrame({ opcode: continuation, payload: "last" }),
      rawFrame({ opcode: pong }),
      rawFrame({ opcode: text, payload: Buffer.alloc(200, "x"), lengthBytes: 8 }),
    ];
    const ends = frames.map((_, index) =>
      frames.slice(0, index + 1).reduce((sum, frame) => sum + frame.length, 0),
    );
    const bytes = Buffer.concat(frames);
    for (let index = 0; index < bytes.length; index++) {
      decoder.push(bytes.subarray(index, index + 1));
      if (decoder.atBoundary) boundaries.push(index + 1);
    }
    // Behind the first fragment and behind the ping within, the message is still unfinished.
    expect(boundaries).toEqual([ends[0], ends[3], ends[4], ends[5]]);
  });
});
