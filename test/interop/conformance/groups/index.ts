/** All groups of the conformance table, in the order of their numbers. */
import type { ConformanceGroup } from "../case.js";
import { framing } from "./1-framing.js";
import { pings } from "./2-pings.js";
import { reservedBits } from "./3-reserved-bits.js";
import { opcodes } from "./4-opcodes.js";
import { fragmentation } from "./5-fragmentation.js";
import { utf8 } from "./6-utf8.js";
import { closingHandshake } from "./7-closing.js";
import { large } from "./9-limits.js";
import { compression } from "./12-compression.js";

export const groups: readonly ConformanceGroup[] = [
  ...framing,
  ...pings,
  ...reservedBits,
  ...opcodes,
  ...fragmentation,
  ...utf8,
  ...closingHandshake,
  ...large,
  ...compression,
];
