import type { CaseFrame, ConformanceCase, ConformanceGroup } from "../case.js";
import { failure, PING, TEXT } from "./shared.js";

const hello: CaseFrame = { opcode: TEXT, payload: "Hello, world!" };

/** The five undefined opcodes from `first` on, alone and between a message and a Ping that must not be answered. */
function undefinedOpcodes(group: string, first: number): ConformanceCase[] {
  const section = "§5.2";
  const between = (frame: CaseFrame): CaseFrame[] => [hello, frame, { opcode: PING }];
  const afterHello = failure(1002, { text: "Hello, world!" });
  return [
    {
      number: `${group}.1`,
      section,
      sentence: `An empty frame with opcode ${first}.`,
      send: [{ frames: [{ opcode: first }] }],
      ...failure(1002),
    },
    {
      number: `${group}.2`,
      section,
      sentence: `A frame with opcode ${first + 1} and a payload.`,
      send: [{ frames: [{ opcode: first + 1, payload: "reserved opcode payload" }] }],
      ...failure(1002),
    },
    {
      number: `${group}.3`,
      section,
      sentence: `A text message, an empty frame with opcode ${first + 2}, and a Ping.`,
      send: [{ frames: between({ opcode: first + 2 }) }],
      ...afterHello,
    },
    {
      number: `${group}.4`,
      section,
      sentence: `A text message, a frame with opcode ${first + 3} and a payload, and a Ping.`,
      send: [{ frames: between({ opcode: first + 3, payload: "Hello, world!" }) }],
      ...afterHello,
    },
    {
      number: `${group}.5`,
      section,
      sentence: `A text message, a frame with opcode ${first + 4} and a payload, and a Ping, octet by octet.`,
      send: [{ frames: between({ opcode: first + 4, payload: "Hello, world!" }), chop: 1 }],
      ...afterHello,
    },
  ];
}

export const opcodes: readonly ConformanceGroup[] = [
  { title: "4.1 Undefined opcodes of data frames", cases: undefinedOpcodes("4.1", 3) },
  { title: "4.2 Undefined opcodes of control frames", cases: undefinedOpcodes("4.2", 11) },
];
