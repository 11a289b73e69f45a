/** A small, fast and seeded source of randomness (sfc32), so that a failure can be run again from its numbers. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Two numbers, so that every stream of a run has a sequence of its own. */
  constructor(seed: number, stream: number) {
    this.#a = seed | 0;
    this.#b = stream | 0;
    this.#c = (seed ^ 0x9e3779b9) | 0;
    for (let round = 0; round < 12; round++) this.word();
  }

  /** 32 random bits, as a number of 0 to 2^32 - 1. */
  word(): number {
    const result = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** A whole number of 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.word() / 2 ** 32) * limit);
  }

  /** True in `percent` of a hundred calls. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let index = 0; index < length; index++) bytes[index] = this.word();
    return bytes;
  }
}
