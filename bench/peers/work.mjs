/** What every server here does for a request, and where it listens: so that they differ only in their library. */
import { openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const { PORT = "8080", WORK = "100", LASTCALL_EFFECTS = "" } = process.env;

export const host = "127.0.0.1";
export const port = Number(PORT);

// Opened now, so that the file is there even if nothing is ever executed.
const effects = LASTCALL_EFFECTS === "" ? undefined : openSync(LASTCALL_EFFECTS, "a");

/** Works on a request, whose first word is its id; notes the id as executed; returns the reply. */
export async function work(request) {
  await sleep(Number(WORK));
  // Synchronously, and the file was opened to append: what is done is noted before anybody is told of it.
  if (effects !== undefined) writeSync(effects, `${request.split(" ", 1)[0]}\n`);
  return `done: ${request}`;
}

/** The way to stop that the first argument names. */
export function wayOf(stops) {
  const way = process.argv[2];
  if (Object.hasOwn(stops, way)) return stops[way];
  throw new Error(`Say how to stop: ${Object.keys(stops).join(", ")}.`);
}
