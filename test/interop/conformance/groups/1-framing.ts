import type { CaseFrame, ConformanceCase, ConformanceGroup } from "../case.js";
import { answers, BINARY, CLOSE, failure, patterned, PING, TEXT } from "./shared.js";

const LENGTHS = [0, 125, 126, 127, 128, 65_535, 65_536];
const CHOPPED = { length: 65_536, chop: 997 };

const text: ConformanceCase[] = LENGTHS.map((length, index) => ({
  number: `1.1.${index + 1}`,
  section: "§5.2, §5.6",
  sentence: `A text message of ${length} bytes.`,
  send: [{ frames: [{ opcode: TEXT, payload: "*".repeat(length) }] }],
  ...answers({ text: "*".repeat(length) }),
}));

const binary: ConformanceCase[] = LENGTHS.map((length, index) => ({
  number: `1.2.${index + 1}`,
  section: "§5.2, §5.6",
  sentence: `A binary message of ${length} bytes.`,
  send: [{ frames: [{ opcode: BINARY, payload: patterned(length, "\xfe") }] }],
  ...answers({ binary: patterned(length, "\xfe") }),
}));

text.push({
  number: "1.1.8",
  section: "§5.2, §5.6",
  sentence: `A text message of ${CHOPPED.length} bytes in packets of ${CHOPPED.chop}.`,
  send: [{ frames: [{ opcode: TEXT, payload: "*".repeat(CHOPPED.length) }], chop: CHOPPED.chop }],
  ...answers({ text: "*".repeat(CHOPPED.length) }),
});
binary.push({
  number: "1.2.8",
  section: "§5.2, §5.6",
  sentence: `A binary message of ${CHOPPED.length} bytes in packets of ${CHOPPED.chop}.`,
  send: [{ frames: [{ opcode: BINARY, payload: patterned(CHOPPED.length, "\xfe") }], chop: CHOPPED.chop }],
  ...answers({ binary: patterned(CHOPPED.length, "\xfe") }),
});

const counted = Array.from({ length: 100 }, (_, index) => String(index));

const lengthForms: ConformanceCase[] = [
  {
    number: "1.3.1",
    own: true,
    section: "§5.2",
    sentence: "A text message of 5 bytes whose length takes 16 bits, more than it needs.",
    send: [{ frames: [{ opcode: TEXT, payload: "Hello", lengthBytes: 2 }] }],
    ...answers({ text: "Hello" }),
  },
  {
    number: "1.3.2",
    own: true,
    section: "§5.2",
    sentence: "A text message of 5 bytes whose length takes 64 bits, more than it needs.",
    send: [{ frames: [{ opcode: TEXT, payload: "Hello", lengthBytes: 8 }] }],
    ...answers({ text: "Hello" }),
  },
  {
    number: "1.3.3",
    own: true,
    section: "§5.2",
    sentence: "A 64-bit length with the most significant bit set.",
    send: [{ frames: [{ opcode: BINARY, lengthBytes: 8, declaredLength: 2n ** 63n }] }],
    ...failure(1002),
  },
  {
    number: "1.3.4",
    own: true,
    section: "§5.5",
    sentence: "A Ping of 5 bytes whose length takes 16 bits: control frames have 7.",
    send: [{ frames: [{ opcode: PING, payload: "Hello", lengthBytes: 2 }] }],
    ...failure(1002),
  },
  {
    number: "1.3.5",
    own: true,
    section: "§5.2",
    sentence: "The longest header, of 14 bytes, and its message, octet by octet.",
    send: [{ frames: [{ opcode: TEXT, payload: "Hello", lengthBytes: 8 }], chop: 1 }],
    ...answers({ text: "Hello" }),
  },
  {
    number: "1.3.6",
    own: true,
    section: "§5.2",
    sentence: "100 messages in one packet are answered in their order.",
    send: [{ frames: counted.map((payload) => ({ opcode: TEXT, payload })) }],
    ...answers(...counted.map((text) => ({ text }))),
  },
];

function masked(
  number: string,
  sentence: string,
  frame: CaseFrame,
  text: string,
  chop?: number,
): ConformanceCase {
  const step = chop === undefined ? { frames: [frame] } : { frames: [frame], chop };
  return { number, own: true, section: "§5.3", sentence, send: [step], ...answers({ text }) };
}

const unmasked: readonly (readonly [string, CaseFrame])[] = [
  ["A text message", { opcode: TEXT, payload: "Hello" }],
  ["A binary message", { opcode: BINARY, payload: "Hello" }],
  ["A Ping", { opcode: PING, payload: "Hello" }],
  ["A Close", { opcode: CLOSE, payload: "\x03\xe8" }],
  ["An empty text message", { opcode: TEXT }],
];

const alphabet = "abcdefghijklmnopqrstuvwxyz".repeat(3).slice(0, 67);

const masks: ConformanceCase[] = [
  ...unmasked.map(([what, frame], index): ConformanceCase => ({
    number: `1.4.${index + 1}`,
    own: true,
    section: "§5.1",
    sentence: `${what} without a mask.`,
    send: [{ frames: [{ ...frame, mask: undefined }] }],
    ...failure(1002),
  })),
  masked("1.4.6", "A masking key of zeros.", { opcode: TEXT, payload: "Hello", mask: [0, 0, 0, 0] }, "Hello"),
  masked(
    "1.4.7",
    "A masking key of ones.",
    { opcode: TEXT, payload: "Hello", mask: [255, 255, 255, 255] },
    "Hello",
  ),
  masked("1.4.8", "67 bytes in one packet.", { opcode: TEXT, payload: alphabet }, alphabet),
  masked(
    "1.4.9",
    "67 bytes in packets of 5, so that the mask is taken up in each of its positions.",
    { opcode: TEXT, payload: alphabet },
    alphabet,
    5,
  ),
];

export const framing: readonly ConformanceGroup[] = [
  { title: "1.1 Text messages", cases: text },
  { title: "1.2 Binary messages", cases: binary },
  { title: "1.3 Lengths", cases: lengthForms },
  { title: "1.4 Masks", cases: masks },
];
