/** The axis of a timeline: where a time lies, and which times are written on it. */

/** A long time in which nothing happened, drawn short. */
interface Break {
  /** Where it begins, and how wide it is drawn. */
  x: number;
  width: number;
  /** The time that is left out. */
  from: number;
  to: number;
}

interface Tick {
  time: number;
  x: number;
}

export interface Axis {
  x: (time: number) => number;
  /** Written below, far enough from each other. */
  ticks: Tick[];
  /** At most one. */
  break: Break | undefined;
}

/** Nothing happens in more than this share of the time: it is left out, or there would be nothing to see of the rest. */
const LONG = 0.8;
const BREAK_WIDTH = 44;
const TICK_DISTANCE = 84;
/** Below this there is nothing to gain. */
const SHORTEST_SPAN = 2;

/** An axis from `left` to `right` for these times, which need not be in order. */
export function makeAxis(times: readonly number[], left: number, right: number): Axis {
  const sorted = [...new Set(times)].sort((one, other) => one - other);
  const first = sorted[0] ?? 0;
  const last = Math.max(sorted.at(-1) ?? 0, first + SHORTEST_SPAN);
  const gap = longestGap(sorted);
  const omitted = gap.to - gap.from;
  const isBroken = omitted > LONG * (last - first) && last - first - omitted >= SHORTEST_SPAN;
  const width = right - left - (isBroken ? BREAK_WIDTH : 0);
  // The same on both sides of a break.
  const scale = width / (last - first - (isBroken ? omitted : 0));
  const breakX = left + (gap.from - first) * scale;

  function x(time: number): number {
    if (!isBroken || time <= gap.from) return left + (time - first) * scale;
    if (time < gap.to) return breakX + ((time - gap.from) / omitted) * BREAK_WIDTH;
    return breakX + BREAK_WIDTH + (time - gap.to) * scale;
  }
  return {
    x,
    ticks: isBroken
      ? apart([...ticksOf(first, gap.from, scale, x), ...ticksOf(gap.to, last, scale, x)])
      : ticksOf(first, last, scale, x),
    break: isBroken ? { x: breakX, width: BREAK_WIDTH, ...gap } : undefined,
  };
}

function longestGap(sorted: readonly number[]): { from: number; to: number } {
  let longest = { from: 0, to: 0 };
  for (const [index, to] of sorted.entries()) {
    const from = sorted[index - 1] ?? to;
    if (to - from > longest.to - longest.from) longest = { from, to };
  }
  return longest;
}

function ticksOf(from: number, to: number, scale: number, x: (time: number) => number): Tick[] {
  const step = roundStep(TICK_DISTANCE / scale);
  const ticks: Tick[] = [];
  for (let index = Math.ceil(from / step); index * step <= to; index++) {
    // `|| 0`: there is a minus zero, and it would be written with its sign.
    const time = index * step || 0;
    ticks.push({ time, x: x(time) });
  }
  // A short piece behind a break has at least its beginning.
  return ticks.length > 0 ? ticks : [{ time: from, x: x(from) }];
}

/** The next larger of 1, 2, 5, 10, 20, 50, … */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least) ?? 10);
}

/** Without those that would be written over the one before. */
function apart(ticks: readonly Tick[]): Tick[] {
  const kept: Tick[] = [];
  for (const tick of ticks)
    if (tick.x - (kept.at(-1)?.x ?? -Infinity) >= TICK_DISTANCE * 0.6) kept.push(tick);
  return kept;
}
