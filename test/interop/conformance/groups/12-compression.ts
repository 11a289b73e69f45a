import { createHash } from "node:crypto";
import type { ConformanceCase, ConformanceGroup } from "../case.js";
import { answers, BINARY, CLOSE, closed, CONTINUATION, failure, hex, PING, TEXT } from "./shared.js";

const KIB = 1024;
const AGREED = "permessage-deflate";

/** Size of the messages, and of the fragments that they are sent in, as in the Autobahn test suite. */
const SIZES: readonly (readonly [size: number, fragment?: number])[] = [
  ...[16, 64, 256, KIB, 4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB].map(
    (size) => [size] as const,
  ),
  ...[8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB].map((size) => [size, 256] as const),
  [128 * KIB, KIB],
  [128 * KIB, 4 * KIB],
  [128 * KIB, 32 * KIB],
];

/** The Autobahn test suite sends 1 000 messages in each case; here it is about this many bytes. */
const BYTES_IN_EACH_CASE = 512 * KIB;

function told(size: number): string {
  return size >= KIB ? `${size / KIB} KiB` : `${size} bytes`;
}

/** Records as servers send them, alike and never the same; and bytes that do not compress. */
const TEXT_SAMPLE = Array.from({ length: 20_000 }, (_, index) =>
  JSON.stringify({ id: index, user: `user-${(index * 7919) % 1000}`, text: "larger, and larger still" }),
).join("\n");
const BINARY_SAMPLE = createHash("shake256", { outputLength: 1024 * KIB })
  .update("sample")
  .digest();

/** Messages of `size` bytes, one behind the other in the sample. */
function messagesOf(kind: "text" | "binary", size: number): (string | Buffer)[] {
  const sample = kind === "text" ? TEXT_SAMPLE : BINARY_SAMPLE;
  const count = Math.min(200, Math.max(4, BYTES_IN_EACH_CASE / size));
  return Array.from({ length: count }, (_, index) => sample.slice(index * size, (index + 1) * size));
}

/** One case for each size: `offer` is what the client asks for, `agreed` what the server answers. */
function series(
  group: string,
  section: string,
  kind: "text" | "binary",
  compression: { offer: string; agreed: string },
): ConformanceCase[] {
  return SIZES.map(([size, fragment], index) => {
    const compressed = messagesOf(kind, size);
    return {
      number: `${group}.${index + 1}`,
      section,
      sentence:
        `${compressed.length} compressed ${kind} messages of ${told(size)}, one after the other` +
        (fragment === undefined ? "." : `, each in fragments of ${told(fragment)}.`),
      send: [{ compressed, ...(fragment === undefined ? {} : { fragment }) }],
      ...answers(
        ...compressed.map((content) =>
          typeof content === "string" ? { text: content } : { binary: content },
        ),
      ),
      compression,
    };
  });
}

const plain = {
  offer: "permessage-deflate; client_no_context_takeover; client_max_window_bits",
  agreed: "permessage-deflate; client_no_context_takeover",
};

/** What clients ask of the server's messages, as in the Autobahn test suite, but with 9 bits where that has 8. */
const OFFERS: readonly (readonly [what: string, offer: string, agreed: string])[] = [
  ["nothing asked for", "", ""],
  ["no context takeover", "; server_no_context_takeover", "; server_no_context_takeover"],
  ["a window of 9 bits", "; server_max_window_bits=9", "; server_max_window_bits=9"],
  ["a window of 15 bits", "; server_max_window_bits=15", "; server_max_window_bits=15"],
  [
    "no context takeover and 9 bits",
    "; server_no_context_takeover; server_max_window_bits=9",
    "; server_no_context_takeover; server_max_window_bits=9",
  ],
  [
    "no context takeover and 15 bits",
    "; server_no_context_takeover; server_max_window_bits=15",
    "; server_no_context_takeover; server_max_window_bits=15",
  ],
  [
    "the first of three offers that can be met",
    "; server_max_window_bits=8, permessage-deflate; server_no_context_takeover, permessage-deflate",
    "; server_no_context_takeover",
  ],
];

const inflated = { offer: AGREED, agreed: AGREED };

/** "Hello" as RFC 7692 §7.2.3.1 compresses it. */
const HELLO = { opcode: TEXT, payload: hex("f2 48 cd c9 c9 07 00"), reserved: 0x40 };

/** A block of deflate that ends the stream, which a sender may send too (RFC 7692 §7.2.3.4). */
const FINAL_BLOCK = hex("f3 48 cd c9 c9 07 00 00");

