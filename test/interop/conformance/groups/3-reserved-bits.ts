import type { CaseFrame, ConformanceCase, ConformanceGroup } from "../case.js";
import { BINARY, CLOSE, CONTINUATION, failure, hex, PING, TEXT } from "./shared.js";

/** RSV1 to RSV3, as the number that they make, at their place in the first byte. */
function reserved(number: number): number {
  return number << 4;
}

const hello: CaseFrame = { opcode: TEXT, payload: "Hello, world!" };
const SECTION = "§5.2";

/** A good message, one with these bits, and a Ping that must not be answered any more. */
function between(bits: number): CaseFrame[] {
  return [hello, { ...hello, reserved: reserved(bits) }, { opcode: PING }];
}

const cases: ConformanceCase[] = [
  {
    number: "3.1",
    section: SECTION,
    sentence: "A text message with RSV = 1.",
    send: [{ frames: [{ ...hello, reserved: reserved(1) }] }],
    ...failure(1002),
  },
  {
    number: "3.2",
    section: SECTION,
    sentence: "A text message, one with RSV = 2, and a Ping, in one packet.",
    send: [{ frames: between(2) }],
    ...failure(1002, { text: "Hello, world!" }),
  },
  {
    number: "3.3",
    section: SECTION,
    sentence: "A text message, one with RSV = 3, and a Ping, frame by frame.",
    send: [{ frames: between(3), chop: "frames" }],
    ...failure(1002, { text: "Hello, world!" }),
  },
  {
    number: "3.4",
    section: SECTION,
    sentence: "A text message, one with RSV = 4, and a Ping, octet by octet.",
    send: [{ frames: between(4), chop: 1 }],
    ...failure(1002, { text: "Hello, world!" }),
  },
  {
    number: "3.5",
    section: SECTION,
    sentence: "A binary message with RSV = 5.",
    send: [{ frames: [{ opcode: BINARY, payload: hex("00 ff fe fd fc fb 00 ff"), reserved: reserved(5) }] }],
    ...failure(1002),
  },
  {
    number: "3.6",
    section: SECTION,
    sentence: "A Ping with RSV = 6.",
    send: [{ frames: [{ opcode: PING, payload: "Hello, world!", reserved: reserved(6) }] }],
    ...failure(1002),
  },
  {
    number: "3.7",
    section: SECTION,
    sentence: "A Close with RSV = 7.",
    send: [{ frames: [{ opcode: CLOSE, reserved: reserved(7) }] }],
    ...failure(1002),
  },
  {
    number: "3.8",
    own: true,
    section: SECTION,
    sentence: "A text message in two fragments, the second with RSV = 4.",
    send: [
      {
        frames: [
          { opcode: TEXT, payload: "one", final: false },
          { opcode: CONTINUATION, payload: "two", reserved: reserved(4) },
        ],
      },
    ],
    ...failure(1002),
  },
  {
    number: "3.9",
    own: true,
    section: "§9.1",
    sentence: "RSV = 4, which permessage-deflate would use, on a connection that did not negotiate it.",
    send: [{ frames: [{ opcode: TEXT, payload: hex("f2 48 cd c9 c9 07 00"), reserved: reserved(4) }] }],
    ...failure(1002),
  },
];

export const reservedBits: readonly ConformanceGroup[] = [{ title: "3 Reserved bits", cases }];
