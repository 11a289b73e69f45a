/** Which name somebody meant who wrote another one. */

/** Letters that may be wrong, missing, doubled or swapped. */
const SLIPS = 2;

/** The name that was most likely meant, if one is near enough. */
export function nearest(written: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let slips = Math.min(SLIPS, Math.floor(written.length / 3)) + 1;
  for (const name of names) {
    // Who writes a longer name by so much means something else.
    if (Math.abs(name.length - written.length) >= slips) continue;
    const needed = distance(written.toLowerCase(), name.toLowerCase());
    if (needed >= slips) continue;
    best = name;
    slips = needed;
  }
  return best;
}

/** How many letters have to be changed, left out, put in, or swapped with their neighbour (optimal string alignment). */
function distance(from: string, to: string): number {
  let before: number[] = [];
  let last: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let line = 1; line <= from.length; line++) {
    [before, last, row] = [last, row, [line]];
    for (let column = 1; column <= to.length; column++) {
      const same = from[line - 1] === to[column - 1];
      const swapped = from[line - 1] === to[column - 2] && from[line - 2] === to[column - 1];
      row[column] = Math.min(
        last[column]! + 1,
        row[column - 1]! + 1,
        last[column - 1]! + (same ? 0 : 1),
        swapped && line > 1 && column > 1 ? before[column - 2]! + 1 : Infinity,
      );
    }
  }
  return row[to.length]!;
}
