/** Peers that ask the next question after the reply to the last one, straight to a port. */
import { it } from "vitest";
import { RUNS, tellTimes } from "../tools/scenario.js";
import { defaultQuiet, longQuiet, slowThinkers } from "./scenes/closed-loop.js";
import { byTitle, expectToHold, type Scene } from "./scenes/scene.js";
import { direct } from "./ways/direct.js";

async function expectToBeTrue(scene: Scene, atOnce?: number): Promise<void> {
  const played = await expectToHold(scene, direct, atOnce === undefined ? {} : { atOnce });
  tellTimes(
    scene.title,
    played.map(({ report }) => report.duration),
  );
  const served = played.map(({ before, report }) => before + report.messages.served);
  console.info(`${scene.title}: ${Math.min(...served)} of 25 or more`);
}

it.each(byTitle(defaultQuiet))("%s", (_, scene) => expectToBeTrue(scene));

// Those that wait for long all wait together.
it.each(byTitle(longQuiet, slowThinkers))("%s", (_, scene) => expectToBeTrue(scene, RUNS));
