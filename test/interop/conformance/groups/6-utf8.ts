import type { CaseFrame, ConformanceCase, ConformanceGroup } from "../case.js";
import { answers, BINARY, CONTINUATION, failure, hex, TEXT } from "./shared.js";
import { INVALID, NONCHARACTERS, VALID, type Sequences } from "./utf8-sequences.js";

const SECTION = "§5.6, §8.1";
const GREETING = "Hello-µ@ßöäüàá-UTF-8!!";
const KOSME = hex("ce ba e1 bd b9 cf 83 ce bc ce b5");
const SURROGATE = hex("ed a0 80");
const TOO_LARGE = hex("f4 90 80 80");
const EDITED = Buffer.from("edited");

function text(payload: Uint8Array): { text: string } {
  return { text: Buffer.from(payload).toString() };
}

/** The parts as frames of one text message. */
function fragments(...parts: (string | Uint8Array)[]): CaseFrame[] {
  return parts.map((payload, index) => ({
    opcode: index === 0 ? TEXT : CONTINUATION,
    payload,
    final: index === parts.length - 1,
  }));
}

const empty: ConformanceCase[] = [
  {
    number: "6.1.1",
    section: SECTION,
    sentence: "An empty text message.",
    send: [{ frames: [{ opcode: TEXT }] }],
    ...answers({ text: "" }),
  },
  {
    number: "6.1.2",
    section: SECTION,
    sentence: "A text message in three empty fragments.",
    send: [{ frames: fragments("", "", "") }],
    ...answers({ text: "" }),
  },
  {
    number: "6.1.3",
    section: SECTION,
    sentence: "A text message in three fragments, only the middle one with content.",
    send: [{ frames: fragments("", "middle frame payload", "") }],
    ...answers({ text: "middle frame payload" }),
  },
];

const valid: ConformanceCase[] = [
  {
    number: "6.2.1",
    section: SECTION,
    sentence: "Valid UTF-8 in one frame.",
    send: [{ frames: [{ opcode: TEXT, payload: GREETING }] }],
    ...answers({ text: GREETING }),
  },
  {
    number: "6.2.2",
    section: SECTION,
    sentence: "Valid UTF-8 in two fragments, cut between two code points.",
    send: [{ frames: fragments("Hello-µ@ßöä", "üàá-UTF-8!!") }],
    ...answers({ text: GREETING }),
  },
  {
    number: "6.2.3",
    section: SECTION,
    sentence: "Valid UTF-8 in fragments of one byte, cut within code points.",
    send: [{ frames: [{ opcode: TEXT, payload: GREETING, fragment: 1 }] }],
    ...answers({ text: GREETING }),
  },
  {
    number: "6.2.4",
    section: SECTION,
    sentence: "Greek letters in fragments of one byte.",
    send: [{ frames: [{ opcode: TEXT, payload: KOSME, fragment: 1 }] }],
    ...answers(text(KOSME)),
  },
];

const invalid = Buffer.concat([KOSME, SURROGATE, EDITED]);

const invalidText: ConformanceCase[] = [
  {
    number: "6.3.1",
    section: SECTION,
    sentence: "A surrogate in the middle of a text message.",
    send: [{ frames: [{ opcode: TEXT, payload: invalid }] }],
    ...failure(1007),
  },
  {
    number: "6.3.2",
    section: SECTION,
    sentence: "The same in fragments of one byte.",
    send: [{ frames: [{ opcode: TEXT, payload: invalid, fragment: 1 }] }],
    ...failure(1007),
  },
];

const outOfRange = Buffer.concat([KOSME, TOO_LARGE, EDITED]);
/** KOSME and the first byte of a code point; the next byte makes it one that does not exist. */
const BROKEN_AT = KOSME.length + 1;

/** The parts as frames of a text message whose last is never sent. */
function unfinished(...parts: Uint8Array[]): CaseFrame[] {
  return fragments(...parts, "").slice(0, -1);
}

