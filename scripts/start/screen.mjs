/** What `npm start` shows: lines, and one that lives while there is a terminal to live in. */
import { styleText } from "node:util";

/** @typedef {"bold" | "dim" | "green" | "red" | "yellow"} Style */

/** A pipe gets a line of progress when this part of the work is done, not one for every reply. */
const STEP = 0.2;
/** A terminal is redrawn no more often than this, in ms. */
const REDRAW = 50;
const MAX_BAR_LENGTH = 24;
const NAME_LENGTH = 11;

export class Screen {
  #out = process.stdout;
  #isTerminal = this.#out.isTTY && process.env["TERM"] !== "dumb";
  // https://no-color.org: any value that is not empty.
  #hasColour = this.#isTerminal && !process.env["NO_COLOR"];
  #live = false;
  #drawnAt = -Infinity;
  #told = 0;

  /**
   * @param {string} text
   * @param {Style} [style]
   */
  line(text, style) {
    this.endLive();
    this.#out.write(`${style === undefined ? text : this.#paint(style, text)}\n`);
  }

  /**
   * A step and what came of it.
   *
   * @param {string} name
   * @param {string} text
   */
  step(name, text) {
    this.endLive();
    this.#out.write(`${this.#paint("dim", name.padEnd(NAME_LENGTH))}${text}\n`);
  }

  /**
   * Progress: redrawn in place on a terminal, a line now and then elsewhere.
   *
   * @param {string} name
   * @param {number} part from 0 to 1
   * @param {string} text
   */
  progress(name, part, text) {
    if (!this.#isTerminal) {
      if (part < 1 && part < this.#told + STEP) return;
      if (part === 1 && this.#told === 1) return;
      this.#told = part;
      this.step(name, text);
      return;
    }
    if (performance.now() - this.#drawnAt < REDRAW && part < 1) return;
    this.#drawnAt = performance.now();
    // Within the width: a line that wraps is not drawn over.
    const room = (this.#out.columns || 80) - NAME_LENGTH - 3;
    const length = Math.max(0, Math.min(MAX_BAR_LENGTH, room - text.length));
    const full = Math.round(part * length);
    const bar = this.#paint("green", "█".repeat(full) + "░".repeat(length - full));
    const shown = `${this.#paint("dim", name.padEnd(NAME_LENGTH))}${bar}  ${text.slice(0, Math.max(0, room))}`;
    this.#out.write(`\r\u001b[2K${shown}`);
    this.#live = true;
  }

  /** What is drawn stays; the next line goes below it. */
  endLive() {
    if (this.#live) this.#out.write("\n");
    this.#live = false;
  }

  /**
   * @param {Style} style
   * @param {string} text
   */
  #paint(style, text) {
    return this.#hasColour ? styleText(style, text) : text;
  }
}
