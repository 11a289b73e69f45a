/** What the classes of requests mean, as the legend says it. */
import type { RequestClass } from "../result.js";

export const meanings: Record<RequestClass, string> = {
  answered: "A reply came before the connection ended. Good.",
  unanswered:
    "Sent before the signal, and no reply came; or sent after it, on a connection that did not end by a Close. Fails.",
  "cut off":
    "Sent after the signal, no reply, and a Close ended the connection. Told; fails with --strict only.",
  "never started":
    "No reply, not in the effects file, and the connection ended by a code that promises it: safe to send elsewhere. " +
    "Good after the signal; before it only with --accept-handback.",
  "executed but unanswered": "The effects file names it, and no reply came: the client does not know. Fails.",
  "broken promise":
    "No reply, ended by a code that promises that it never started, and yet the effects file names it. Fails.",
  duplicated: "Answered or executed more than once. Fails.",
  "not judged":
    "The client itself left or reset, or the server does not serve clients that have closed their half at any time.",
};
