/**
 * Byte sequences at the borders of UTF-8 (RFC 3629), after Markus Kuhn's decoder stress test: well-formed or not, and
 * their bytes as hexadecimal digits.
 */

export interface Sequences {
  /** The second part of the cases' numbers. */
  group: number;
  title: string;
  sequences: readonly (readonly [isValid: boolean, digits: string])[];
}

function valid(group: number, title: string, ...digits: string[]): Sequences {
  return { group, title, sequences: digits.map((each) => [true, each]) };
}

function invalid(group: number, title: string, ...digits: string[]): Sequences {
  return { group, title, sequences: digits.map((each) => [false, each]) };
}

const KOSME = "cebae1bdb9cf83cebcceb5";
/** After how many bytes of it no code point is open. */
const KOSME_BOUNDARIES = [2, 5, 7, 9, 11];

/** Bytes from `first` to `last`, each followed by `separator`. */
function bytes(first: number, last: number, separator = ""): string {
  return Array.from(
    { length: last - first + 1 },
    (_, index) => (first + index).toString(16) + separator,
  ).join("");
}

/** What lacks its last continuation byte. */
const INCOMPLETE = [
  "c0",
  "e080",
  "f08080",
  "f8808080",
  "fc80808080",
  "df",
  "efbf",
  "f7bfbf",
  "fbbfbfbf",
  "fdbfbfbfbf",
];

/** The last two code points of each plane. */
const LAST_OF_PLANES = ["0", "1", "2", "3"]
  .flatMap((high) => ["8", "9", "a", "b"].map((low) => `f${high}${low}f`))
  .concat("f48f")
  .filter((start) => start !== "f08f")
  .flatMap((start) => [`${start}bfbe`, `${start}bfbf`]);

export const VALID: readonly Sequences[] = [
  valid(
    5,
    "Valid sequences of one to four bytes",
    "68656c6c6f24776f726c64",
    "68656c6c6fc2a2776f726c64",
    "68656c6c6fe282ac776f726c64",
    "68656c6c6ff0a4ada2776f726c64",
    KOSME,
  ),
  {
    group: 6,
    title: "All prefixes of a valid text",
    sequences: Array.from({ length: KOSME.length / 2 }, (_, index) => [
      KOSME_BOUNDARIES.includes(index + 1),
      KOSME.slice(0, 2 * (index + 1)),
    ]),
  },
  valid(7, "The first sequence of each length", "00", "c280", "e0a080", "f0908080"),
  valid(9, "The last sequence of each length", "7f", "dfbf", "efbfbf", "f48fbfbf"),
  {
    group: 11,
    title: "Other borders",
    sequences: [
      [true, "ed9fbf"],
      [true, "ee8080"],
      [true, "efbfbd"],
      [true, "f48fbfbf"],
      [false, "f4908080"],
    ],
  },
];

export const INVALID: readonly Sequences[] = [
  invalid(8, "The first sequence of 5 and 6 bytes, which UTF-8 no longer has", "f888808080", "fc8480808080"),
  invalid(
    10,
    "The last sequence of 4, 5 and 6 bytes, beyond U+10FFFF",
    "f7bfbfbf",
    "fbbfbfbfbf",
    "fdbfbfbfbfbf",
  ),
  invalid(
    12,
    "Continuation bytes that continue nothing",
    "80",
    "bf",
    "80bf",
    "80bf80",
    "80bf80bf",
    "80bf80bf80",
    "80bf80bf80bf",
    bytes(0x80, 0xbe),
  ),
  invalid(
    13,
    "First bytes without a continuation",
    bytes(0xc0, 0xde, "20"),
    bytes(0xe0, 0xee, "20"),
    bytes(0xf0, 0xf6, "20"),
    bytes(0xf8, 0xfa, "20"),
    bytes(0xfc, 0xfc, "20"),
  ),
  invalid(14, "The last continuation byte is missing", ...INCOMPLETE),
  invalid(15, "All of these one behind the other", INCOMPLETE.join("")),
  invalid(16, "Impossible bytes", "fe", "ff", "fefeffff"),
  invalid(
    17,
    "A slash in more bytes than it needs",
    "c0af",
    "e080af",
    "f08080af",
    "f8808080af",
    "fc80808080af",
  ),
  invalid(
    18,
    "The largest code points in more bytes than they need",
    "c1bf",
    "e09fbf",
    "f08fbfbf",
    "f887bfbfbf",
    "fc83bfbfbfbf",
  ),
  invalid(19, "NUL in more bytes than it needs", "c080", "e08080", "f0808080", "f880808080", "fc8080808080"),
  invalid(20, "Single surrogates", "eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"),
  invalid(
    21,
    "Pairs of surrogates",
    "eda080edb080",
    "eda080edbfbf",
    "edadbfedb080",
    "edadbfedbfbf",
    "edae80edb080",
    "edae80edbfbf",
    "edafbfedb080",
    "edafbfedbfbf",
  ),
];

export const NONCHARACTERS: readonly Sequences[] = [
  valid(22, "Noncharacters, which are valid", "efbfbe", "efbfbf", ...LAST_OF_PLANES),
  valid(23, "Specials", "efbfb9", "efbfba", "efbfbb", "efbfbc", "efbfbd", "efbfbe", "efbfbf"),
];