const own: ConformanceCase[] = [
  {
    number: "12.6.1",
    own: true,
    section: "§5.2 of RFC 6455",
    sentence: "The first reserved bit without an agreement.",
    send: [{ frames: [HELLO] }],
    ...failure(1002),
  },
  {
    number: "12.6.2",
    own: true,
    section: "§6.1",
    sentence: "The first reserved bit on a Ping.",
    send: [{ frames: [{ opcode: PING, reserved: 0x40 }] }],
    ...failure(1002),
    compression: inflated,
  },
  {
    number: "12.6.3",
    own: true,
    section: "§6.1",
    sentence: "The second reserved bit beside the first.",
    send: [{ frames: [{ opcode: TEXT, payload: hex("f2 48 cd c9 c9 07 00"), reserved: 0x60 }] }],
    ...failure(1002),
    compression: inflated,
  },
  {
    number: "12.6.4",
    own: true,
    section: "§7.2.3.1",
    sentence: "The RFC's own example, whole and then in two fragments with a Ping between them.",
    send: [
      { frames: [HELLO] },
      { await: 1 },
      {
        frames: [
          { opcode: TEXT, payload: hex("f2 48 cd"), reserved: 0x40, final: false },
          { opcode: PING, payload: "between" },
          { opcode: CONTINUATION, payload: hex("c9 c9 07 00") },
        ],
      },
    ],
    ...answers({ text: "Hello" }, { pong: "between" }, { text: "Hello" }),
    compression: inflated,
  },
  {
    number: "12.6.5",
    own: true,
    section: "§7.2.3.4",
    sentence: "A message whose last block ends the deflate stream, and another one.",
    send: [
      { frames: [{ opcode: TEXT, payload: FINAL_BLOCK, reserved: 0x40 }] },
      { frames: [{ opcode: TEXT, payload: FINAL_BLOCK, reserved: 0x40 }] },
    ],
    ...answers({ text: "Hello", times: 2 }),
    compression: inflated,
  },
  {
    number: "12.6.6",
    own: true,
    section: "§7.2.3.6",
    sentence: "An empty message, compressed to one byte, and one that is not compressed.",
    send: [{ frames: [{ opcode: TEXT, payload: hex("00"), reserved: 0x40 }, { opcode: BINARY }] }],
    ...answers({ text: "" }, { binary: Buffer.alloc(0) }),
    compression: inflated,
  },
  {
    number: "12.6.7",
    own: true,
    section: "§7.2.2",
    sentence: "A payload that is not deflate, behind a message that is served.",
    send: [
      {
        frames: [
          { opcode: TEXT, payload: "fine" },
          { opcode: TEXT, payload: hex("ff ff ff ff"), reserved: 0x40 },
        ],
      },
    ],
    ...failure(1007, { text: "fine" }),
    compression: inflated,
  },
  {
    number: "12.6.8",
    own: true,
    section: "§7.2.2",
    sentence: "Text that is not UTF-8 when it is inflated.",
    // A stored block with the byte ff.
    send: [{ frames: [{ opcode: TEXT, payload: hex("00 01 00 fe ff ff 00"), reserved: 0x40 }] }],
    ...failure(1007),
    compression: inflated,
  },
  {
    number: "12.6.9",
    own: true,
    section: "§8",
    sentence: "A message of 1 KiB on the wire that inflates to one byte over maxPayload, 1 MiB.",
    send: [{ compressed: ["0".repeat(1024 * KIB + 1)] }],
    ...failure(1009),
    compression: inflated,
  },
  {
    number: "12.6.10",
    own: true,
    section: "§6.2",
    sentence: "A Close behind compressed messages is answered when they are served.",
    send: [{ frames: [HELLO, HELLO, HELLO, { opcode: CLOSE, payload: hex("03 e8") }] }],
    ...closed(1000, { text: "Hello", times: 3 }),
    compression: inflated,
  },
];

export const compression: readonly ConformanceGroup[] = [
  { title: "12.1 Compressed text", cases: series("12.1", "§7", "text", plain) },
  { title: "12.2 Compressed binary", cases: series("12.2", "§7", "binary", plain) },
  { title: "12.6 Compression: what may go wrong", cases: own },
  ...OFFERS.map(([what, asked, agreed], index) => ({
    title: `13.${index + 1} Offers: ${what}`,
    cases: series(`13.${index + 1}`, "§7.1", "text", {
      offer: `permessage-deflate; client_max_window_bits${asked}`,
      agreed: `${AGREED}${agreed}`,
    }),
  })),
];
