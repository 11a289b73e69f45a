/** Peers that send all their requests at once, straight to a port: each scene often enough to be trusted. */
import { it } from "vitest";
import { tellTimes } from "../tools/scenario.js";
import { closeBehind, gone, halfClosed, pipelined, reset, runAndSignal } from "./scenes/pipelined.js";
import { byTitle, expectToHold } from "./scenes/scene.js";
import { direct } from "./ways/direct.js";

const scenes = byTitle(pipelined, runAndSignal, closeBehind, halfClosed, gone, reset);

it.each(scenes)("%s", async (_, scene) => {
  const played = await expectToHold(scene, direct);
  tellTimes(
    scene.title,
    played.map(({ report }) => report.duration),
  );
});
