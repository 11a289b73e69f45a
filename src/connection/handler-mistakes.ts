/** Handlers that cannot work: what each of them gets wrong without any error of its own. */
import { isAnyArrayBuffer } from "node:util/types";
import { describeValue, LastcallError } from "../base/errors.js";

/** What is wrong with a handler that has returned this, if something is. `idle`: at once, and without having done anything. */
export function mistakeIn(returned: unknown, idle: boolean): LastcallError | undefined {
  if (isReply(returned) || typeof returned === "function") {
    return new LastcallError(
      "LASTCALL_HANDLER_RETURNED",
      `The handler returned ${describeValue(returned)}, which is not sent. A handler serves a whole connection: ` +
        "wrap a function of one message in each(), and hand over what each() returns.",
    );
  }
  if (!idle) return undefined;
  return new LastcallError(
    "LASTCALL_HANDLER_IDLE",
    "The handler returned at once and had neither read, sent nor kept anything, and with it the connection ended. " +
      "A connection lasts as long as its handler: loop over its messages, or give what goes on to waitUntil().",
  );
}

/** What is wrong with a promise that is given to `waitUntil` when nothing is waited for any more. */
export function waitedTooLate(): LastcallError {
  return new LastcallError(
    "LASTCALL_HANDLER_SETTLED",
    "waitUntil() was called when the handler had settled, and all that was given to waitUntil() before: the connection " +
      "is being closed and does not wait for this. Call it before the handler returns, or from what it waits for.",
  );
}

function isReply(value: unknown): boolean {
  return typeof value === "string" || isAnyArrayBuffer(value) || ArrayBuffer.isView(value);
}
