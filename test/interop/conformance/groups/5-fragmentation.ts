import type { CaseFrame, ConformanceCase, ConformanceGroup, Step } from "../case.js";
import { answers, BINARY, CONTINUATION, failure, hex, PING, PONG, TEXT } from "./shared.js";

const SECTION = "§5.4";

const first: CaseFrame = { opcode: TEXT, payload: "fragment1", final: false };
const last: CaseFrame = { opcode: CONTINUATION, payload: "fragment2" };
const ping: CaseFrame = { opcode: PING, payload: "ping payload" };
const hello: CaseFrame = { opcode: TEXT, payload: "Hello, world!" };
const nothingToContinue: CaseFrame = { opcode: CONTINUATION, payload: "non-continuation payload" };

/** The three ways in which frames are put on the wire. */
const WAYS: readonly { told: string; chop: Pick<Extract<Step, { frames: unknown }>, "chop"> }[] = [
  { told: "in one packet", chop: {} },
  { told: "frame by frame", chop: { chop: "frames" } },
  { told: "octet by octet", chop: { chop: 1 } },
];

/** One case for each way; numbers from `number` on. */
function inAllWays(
  number: number,
  what: string,
  frames: readonly CaseFrame[],
  outcome: Pick<ConformanceCase, "answers" | "end">,
): ConformanceCase[] {
  return WAYS.map(({ told, chop }, index) => ({
    number: `5.${number + index}`,
    section: SECTION,
    sentence: `${what}, ${told}.`,
    send: [{ frames, ...chop }],
    ...outcome,
  }));
}

/** Five fragments with two Pings between them, of which the first must be answered before the rest is sent. */
function withPings(chop: Pick<Extract<Step, { frames: unknown }>, "chop">): Step[] {
  const fragment = (index: number, final = false): CaseFrame => ({
    opcode: index === 1 ? TEXT : CONTINUATION,
    payload: `fragment${index}`,
    final,
  });
  return [
    { frames: [fragment(1), fragment(2), { opcode: PING, payload: "pongme 1!" }], ...chop },
    { await: 1 },
    {
      frames: [fragment(3), fragment(4), { opcode: PING, payload: "pongme 2!" }, fragment(5, true)],
      ...chop,
    },
  ];
}

const pingsAndText = answers(
  { pong: "pongme 1!" },
  { pong: "pongme 2!" },
  { text: "fragment1fragment2fragment3fragment4fragment5" },
);

const cases: ConformanceCase[] = [
  {
    number: "5.1",
    section: "§5.5",
    sentence: "A Ping in two fragments.",
    send: [
      {
        frames: [
          { opcode: PING, payload: "fragment1", final: false },
          { opcode: CONTINUATION, payload: "fragment2" },
        ],
      },
    ],
    ...failure(1002),
  },
  {
    number: "5.2",
    section: "§5.5",
    sentence: "A Pong in two fragments.",
    send: [
      {
        frames: [
          { opcode: PONG, payload: "fragment1", final: false },
          { opcode: CONTINUATION, payload: "fragment2" },
        ],
      },
    ],
    ...failure(1002),
  },
  ...inAllWays(3, "A text message in two fragments", [first, last], answers({ text: "fragment1fragment2" })),
  ...inAllWays(
    6,
    "A text message in two fragments with a Ping between them",
    [first, ping, last],
    answers({ pong: "ping payload" }, { text: "fragment1fragment2" }),
  ),
  ...inAllWays(
    9,
    "A final continuation frame with nothing to continue, then a text message",
    [nothingToContinue, hello],
    failure(1002),
  ),
  ...inAllWays(
    12,
    "A continuation frame that is not final, with nothing to continue, then a text message",
    [{ ...nothingToContinue, final: false }, hello],
    failure(1002),
  ),
  {
    number: "5.15",
    section: SECTION,
    sentence:
      "A text message in two fragments, then a continuation frame with nothing to continue, then a message.",
    send: [{ frames: [first, last, { ...nothingToContinue, final: false }, hello] }],
    ...failure(1002, { text: "fragment1fragment2" }),
  },
  {
    number: "5.16",
    section: SECTION,
    sentence:
      "Twice: a continuation frame that is not final, with nothing to continue, and a text message in two.",
    send: [{ frames: [0, 1].flatMap(() => [{ ...nothingToContinue, final: false }, first, last]) }],
    ...failure(1002),
  },
  {
    number: "5.17",
    section: SECTION,
    sentence: "Twice: a final continuation frame with nothing to continue, and a text message in two.",
    send: [{ frames: [0, 1].flatMap(() => [nothingToContinue, first, last]) }],
    ...failure(1002),
  },
  {
    number: "5.18",
    section: SECTION,
    sentence: "A text message in two fragments that both have the opcode of text.",
    send: [{ frames: [first, { ...last, opcode: TEXT }] }],
    ...failure(1002),
  },
  {
    number: "5.19",
    section: SECTION,
    sentence:
      "Five fragments, two Pings between them; the first is answered before the last fragment is sent.",
    send: withPings({}),
    ...pingsAndText,
  },
  {
    number: "5.20",
    section: SECTION,
    sentence: "As 5.19, frame by frame.",
    send: withPings({ chop: "frames" }),
    ...pingsAndText,
  },
  {
    number: "5.21",
    own: true,
    section: SECTION,
    sentence: "A binary message in fragments of one byte.",
    send: [{ frames: [{ opcode: BINARY, payload: hex("00 ff fe fd fc fb 00 ff"), fragment: 1 }] }],
    ...answers({ binary: hex("00 ff fe fd fc fb 00 ff") }),
  },
  {
    number: "5.22",
    own: true,
    section: SECTION,
    sentence: "A fragmented text message into which a binary one is put.",
    send: [{ frames: [first, { opcode: BINARY, payload: "in between" }, last] }],
    ...failure(1002),
  },
  {
    number: "5.23",
    own: true,
    section: SECTION,
    sentence: "A text message in two fragments with a Pong between them that nobody asked for.",
    send: [{ frames: [first, { opcode: PONG, payload: "unasked" }, last] }],
    ...answers({ text: "fragment1fragment2" }),
  },
  {
    number: "5.24",
    own: true,
    section: "§5.5.2",
    sentence: "A Ping between the two halves of one frame's payload is payload, not a Ping.",
    send: [{ frames: [{ opcode: BINARY, payload: hex("89 00 89 00") }], chop: 3 }],
    ...answers({ binary: hex("89 00 89 00") }),
  },
  {
    number: "5.25",
    own: true,
    section: SECTION,
    sentence: "Two fragmented messages, one behind the other, in one packet.",
    send: [{ frames: [first, last, { ...first, opcode: BINARY }, last] }],
    ...answers({ text: "fragment1fragment2" }, { binary: Buffer.from("fragment1fragment2") }),
  },
];

export const fragmentation: readonly ConformanceGroup[] = [{ title: "5 Fragmentation", cases }];
