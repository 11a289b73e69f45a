/** Tells many stories at once, and judges them. */
import { judge } from "./judge.js";
import { play, type Observed } from "./play.js";
import type { Story } from "./story.js";

/** They mostly wait. */
const AT_ONCE = 20;

/** How often a story may be told again, when the event loop stood still in it. */
const AGAIN = 3;

export interface Told {
  /** What broke a rule: how to run it again, what it was, and all that is known of it. */
  failed: string[];
  /** How many reports had which outcome. */
  outcomes: Record<string, number>;
  /** How many stories were told again. */
  again: number;
  /** What was seen, in the order of the stories. */
  observed: Observed[];
}

/**
 * The rules hold as long as the event loop turns. In a story it is that of the peers as well: while it stands still, no
 * peer answers, however polite. So a story that breaks a rule in such a moment is told again, by itself.
 */
function hasStoodStill({ story, stoodStill }: Observed): boolean {
  return stoodStill > Math.min(story.drain.closeTimeout!, story.drain.lingerTimeout!) / 3;
}

export async function tell(stories: readonly Story[]): Promise<Told> {
  const told: Told = { failed: [], outcomes: {}, again: 0, observed: [] };
  const stoodStill: number[] = [];
  const tellOne = async (index: number, mayBeToldAgain: boolean): Promise<boolean> => {
    const observed = await play(stories[index]!);
    const breaches = judge(observed);
    if (breaches.length > 0 && mayBeToldAgain && hasStoodStill(observed)) return false;
    told.observed[index] = observed;
    const { outcome } = observed.report;
    told.outcomes[outcome] = (told.outcomes[outcome] ?? 0) + 1;
    if (breaches.length > 0) told.failed.push(describeFailure(observed, breaches));
    return true;
  };

  let next = 0;
  const tellOneAfterTheOther = async (): Promise<void> => {
    while (next < stories.length) {
      const index = next++;
      if (!(await tellOne(index, true))) stoodStill.push(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, stories.length) }, tellOneAfterTheOther));
  for (const index of stoodStill) {
    told.again++;
    for (let time = 1; !(await tellOne(index, time < AGAIN)); time++);
  }
  return told;
}

function describeFailure({ story, report, stoodStill }: Observed, breaches: readonly string[]): string {
  const stood = `the event loop stood still for ${Math.round(stoodStill)} ms at most`;
  const lines = [...breaches, stood, JSON.stringify(story), JSON.stringify(report)];
  return `STORIES=1 STORIES_SEED=${story.seed}\n  ${lines.join("\n  ")}`;
}
