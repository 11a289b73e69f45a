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

  hasRoomFor(length: number): boolean {
    return this.position + length <= this.buffer.length;
  }
}

let shared = new Slab(SHARED_LENGTH);

/**
 * The slab that all connections share, with room for so much. For what leaves at the end of this tick: a few bytes that
 * wait longer would keep everybody's 64 KiB alive.
 */
export function sharedSlab(room: number): Slab {
  if (!shared.hasRoomFor(room)) shared = new Slab(SHARED_LENGTH);
  return shared;
}

/** A slab for one connection alone: the one that it has, if there is room in it. */
export function ownSlab(slab: Slab | undefined, room: number): Slab {
  return slab?.hasRoomFor(room) === true ? slab : new Slab(OWN_LENGTH);
}
