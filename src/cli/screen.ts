/** Lines on a terminal or into a pipe, and one line that lives while there is a terminal to live in. */
import { performance } from "../drill/real-timers.js";
import type { WriteStream } from "node:tty";
import { styleText } from "node:util";

/** How a piece of text looks where colours are shown. */
export type Style = "bold" | "dim" | "green" | "red" | "yellow";

/** A terminal is redrawn no more often than this. */
const REDRAW = 50;

export class Screen {
  readonly isTerminal: boolean;
  readonly #out: WriteStream;
  readonly #hasColour: boolean;
  #isLive = false;
  #drawnAt = -Infinity;

  constructor(out: WriteStream) {
    this.#out = out;
    this.isTerminal = out.isTTY && process.env["TERM"] !== "dumb";
    // https://no-color.org: any value that is not empty.
    this.#hasColour = this.isTerminal && !process.env["NO_COLOR"];
  }

  /** Columns that fit. */
  get width(): number {
    return this.#out.columns || 80;
  }

  line(text = ""): void {
    this.clear();
    this.#out.write(`${text}\n`);
  }

  /** A line that the next one replaces. Into a pipe it is not written. */
  live(text: string): void {
    if (!this.isTerminal || performance.now() - this.#drawnAt < REDRAW) return;
    this.#drawnAt = performance.now();
    // Within the width: a line that wraps is not drawn over.
    this.#out.write(`\r\u001B[2K${text.slice(0, this.width - 1)}`);
    this.#isLive = true;
  }

  /** Takes the live line away. */
  clear(): void {
    if (this.#isLive) this.#out.write("\r\u001B[2K");
    this.#isLive = false;
  }

  paint(style: Style, text: string): string {
    return this.#hasColour ? styleText(style, text) : text;
  }
}
