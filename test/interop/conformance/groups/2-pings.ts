import type { ConformanceCase, ConformanceGroup } from "../case.js";
import { answers, failure, hex, patterned, PING, PONG, TEXT } from "./shared.js";

const BYTES = hex("00 ff fe fd fc fb 00 ff");
const LONGEST = patterned(125, hex("fe"));
const UNSOLICITED = "a Pong that nobody asked for";

const tenPings = Array.from({ length: 10 }, (_, index) => `payload-${index}`);
const pingFrames = tenPings.map((payload) => ({ opcode: PING, payload }));

const cases: ConformanceCase[] = [
  {
    number: "2.1",
    section: "§5.5.2",
    sentence: "A Ping without a payload.",
    send: [{ frames: [{ opcode: PING }] }],
    ...answers({ pong: "" }),
  },
  {
    number: "2.2",
    section: "§5.5.2",
    sentence: "A Ping with text.",
    send: [{ frames: [{ opcode: PING, payload: "Hello, world!" }] }],
    ...answers({ pong: "Hello, world!" }),
  },
  {
    number: "2.3",
    section: "§5.5.2",
    sentence: "A Ping with bytes that are not UTF-8.",
    send: [{ frames: [{ opcode: PING, payload: BYTES }] }],
    ...answers({ pong: BYTES }),
  },
  {
    number: "2.4",
    section: "§5.5",
    sentence: "A Ping of 125 bytes, the longest there is.",
    send: [{ frames: [{ opcode: PING, payload: LONGEST }] }],
    ...answers({ pong: LONGEST }),
  },
  {
    number: "2.5",
    section: "§5.5",
    sentence: "A Ping of 126 bytes.",
    send: [{ frames: [{ opcode: PING, payload: patterned(126, hex("fe")) }] }],
    ...failure(1002),
  },
  {
    number: "2.6",
    section: "§5.5.2",
    sentence: "A Ping of 125 bytes, octet by octet.",
    send: [{ frames: [{ opcode: PING, payload: LONGEST }], chop: 1 }],
    ...answers({ pong: LONGEST }),
  },
  {
    number: "2.7",
    section: "§5.5.3",
    sentence: "A Pong without a payload that nobody asked for.",
    send: [{ frames: [{ opcode: PONG }] }],
    ...answers(),
  },
  {
    number: "2.8",
    section: "§5.5.3",
    sentence: "A Pong with a payload that nobody asked for.",
    send: [{ frames: [{ opcode: PONG, payload: UNSOLICITED }] }],
    ...answers(),
  },
  {
    number: "2.9",
    section: "§5.5.3",
    sentence: "A Pong that nobody asked for, then a Ping.",
    send: [
      {
        frames: [
          { opcode: PONG, payload: UNSOLICITED },
          { opcode: PING, payload: "ping payload" },
        ],
      },
    ],
    ...answers({ pong: "ping payload" }),
  },
  {
    number: "2.10",
    section: "§5.5.3",
    sentence: "Ten Pings in one packet: each is answered, in order.",
    send: [{ frames: pingFrames }],
    ...answers(...tenPings.map((pong) => ({ pong }))),
  },
  {
    number: "2.11",
    section: "§5.5.3",
    sentence: "Ten Pings, octet by octet: each is read alone, and answered.",
    send: [{ frames: pingFrames, chop: 1 }],
    ...answers(...tenPings.map((pong) => ({ pong }))),
  },
  {
    number: "2.12",
    own: true,
    section: "§5.5.3",
    sentence: "A Pong of four bytes, as long as the payload of the server's own Pings.",
    send: [{ frames: [{ opcode: PONG, payload: hex("00 00 00 01") }] }],
    ...answers(),
  },
  {
    number: "2.13",
    own: true,
    section: "§5.5",
    sentence: "A Pong of 126 bytes.",
    send: [{ frames: [{ opcode: PONG, payload: patterned(126, hex("fe")) }] }],
    ...failure(1002),
  },
  {
    number: "2.14",
    own: true,
    section: "§5.5.2",
    sentence: "A message, and once it is answered a Ping and a message in one packet.",
    send: [
      { frames: [{ opcode: TEXT, payload: "one" }] },
      { await: 1 },
      {
        frames: [
          { opcode: PING, payload: "ping" },
          { opcode: TEXT, payload: "two" },
        ],
      },
    ],
    ...answers({ text: "one" }, { pong: "ping" }, { text: "two" }),
  },
];

export const pings: readonly ConformanceGroup[] = [{ title: "2 Pings and Pongs", cases }];
