/** Values that are allowed and that hardly anybody means: a warning of the process says what they come to, once each. */

/** Below this a number of milliseconds was most likely meant in seconds, and one of bytes in KiB or MiB. */
const DOUBTFUL = 100;

/** Times that nobody wants to be this short, with their prefixes; those that may well be, as `quiet`, are missing. */
const TIMES = new Set([
  "handshakeTimeout",
  "closeReplyTimeout",
  "goneTimeout",
  "heartbeat.interval",
  "heartbeat.timeout",
  "deadline",
  "lastCall",
  "patience",
  "spread",
  "lameDuck",
]);

const SIZES = new Set(["maxPayload", "inboxLimit.bytes", "highWaterMark", "outboxLimit"]);

const warned = new Set<string>();

/** Warns of a value that is doubtful, once for each option of this process. Zero means "none", and is meant. */
export function warnIfDoubtful(option: string, value: unknown): void {
  if (typeof value !== "number" || value <= 0 || value >= DOUBTFUL) return;
  const name = option.replace(/^drain\./, "");
  if (TIMES.has(name)) {
    warn(option, `${value} milliseconds; times are in milliseconds, and ${value} s are ${value * 1000}`);
  } else if (SIZES.has(name)) {
    warn(option, `${value} bytes; sizes are in bytes, and ${value} MiB are ${value} * 1024 * 1024`);
  }
}

function warn(option: string, comesTo: string): void {
  if (warned.has(option)) return;
  warned.add(option);
  process.emitWarning(`The option ${option} is ${comesTo}.`, {
    type: "LastcallWarning",
    code: "LASTCALL_DOUBTFUL_OPTION",
  });
}