const lateText: ConformanceCase[] = [
  {
    number: "6.4.1",
    section: SECTION,
    sentence: "Two fragments of three, the second beyond U+10FFFF, frame by frame; the third is not sent.",
    send: [{ frames: unfinished(KOSME, TOO_LARGE), chop: "frames" }],
    ...failure(1007),
  },
  {
    number: "6.4.2",
    section: SECTION,
    sentence:
      "Two fragments of three, the second only the byte that breaks the text, frame by frame; the third is not sent.",
    send: [
      {
        frames: unfinished(outOfRange.subarray(0, BROKEN_AT), outOfRange.subarray(BROKEN_AT, BROKEN_AT + 1)),
        chop: "frames",
      },
    ],
    ...failure(1007),
  },
  {
    number: "6.4.3",
    section: SECTION,
    sentence:
      "One frame, of which what is behind a code point beyond U+10FFFF is not sent, in packets of 4 bytes.",
    send: [{ frames: [beginning(KOSME.length + TOO_LARGE.length)], chop: 4 }],
    ...failure(1007),
  },
  {
    number: "6.4.4",
    section: SECTION,
    sentence: "One frame, of which what is behind the byte that breaks the text is not sent, octet by octet.",
    send: [{ frames: [beginning(BROKEN_AT + 1)], chop: 1 }],
    ...failure(1007),
  },
];

/** So many bytes of the text, in a frame that declares all of it. */
function beginning(length: number): CaseFrame {
  return { opcode: TEXT, payload: outOfRange.subarray(0, length), declaredLength: outOfRange.length };
}

/** A case for each sequence: in a text message of its own. */
function sequenceGroup({ group, title, sequences }: Sequences): ConformanceGroup {
  return {
    title: `6.${group} ${title}`,
    cases: sequences.map(([isValid, digits], index) => {
      const payload = hex(digits);
      const shown = payload.length > 24 ? `${payload.toString("hex", 0, 24)}…` : payload.toString("hex");
      return {
        number: `6.${group}.${index + 1}`,
        section: SECTION,
        sentence: `The bytes ${shown} as a text message.`,
        send: [{ frames: [{ opcode: TEXT, payload }] }],
        ...(isValid ? answers(text(payload)) : failure(1007)),
      };
    }),
  };
}

const own: ConformanceCase[] = [
  {
    number: "6.24.1",
    own: true,
    section: SECTION,
    sentence: "A text message that begins with a byte order mark keeps it.",
    send: [{ frames: [{ opcode: TEXT, payload: hex("ef bb bf 61") }] }],
    ...answers({ text: "\ufeffa" }),
  },
  {
    number: "6.24.2",
    own: true,
    section: SECTION,
    sentence: "A text message that ends within a code point, though the next message would complete it.",
    send: [
      {
        frames: [
          { opcode: TEXT, payload: hex("e2 82") },
          { opcode: TEXT, payload: hex("ac") },
        ],
      },
    ],
    ...failure(1007),
  },
  {
    number: "6.24.3",
    own: true,
    section: "§5.6",
    sentence: "Bytes that are not UTF-8 as a binary message.",
    send: [{ frames: [{ opcode: BINARY, payload: invalid }] }],
    ...answers({ binary: invalid }),
  },
  {
    number: "6.24.4",
    own: true,
    section: SECTION,
    sentence: "A valid text message before an invalid one is answered.",
    send: [
      {
        frames: [
          { opcode: TEXT, payload: GREETING },
          { opcode: TEXT, payload: invalid },
        ],
      },
    ],
    ...failure(1007, { text: GREETING }),
  },
];

const bySequence = [...VALID, ...INVALID, ...NONCHARACTERS].sort((one, other) => one.group - other.group);

export const utf8: readonly ConformanceGroup[] = [
  { title: "6.1 Empty text", cases: empty },
  { title: "6.2 Valid UTF-8, whole and in fragments", cases: valid },
  { title: "6.3 Invalid UTF-8, whole and in fragments", cases: invalidText },
  { title: "6.4 Invalid UTF-8 that could be seen before the message is whole", cases: lateText },
  ...bySequence.map(sequenceGroup),
  { title: "6.24 More about text", cases: own },
];
