/** What of a process's output is worth quoting: its last lines, and among them the one that says why it ended. */
import { stripVTControlCharacters } from "node:util";

/** More of an output is not looked at. */
export const LONGEST_TAIL = 16 * 1024;
const LINES = 20;

/** Of an error message: lines, and characters of each. The beginning of a line says what it is. */
const QUOTED = 3;
const LONGEST_QUOTE = 400;

/** Where an error was thrown: in JavaScript, Java, Ruby and Python. */
const FRAME = /^\s+(at|from) \S|^\s+File ".*", line \d+/;
/** Rows of marks under a line of code, brackets alone. */
const MARKS = /^[\s^~{}[\](),]*$/;
/** What runtimes and those that started the program say behind an error. */
const EPILOGUE =
  /^(Node\.js|Bun) v\d|^(npm|pnpm) |^ ?ELIFECYCLE|exited? (with|code)\b.* \d|^Emitted 'error' event/;
/** An error's own line, as uncaught ones and logs have it. One that is indented is the cause of another. */
const ERROR =
  /^(?!\s).*?\b\w*(error|exception|panic)( \[\w+\])?:( |$)|^\w*(error|exception)( |$)|^(panic|fatal)\b/i;
const CAUSE = /^\s+\[cause\]: |^Caused by: /;

/** The last lines of what was printed, oldest first, without empty ones. */
export function lastLines(printed: string): string[] {
  return endingOf(linesOf(printed), LINES);
}

/** The last so many lines. When an error's own line stands before them, it is the first. */
export function endingOf(lines: readonly string[], most: number): string[] {
  const error = errorIn(lines);
  if (error === -1 || error >= lines.length - most) return lines.slice(-most);
  return [lines[error]!, "…", ...lines.slice(2 - most)];
}

/** Why a process ended, as one line for an error message: an error's own words, or else the last lines. */
export function saying(printed: string): string {
  const lines = linesOf(stripVTControlCharacters(printed)).filter((line) => !isNoise(line));
  const error = errorIn(lines);
  const told = lines.filter((line) => !FRAME.test(line));
  const quoted = (error === -1 ? told.slice(-QUOTED) : ownWords(lines.slice(error))).map((line) =>
    line.trim().slice(0, LONGEST_QUOTE),
  );
  return quoted.length === 0 ? "It printed nothing." : `It printed: ${quoted.join(" / ")}`;
}

/** What an error says before its stack, and what caused it. */
function ownWords(lines: readonly string[]): string[] {
  const stack = lines.findIndex((line) => FRAME.test(line));
  const message = stack === -1 ? lines : lines.slice(0, stack);
  return [...message.slice(0, QUOTED), ...lines.filter((line) => CAUSE.test(line)).slice(0, 1)];
}

/** Where the last error's own line stands; -1 when there is none. */
function errorIn(lines: readonly string[]): number {
  return lines.findLastIndex((line) => isError(stripVTControlCharacters(line)));
}

function isError(line: string): boolean {
  return ERROR.test(line) && !isNoise(line) && !CAUSE.test(line);
}

function isNoise(line: string): boolean {
  return MARKS.test(line) || EPILOGUE.test(line);
}

function linesOf(printed: string): string[] {
  return printed
    .slice(-LONGEST_TAIL)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "");
}
