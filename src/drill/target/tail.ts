/** The end of what a process prints: bounded, whatever it prints. */
const LONGEST_TAIL = 16 * 1024;
const LINES = 20;

export class Tail {
  #text = "";

  append(chunk: string): void {
    this.#text = (this.#text + chunk).slice(-LONGEST_TAIL);
  }

  /** The last lines, oldest first. */
  lines(): string[] {
    return this.#text
      .split(/\r?\n/)
      .filter((line) => line.trim() !== "")
      .slice(-LINES);
  }

  /** The end as one line, for an error message. */
  sentence(): string {
    const lines = this.lines().slice(-3);
    return lines.length === 0 ? "It printed nothing." : `It printed: ${lines.join(" / ").slice(-400)}`;
  }
}
