/** What many runs come to. */
import { median } from "./workloads.mjs";

/** @param {number[]} numbers */
export function spread(numbers) {
  if (numbers.length === 0) return undefined;
  return { min: Math.min(...numbers), median: median(numbers), max: Math.max(...numbers) };
}

/**
 * The ratio of two subjects' figures in each round, where both have one.
 *
 * @param {{ round: number, subject: string, figure?: number }[]} runs
 */
export function ratiosOf(runs, ours, other) {
  const figureIn = (round, name) => runs.find((run) => run.round === round && run.subject === name)?.figure;
  const rounds = [...new Set(runs.map(({ round }) => round))];
  const ratios = rounds.map((round) => figureIn(round, ours) / figureIn(round, other));
  return spread(ratios.filter((ratio) => Number.isFinite(ratio)));
}
