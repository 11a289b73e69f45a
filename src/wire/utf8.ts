/** UTF-8 that comes in pieces (RFC 3629): what is wrong in it is seen with the piece that it is in. */
import { isUtf8 } from "node:buffer";

const CONTINUATION = 0x80;
const CONTINUATION_BITS = 0xc0;

/**
 * Checks `bytes[start..end)`, of which more may follow. Returns where the next check starts: at `end`, or at the first of
 * up to 3 bytes that begin a character and do not end it. -1 when nothing that could follow would make it UTF-8.
 */
export function checkUtf8(bytes: Buffer, start: number, end: number): number {
  const begun = beginOfLastCharacter(bytes, start, end);
  const checked = bytes.subarray(start, begun);
  return isUtf8(checked) && canBegin(bytes, begun, end) ? begun : -1;
}

/** Where the character begins that the bytes end within; `end` when they end with a whole one, or with nonsense. */
function beginOfLastCharacter(bytes: Buffer, start: number, end: number): number {
  for (let position = end - 1; position >= start && position >= end - 3; position--) {
    const byte = bytes[position]!;
    if ((byte & CONTINUATION_BITS) !== CONTINUATION) return position + lengthBy(byte) > end ? position : end;
  }
  return end;
}

/** Bytes that a character has which begins with this one; 1 also for a byte with which none begins. */
function lengthBy(first: number): number {
  if (first < 0xc2 || first > 0xf4) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

/** Whether these bytes, too few for a character, can begin one. Only its second byte is bound to the first (§4). */
function canBegin(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 2) return true;
  const second = bytes[start + 1]!;
  switch (bytes[start]) {
    case 0xe0:
      return second >= 0xa0; // less would be overlong
    case 0xed:
      return second < 0xa0; // from there on: surrogates
    case 0xf0:
      return second >= 0x90; // less would be overlong
    case 0xf4:
      return second < 0x90; // from there on: beyond U+10FFFF
    default:
      return true;
  }
}
