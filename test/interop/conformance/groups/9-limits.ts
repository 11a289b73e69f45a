import type { Answer, CaseFrame, ConformanceCase, ConformanceGroup } from "../case.js";
import { answers, BINARY, CONTINUATION, failure, hex, patterned, PING, TEXT } from "./shared.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const SECTION = "§5.2, §5.4";

/** These cases are larger than what a server of ours accepts by default. */
const roomy = { maxPayload: 16 * MIB, maxFragments: 65_536 };

/** One content for each length; the cases share it. */
const contents = new Map<string, { frame: CaseFrame; answer: Answer }>();

function message(kind: "text" | "binary", length: number): { frame: CaseFrame; answer: Answer } {
  const key = `${kind} ${length}`;
  let content = contents.get(key);
  if (content === undefined) {
    const bytes = patterned(length, kind === "text" ? "BAsd7&jh23" : hex("00 fe 23 fa f0"));
    content =
      kind === "text"
        ? { frame: { opcode: TEXT, payload: bytes }, answer: { text: bytes.toString() } }
        : { frame: { opcode: BINARY, payload: bytes }, answer: { binary: bytes } };
    contents.set(key, content);
  }
  return content;
}

function told(length: number): string {
  if (length >= MIB) return `${length / MIB} MiB`;
  return length >= KIB ? `${length / KIB} KiB` : `${length} bytes`;
}

/** One case for each size: text under the first number, binary under the second. */
function forBothKinds(
  numbers: readonly [number, number],
  sizes: readonly number[],
  make: (kind: "text" | "binary", size: number) => Omit<ConformanceCase, "number" | "section">,
): ConformanceCase[] {
  return (["text", "binary"] as const).flatMap((kind, index) =>
    sizes.map((size, position) => ({
      number: `9.${numbers[index]}.${position + 1}`,
      section: SECTION,
      ...make(kind, size),
    })),
  );
}

const LENGTHS = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB];
const whole = forBothKinds([1, 2], LENGTHS, (kind, length) => {
  const { frame, answer } = message(kind, length);
  return {
    sentence: `A ${kind} message of ${told(length)}.`,
    send: [{ frames: [frame] }],
    ...answers(answer),
    options: roomy,
  };
});

const FRAGMENTS = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
const fragmented = forBothKinds([3, 4], FRAGMENTS, (kind, fragment) => {
  const { frame, answer } = message(kind, 4 * MIB);
  return {
    sentence: `A ${kind} message of 4 MiB in fragments of ${told(fragment)}.`,
    send: [{ frames: [{ ...frame, fragment }] }],
    ...answers(answer),
    options: roomy,
  };
});

const CHOPS = [64, 128, 256, 512, KIB, 2 * KIB];
const chopped = forBothKinds([5, 6], CHOPS, (kind, chop) => {
  const { frame, answer } = message(kind, MIB);
  return {
    sentence: `A ${kind} message of 1 MiB in packets of ${told(chop)}.`,
    send: [{ frames: [frame], chop }],
    ...answers(answer),
  };
});

const TRIPS = [0, 16, 64, 256, KIB, 4 * KIB];
const roundTrips = forBothKinds([7, 8], TRIPS, (kind, length) => {
  const { frame, answer } = message(kind, length);
  return {
    sentence: `1 000 ${kind} messages of ${told(length)}, each sent when the last one is answered.`,
    send: [{ roundTrips: 1000, frame }],
    ...answers({ ...answer, times: 1000 }),
  };
});

const LIMITS = "§10.4";
const DEFAULT_FRAGMENTS = 16_384;

/** An empty message in this many frames. */
function emptyFragments(count: number): CaseFrame[] {
  return Array.from({ length: count }, (_, index) => ({
    opcode: index === 0 ? BINARY : CONTINUATION,
    final: index === count - 1,
  }));
}

