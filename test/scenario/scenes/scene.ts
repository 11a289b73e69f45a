/** What a scene is: the scenario in one of its variants, to be played on any way in. */
import type { AddressInfo } from "node:net";
import type { DrainOptions, DrainReport } from "../../../src/index.js";
import type { Target } from "../../tools/raw-client.js";
import { expectStoppedInTheMiddle, repeatedly, Scenario, TOTAL } from "../../tools/scenario.js";
import type { Way } from "../ways/way.js";

/** A scene that is over. */
export interface Played {
  /** Requests served when the server was told to stop. */
  before: number;
  report: DrainReport;
  /** Asserts the whole of how it ended, as far as that is not left to chance. */
  expectEnd: () => void;
}

export interface Scene {
  /** What it shows, as a sentence: the name of its test. */
  title: string;
  play: (way: Way) => Promise<Played>;
}

/** Scenes for `it.each(…)("%s", …)`, which shows a title of any length in full. */
export function byTitle<One extends Scene>(...scenes: One[]): [title: string, scene: One][] {
  return scenes.map((scene) => [scene.title, scene]);
}

/** A scenario that listens, and where its peers connect. */
export async function openOn(
  way: Way,
  drain: Partial<DrainOptions> = {},
): Promise<{ scenario: Scenario; target: Target }> {
  const scenario = new Scenario({ drain });
  const { port } = (await scenario.server.listen(await way.host())) as AddressInfo;
  return { scenario, target: await way.entrance(port) };
}

type Playable<Outcome extends Played> = { play: (way: Way) => Promise<Outcome> };

/** Plays a scene so often, and asserts that each ended as it has to. */
async function playAll<Outcome extends Played>(
  { play }: Playable<Outcome>,
  way: Way,
  howOften: Parameters<typeof repeatedly>[1],
): Promise<Outcome[]> {
  const played = await repeatedly(() => play(way), howOften);
  for (const one of played) one.expectEnd();
  return played;
}

/** Plays a scene as often as it takes to be trusted. */
export async function expectToHold<Outcome extends Played>(
  scene: Playable<Outcome>,
  way: Way,
  howOften: Parameters<typeof repeatedly>[1] = {},
): Promise<Outcome[]> {
  const played = await playAll(scene, way, howOften);
  expectStoppedInTheMiddle(played);
  return played;
}

/**
 * Plays a scene a few times, five at once, and again while fewer than that were told to stop in the middle of the work:
 * a machine that stands still spoils them together. Also those have to end as they should.
 */
export async function expectToHoldAFewTimes(scene: Scene, way: Way, times: number): Promise<void> {
  for (let missing = times; missing > 0;) {
    const played = await playAll(scene, way, { times: missing, atOnce: 5 });
    missing -= played.filter(({ before }) => before < TOTAL).length;
  }
}
