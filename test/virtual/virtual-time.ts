/** A clock that jumps from one event to the next. Between two of them everything comes to rest that takes no time. */
import type { Clock } from "../../src/base/clock.js";

interface Due {
  at: number;
  act: () => void;
}

/** More events than any scenario needs: two sides that answer each other without time passing. */
const MAX_EVENTS = 200_000;

export class VirtualTime {
  now = 0;
  #due: Due[] = [];

  /** The same time, for what runs in it. */
  readonly clock: Clock = {
    now: () => this.now,
    // What happens at the same time comes first: it is on the sockets by then.
    after: (milliseconds, act) => {
      const timer = this.at(this.now + milliseconds, () => {
        timer.act = act;
        this.#insert(timer);
      });
      return timer;
    },
    cancel: (timer) => {
      const index = this.#due.indexOf(timer as Due);
      if (index >= 0) this.#due.splice(index, 1);
    },
    afterPoll: (act) => void this.after(0, act),
  };

  /** Does something at a time; what is due at the same time is done in the order in which it was asked for. */
  at(time: number, act: () => void): Due {
    // A sum of floats may lie just before the moment that is meant, and a timer is never early.
    const due = { at: Math.max(Math.ceil(time * 1e6 - 1e-3) / 1e6, this.now), act };
    if (time !== Infinity) this.#insert(due);
    return due;
  }

  #insert(due: Due): void {
    let index = this.#due.length;
    while (index > 0 && this.#due[index - 1]!.at > due.at) index--;
    this.#due.splice(index, 0, due);
  }

  after(delay: number, act: () => void): Due {
    return this.at(this.now + delay, act);
  }

  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => void this.after(delay, resolve));
  }

  /** Runs until nothing is due any more. */
  async run(): Promise<void> {
    for (let events = 0; this.#due.length > 0; events++) {
      if (events > MAX_EVENTS) throw new Error(`the world does not come to rest, at ${this.now} ms`);
      const { at, act } = this.#due.shift()!;
      this.now = at;
      act();
      // Ticks and promises, and those that follow from them: when the loop turns, there are none left.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
