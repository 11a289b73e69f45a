/** Handlers that cannot work: what each of them gets wrong without any error of its own. */
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

function isReply(value: unknown): boolean {
  return typeof value === "string" || value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}