const limits: ConformanceCase[] = [
  {
    number: "9.10.1",
    own: true,
    section: LIMITS,
    sentence: "A message of 1 MiB, the most that a server accepts by default.",
    send: [{ frames: [message("binary", MIB).frame] }],
    ...answers(message("binary", MIB).answer),
  },
  {
    number: "9.10.2",
    own: true,
    section: LIMITS,
    sentence: "Only the header of a message of 1 MiB and a byte: refused before any of its payload.",
    send: [{ frames: [{ opcode: BINARY, declaredLength: MIB + 1 }] }],
    ...failure(1009),
  },
  {
    number: "9.10.3",
    own: true,
    section: LIMITS,
    sentence: "The header of a message of 2^62 bytes.",
    send: [{ frames: [{ opcode: TEXT, declaredLength: 2n ** 62n }] }],
    ...failure(1009),
  },
  {
    number: "9.10.4",
    own: true,
    section: LIMITS,
    sentence: "Two fragments of which each is within the limit, and both together are not.",
    send: [
      {
        frames: [
          { ...message("binary", MIB).frame, final: false },
          { opcode: CONTINUATION, payload: "1" },
        ],
      },
    ],
    ...failure(1009),
  },
  {
    number: "9.10.5",
    own: true,
    section: LIMITS,
    sentence: "A message before one that is too big is answered.",
    send: [
      {
        frames: [
          { opcode: TEXT, payload: "small" },
          { opcode: BINARY, declaredLength: MIB + 1 },
        ],
      },
    ],
    ...failure(1009, { text: "small" }),
  },
  {
    number: "9.10.6",
    own: true,
    section: LIMITS,
    sentence: "A message in 16 384 fragments, the most that a server accepts by default.",
    send: [{ frames: emptyFragments(DEFAULT_FRAGMENTS) }],
    ...answers({ binary: Buffer.alloc(0) }),
  },
  {
    number: "9.10.7",
    own: true,
    section: LIMITS,
    sentence: "A message in one fragment more.",
    send: [{ frames: emptyFragments(DEFAULT_FRAGMENTS + 1) }],
    ...failure(1008),
  },
  {
    number: "9.10.8",
    own: true,
    section: LIMITS,
    sentence: "With maxPayload 1: a Ping of 125 bytes is not a message, and a message of one byte is one.",
    send: [
      {
        frames: [
          { opcode: PING, payload: "p".repeat(125) },
          { opcode: TEXT, payload: "1" },
        ],
      },
    ],
    ...answers({ pong: "p".repeat(125) }, { text: "1" }),
    options: { maxPayload: 1 },
  },
  {
    number: "9.10.9",
    own: true,
    section: LIMITS,
    sentence: "With maxPayload 1: a message of two bytes.",
    send: [{ frames: [{ opcode: TEXT, payload: "12" }] }],
    ...failure(1009),
    options: { maxPayload: 1 },
  },
  {
    number: "9.10.10",
    own: true,
    section: LIMITS,
    sentence:
      "10 000 empty messages at once, ten times as many as may wait: reading pauses, and all are answered.",
    send: [{ frames: Array.from({ length: 10_000 }, () => ({ opcode: TEXT })) }],
    ...answers({ text: "", times: 10_000 }),
  },
];

const automatic: ConformanceCase[] = [
  {
    number: "10.1.1",
    section: "§5.4",
    sentence: "A text message of 64 KiB in fragments of 1 300 bytes.",
    send: [{ frames: [{ ...message("text", 64 * KIB).frame, fragment: 1300 }] }],
    ...answers(message("text", 64 * KIB).answer),
  },
];

export const large: readonly ConformanceGroup[] = [
  { title: "9.1, 9.2 Large messages", cases: whole },
  { title: "9.3, 9.4 Large messages in fragments", cases: fragmented },
  { title: "9.5, 9.6 Large messages in small packets", cases: chopped },
  { title: "9.7, 9.8 Many round trips", cases: roundTrips },
  { title: "9.10 Limits", cases: limits },
  { title: "10.1 Fragments of the size of a packet", cases: automatic },
];
