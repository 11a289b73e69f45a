/** What a Close of ours may say: one check for `connection.close()` and for the drain's options. */
import { InvalidOptionError } from "../base/errors.js";
import { isSendableCloseCode, MAX_CLOSE_REASON } from "../wire/close.js";

/** @throws {@link InvalidOptionError} when a Close frame may not carry the code. */
export function checkCloseCode(name: string, code: unknown): void {
  if (typeof code === "number" && isSendableCloseCode(code)) return;
  throw new InvalidOptionError(name, code, "from 1000 to 1014 without 1004 to 1006, or from 3000 to 4999");
}

/** @throws {@link InvalidOptionError} when the reason is no text that fits into a Close frame. */
export function checkCloseReason(name: string, reason: unknown): void {
  if (typeof reason === "string" && Buffer.byteLength(reason) <= MAX_CLOSE_REASON) return;
  throw new InvalidOptionError(name, reason, `a string of at most ${MAX_CLOSE_REASON} bytes of UTF-8`);
}
