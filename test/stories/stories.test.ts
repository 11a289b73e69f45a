/**
 * Random stories of a shutdown, on real sockets, each held to the rules by an observer that sees only the wire and the
 * handlers' own log.
 *
 *   STORIES=100000    how many (default: see test/tools/effort.ts)
 *   STORIES_SEED=7    which one is the first: what a failure prints runs it again
 */
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { repetitions } from "../tools/effort.js";
import { ms } from "../tools/timing.js";
import { tell } from "./tell.js";
import { storyOf } from "./story.js";

const STORIES = repetitions.stories;
const FIRST = Number(process.env["STORIES_SEED"] ?? randomInt(2 ** 30));

/** Among so many each outcome is met: the rarest, a forced one, is that of every fourth story. */
const MANY = 100;

test(`${STORIES} stories keep the rules`, { timeout: ms(120_000) + STORIES * ms(300) }, async () => {
  const { failed, outcomes, again } = await tell(
    Array.from({ length: STORIES }, (_, index) => storyOf(FIRST + index)),
  );
  console.info(`stories from ${FIRST} on: ${JSON.stringify(outcomes)}, ${again} told again`);
  expect(failed.join("\n")).toBe("");
  // They are meant to be of all sorts.
  if (STORIES >= MANY)
    expect(Object.keys(outcomes).sort()).toEqual(["clean", "forced", "partial", "unconfirmed"]);
});
