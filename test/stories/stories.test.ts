/**
 * Random stories of a shutdown, on real sockets, each held to the rules by an observer that sees only the wire and the
 * handlers' own log.
 *
 *   STORIES=100000    how many (default 1 000)
 *   STORIES_SEED=7    which one is the first: what a failure prints runs it again
 */
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { ms } from "../tools/timing.js";
import { judge } from "./judge.js";
import { play } from "./play.js";
import { storyOf } from "./story.js";

const STORIES = Number(process.env["STORIES"] ?? 1_000);
const FIRST = Number(process.env["STORIES_SEED"] ?? randomInt(2 ** 30));
/** They mostly wait. */
const AT_ONCE = 20;

test(`${STORIES} stories keep the rules`, { timeout: ms(60_000) + STORIES * ms(300) }, async () => {
  const failed: string[] = [];
  const outcomes: Record<string, number> = {};
  let next = 0;
  const tellOneAfterTheOther = async (): Promise<void> => {
    while (next < STORIES) {
      const story = storyOf(FIRST + next++);
      const observed = await play(story);
      outcomes[observed.report.outcome] = (outcomes[observed.report.outcome] ?? 0) + 1;
      const breaches = judge(observed);
      if (breaches.length > 0) {
        failed.push(
          `STORIES=1 STORIES_SEED=${story.seed}\n  ${breaches.join("\n  ")}\n  ${JSON.stringify(story)}\n  ${JSON.stringify(observed.report)}`,
        );
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, STORIES) }, tellOneAfterTheOther));
  console.info(`stories from ${FIRST} on: ${JSON.stringify(outcomes)}`);
  expect(failed.join("\n")).toBe("");
  // They are meant to be of all sorts.
  if (STORIES >= 1_000) expect(Object.keys(outcomes).sort()).toEqual(["clean", "forced", "unconfirmed"]);
});
