/**
 * Why a drill could not run. What it finds of a server is no error: that is its result.
 *
 *   DrillError                        code: LASTCALL_DRILL_…
 *     LASTCALL_DRILL_OPTION           an option is not allowed, or does not fit the others
 *     LASTCALL_DRILL_START            the command did not start, listen or answer as a WebSocket server
 *     LASTCALL_DRILL_STOP             the server could not be told to stop
 *     LASTCALL_DRILL_SCRIPT           a script of the user's could not be loaded, or threw
 *     LASTCALL_DRILL_EFFECTS          the effects file cannot be read
 */
export type DrillErrorCode =
  | "LASTCALL_DRILL_OPTION"
  | "LASTCALL_DRILL_START"
  | "LASTCALL_DRILL_STOP"
  | "LASTCALL_DRILL_SCRIPT"
  | "LASTCALL_DRILL_EFFECTS";

/**
 * The drill itself could not run. The message says what, why, and what to do, in one line. Options stand in it as
 * `DrillOptions` names them, in backquotes: the command line puts its flags in their place.
 */
export class DrillError extends Error {
  override readonly name = "DrillError";
  /** A stable name for the kind of error. */
  readonly code: DrillErrorCode;

  constructor(code: DrillErrorCode, message: string, options?: ErrorOptions) {
    // One line, whatever was quoted in it.
    super(message.replaceAll(/\s*[\r\n]+\s*/g, " "), options);
    this.code = code;
  }
}

/** What an unknown error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
