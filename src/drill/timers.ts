/** Timers that go together: when one owner is over, so are all of them. */
import { setTimeout, clearTimeout } from "./real-timers.js";

export class Timers {
  readonly #timers = new Set<NodeJS.Timeout>();
  #isCut = false;

  get isCut(): boolean {
    return this.#isCut;
  }

  /** Acts after so many milliseconds, unless it is all over by then. */
  later(delay: number, act: () => void): void {
    if (this.#isCut) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, delay);
    this.#timers.add(timer);
  }

  /** Resolves after so many milliseconds, and never when it is all over by then. */
  after(delay: number): Promise<void> {
    return new Promise((resolve) => this.later(delay, resolve));
  }

  /** Nothing acts any more. */
  cut(): void {
    this.#isCut = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
