/** Memory that small frames are encoded into, one behind the other. */

const SHARED_LENGTH = 64 * 1024;
const OWN_LENGTH = 16 * 1024;

export class Slab {
  readonly buffer: Buffer;
  position = 0;

  constructor(length: number) {
    // Not from Node's pool: a slab must not keep a neighbour's memory alive, nor the other way round.
    this.buffer = Buffer.allocUnsafeSlow(length);
  }
}

/**
 * The slab that all connections share, for what leaves at the end of this tick: a few bytes that wait longer would keep
 * everybody's 64 KiB alive.
 */
export let sharedSlab = new Slab(SHARED_LENGTH);

/** Another one to share, when the last is full. */
export function nextSharedSlab(): Slab {
  sharedSlab = new Slab(SHARED_LENGTH);
  return sharedSlab;
}

/** A slab for one connection, for what waits longer than a tick. */
export function ownSlab(): Slab {
  return new Slab(OWN_LENGTH);
}
