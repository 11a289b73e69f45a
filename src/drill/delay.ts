/** One direction of a link on which everything takes its time, and nothing overtakes. */
import { performance, setTimeout, clearTimeout } from "./real-timers.js";

export class DelayLine {
  readonly #delay: number;
  readonly #waiting: { at: number; deliver: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isCut = false;

  /** @param delay milliseconds; with 0 everything is delivered at once. */
  constructor(delay: number) {
    this.#delay = delay;
  }

  send(deliver: () => void): void {
    if (this.#isCut) return;
    if (this.#delay === 0) {
      deliver();
      return;
    }
    this.#waiting.push({ at: performance.now() + this.#delay, deliver });
    this.#arm();
  }

  /** Forgets what is on its way, and takes nothing any more. */
  cut(): void {
    this.#isCut = true;
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #arm(): void {
    if (this.#waiting.length === 0 || this.#timer !== undefined) return;
    const wait = Math.max(0, this.#waiting[0]!.at - performance.now());
    // One timer for the oldest: timers of their own could change places.
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const now = performance.now();
      const early = this.#waiting.findIndex(({ at }) => at > now);
      // At once: to shift them one by one takes long when there are many.
      for (const { deliver } of this.#waiting.splice(0, early < 0 ? this.#waiting.length : early)) {
        if (!this.#isCut) deliver();
      }
      this.#arm();
    }, wait);
  }
}
