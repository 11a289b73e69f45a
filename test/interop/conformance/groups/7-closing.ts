import { PLEASE_CLOSE, type CaseFrame, type ConformanceCase, type ConformanceGroup } from "../case.js";
import { BINARY, CLOSE, closed, CONTINUATION, failure, hex, patterned, PING, TEXT } from "./shared.js";

const HANDSHAKE = "§5.5.1, §7.1";
const CODES = "§7.4";

function close(code: number, reason: string | Uint8Array = ""): CaseFrame {
  return {
    opcode: CLOSE,
    payload: Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]),
  };
}

const hello: CaseFrame = { opcode: TEXT, payload: "Hello World!" };
const LARGE = patterned(256 * 1024, "BAsd7&jh23").toString();

const closing: ConformanceCase[] = [
  {
    number: "7.1.1",
    section: HANDSHAKE,
    sentence: "A message, then Close.",
    send: [{ frames: [hello, close(1000)] }],
    ...closed(1000, { text: "Hello World!" }),
  },
  {
    number: "7.1.2",
    section: HANDSHAKE,
    sentence: "Two Close frames; the second is ignored.",
    send: [{ frames: [close(1000), { opcode: CLOSE }] }],
    ...closed(1000),
  },
  {
    number: "7.1.3",
    section: HANDSHAKE,
    sentence: "A Ping behind Close gets no Pong.",
    send: [{ frames: [close(1000), { opcode: PING }] }],
    ...closed(1000),
  },
  {
    number: "7.1.4",
    section: HANDSHAKE,
    sentence: "A message behind Close gets no answer.",
    send: [{ frames: [close(1000), hello] }],
    ...closed(1000),
  },
  {
    number: "7.1.5",
    section: HANDSHAKE,
    sentence: "Close between two fragments of a message.",
    send: [
      {
        frames: [
          { opcode: TEXT, payload: "fragment1", final: false },
          close(1000),
          { opcode: CONTINUATION, payload: "fragment2" },
        ],
      },
    ],
    ...closed(1000),
  },
  {
    number: "7.1.6",
    section: HANDSHAKE,
    sentence: "A message of 256 KiB, a short one, Close and a Ping: both messages are answered before Close.",
    send: [{ frames: [{ opcode: TEXT, payload: LARGE }, hello, close(1000), { opcode: PING }] }],
    ...closed(1000, { text: LARGE }, { text: "Hello World!" }),
  },
  {
    number: "7.1.7",
    own: true,
    section: HANDSHAKE,
    sentence: "What follows Close is not looked at, even when it breaks the rules.",
    send: [{ frames: [close(1000), { opcode: 3 }, { ...hello, mask: undefined }] }],
    ...closed(1000),
  },
  {
    number: "7.1.8",
    own: true,
    section: HANDSHAKE,
    sentence: "Close, octet by octet.",
    send: [{ frames: [close(1000, "bye")], chop: 1 }],
    ...closed(1000),
  },
];

const payloads: ConformanceCase[] = [
  {
    number: "7.3.1",
    section: HANDSHAKE,
    sentence: "Close without a code.",
    send: [{ frames: [{ opcode: CLOSE }] }],
    ...closed(undefined),
  },
  {
    number: "7.3.2",
    section: "§5.5.1",
    sentence: "Close with a payload of one byte.",
    send: [{ frames: [{ opcode: CLOSE, payload: "a" }] }],
    ...failure(1002),
  },
  {
    number: "7.3.3",
    section: HANDSHAKE,
    sentence: "Close with a code.",
    send: [{ frames: [close(1000)] }],
    ...closed(1000),
  },
  {
    number: "7.3.4",
    section: HANDSHAKE,
    sentence: "Close with a code and a reason.",
    send: [{ frames: [close(1000, "Hello World!")] }],
    ...closed(1000),
  },
  {
    number: "7.3.5",
    section: HANDSHAKE,
    sentence: "Close with a reason of 123 bytes, the longest there is.",
    send: [{ frames: [close(1000, "*".repeat(123))] }],
    ...closed(1000),
  },
  {
    number: "7.3.6",
    section: "§5.5",
    sentence: "Close with a reason of 124 bytes.",
    send: [{ frames: [close(1000, "*".repeat(124))] }],
    ...failure(1002),
  },
  {
    number: "7.5.1",
    section: "§5.5.1, §8.1",
    sentence: "Close with a reason that is not UTF-8.",
    send: [{ frames: [close(1000, hex("ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65 64 69 74 65 64"))] }],
    ...failure(1007),
  },
];

/** Those of the Autobahn test suite, then the three that were registered later. */
const ALLOWED = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999, 1012, 1013, 1014,
];
const ALLOWED_BY_AUTOBAHN = 13;

const allowedCodes = ALLOWED.map((code, index): ConformanceCase => ({
  number: `7.7.${index + 1}`,
  ...(index < ALLOWED_BY_AUTOBAHN ? {} : { own: true }),
  section: CODES,
  sentence: `Close with code ${code}.`,
  send: [{ frames: [close(code)] }],
  ...closed(code),
}));

const FORBIDDEN = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 1015];
const FORBIDDEN_BY_AUTOBAHN = 9;

const forbiddenCodes = FORBIDDEN.map((code, index): ConformanceCase => ({
  number: `7.9.${index + 1}`,
  ...(index < FORBIDDEN_BY_AUTOBAHN ? {} : { own: true }),
  section: CODES,
  sentence: `Close with code ${code}, which may not be sent.`,
  send: [{ frames: [close(code)] }],
  ...failure(1002),
}));

const unregisteredCodes = [5000, 65_535].map((code, index): ConformanceCase => ({
  number: `7.13.${index + 1}`,
  section: CODES,
  sentence: `Close with code ${code}, which no range contains.`,
  send: [{ frames: [close(code)] }],
  ...failure(1002),
}));

const byServer: ConformanceCase[] = [
  {
    number: "7.14.1",
    own: true,
    section: "§7.1.1",
    sentence: "The server closes first; the client answers, and the server ends TCP.",
    send: [{ frames: [{ opcode: TEXT, payload: PLEASE_CLOSE }] }],
    answers: [],
    end: { by: "server", code: 4000 },
  },
  {
    number: "7.14.2",
    own: true,
    section: "§5.5.1, §7.1.1",
    sentence: "The server closes first; messages that come behind that are read and not answered.",
    send: [
      {
        frames: [{ opcode: TEXT, payload: PLEASE_CLOSE }, hello, { opcode: BINARY, payload: "late" }],
      },
    ],
    answers: [],
    end: { by: "server", code: 4000 },
  },
];

export const closingHandshake: readonly ConformanceGroup[] = [
  { title: "7.1 Close and what is around it", cases: closing },
  { title: "7.3, 7.5 The payload of Close", cases: payloads },
  { title: "7.7 Codes that may be sent", cases: allowedCodes },
  { title: "7.9 Codes that may not", cases: forbiddenCodes },
  { title: "7.13 Codes outside every range", cases: unregisteredCodes },
  { title: "7.14 Who ends what", cases: byServer },
];
