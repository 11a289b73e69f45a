/** Errors that no `onError` hears: told by `process.emitWarning`, once a kind and a minute, so that a log stays readable. */
import { now } from "../base/clock.js";
import { lookAt } from "../base/errors.js";

/** How long the same kind is not told again. */
const QUIET = 60_000;

/** Kinds that are remembered. When so many were told within a minute, no other one is. */
const KINDS = 16;

/** Characters of an error that are shown, and of the frames below it. */
const LONGEST_SUMMARY = 500;
const LONGEST_TRACE = 2_000;

/** What is told of a value that throws at whoever looks at it, as an object without a prototype does. */
const NO_ERROR = "a value that is no error";

interface Told {
  at: number;
  /** How often it came since, untold. */
  again: number;
}

export class UnheardErrors {
  readonly #told = new Map<string, Told>();

  /** Tells of an error, unless its kind was told a short while ago. `because` says why nobody has heard it. */
  tell(error: unknown, because: string): void {
    const kind = kindOf(error);
    const told = this.#told.get(kind);
    if (told !== undefined && now() - told.at < QUIET) {
      told.again++;
      return;
    }
    this.#told.delete(kind);
    if (!this.#hasRoom()) return;
    this.#told.set(kind, { at: now(), again: 0 });
    const again = told === undefined || told.again === 0 ? "" : ` (It came ${told.again} times more since.)`;
    process.emitWarning(`${because}: ${summaryOf(error)}${again}`, {
      type: "LastcallWarning",
      code: "LASTCALL_UNHEARD_ERROR",
      detail: traceOf(error),
    });
  }

  #hasRoom(): boolean {
    if (this.#told.size < KINDS) return true;
    for (const [kind, { at }] of this.#told) if (now() - at >= QUIET) this.#told.delete(kind);
    return this.#told.size < KINDS;
  }
}

/** The same mistake is the same kind, whatever its message says about the one client. */
function kindOf(error: unknown): string {
  return lookAt(() => {
    if (!(error instanceof Error)) return summaryOf(error);
    const { code } = error as { code?: unknown };
    return `${error.name} ${String(code)} ${traceOf(error).split("\n", 1)}`;
  }, NO_ERROR);
}

function summaryOf(error: unknown): string {
  return lookAt(() => String(error).slice(0, LONGEST_SUMMARY), NO_ERROR);
}

/** Where it was thrown: the frames of its stack. */
function traceOf(error: unknown): string {
  return lookAt(() => {
    const stack = error instanceof Error ? String(error.stack) : "";
    const frames = stack.search(/^ +at /m);
    return frames === -1 ? "" : stack.slice(frames, frames + LONGEST_TRACE);
  }, "");
}
