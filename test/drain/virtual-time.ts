/** A clock that jumps from one event to the next. */

interface Due {
  at: number;
  act: () => void;
}

/** More events than any scenario needs: two sides that answer each other without time passing. */
const MAX_EVENTS = 200_000;

export class VirtualTime {
  now = 0;
  #due: Due[] = [];

  /** Does something at a time; what is due at the same time is done in the order in which it was asked for. */
  at(time: number, act: () => void): void {
    if (time === Infinity) return;
    const at = Math.max(time, this.now);
    let index = this.#due.length;
    while (index > 0 && this.#due[index - 1]!.at > at) index--;
    this.#due.splice(index, 0, { at, act });
  }

  after(delay: number, act: () => void): void {
    this.at(this.now + delay, act);
  }

  /** Runs until nothing is due any more. */
  run(): void {
    for (let events = 0; this.#due.length > 0; events++) {
      if (events > MAX_EVENTS) throw new Error(`the world does not come to rest, at ${this.now} ms`);
      const { at, act } = this.#due.shift()!;
      this.now = at;
      act();
    }
  }
}
