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
import { tell } from "./tell.js";
import { storyOf } from "./story.js";

const STORIES = Number(process.env["STORIES"] ?? 1_000);
const FIRST = Number(process.env["STORIES_SEED"] ?? randomInt(2 ** 30));

test(`${STORIES} stories keep the rules`, { timeout: ms(120_000) + STORIES * ms(300) }, async () => {
  const { failed, outcomes, again } = await tell(
    Array.from({ length: STORIES }, (_, index) => storyOf(FIRST + index)),
  );
  console.info(`stories from ${FIRST} on: ${JSON.stringify(outcomes)}, ${again} told again`);
  expect(failed.join("\n")).toBe("");
  // They are meant to be of all sorts.
  if (STORIES >= 1_000) expect(Object.keys(outcomes).sort()).toEqual(["clean", "forced", "unconfirmed"]);
});
