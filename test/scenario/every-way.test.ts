/** The scenario through everything that stands between a peer and a server in life: it holds on every way in. */
import { it } from "vitest";
import { repetitions } from "../tools/effort.js";
import { repeatedly } from "../tools/scenario.js";
import { ms } from "../tools/timing.js";
import { defaultQuiet, longQuiet } from "./scenes/closed-loop.js";
import { closeBehind, gone, halfClosed, pipelined, reset, runAndSignal } from "./scenes/pipelined.js";
import { terminated } from "./scenes/process.js";
import { byTitle, expectToHoldAFewTimes, type Scene } from "./scenes/scene.js";
import { ways } from "./ways/index.js";

/** Straight to a port each scene is repeated more often. */
const FEW = repetitions.runsPerWay;

const scenes = byTitle(pipelined, runAndSignal, closeBehind, halfClosed, gone, reset, defaultQuiet);

/** On some ways at once, as many runs as are told: the scenes mostly wait, and some ways start slowly. */
async function onEveryWay(scene: Scene, times: number, runsAtOnce: number): Promise<void> {
  await repeatedly(
    async (index) => {
      const way = ways[index]!;
      try {
        await expectToHoldAFewTimes(scene, way, times);
      } catch (error) {
        throw new Error(`It does not hold on this way: ${way.name}.`, { cause: error });
      }
    },
    { times: ways.length, atOnce: Math.max(1, Math.floor(runsAtOnce / times)) },
  );
}

/** Many processes and proxies start in one test; the limit is for a machine that has much else to do. */
const LIMIT = { timeout: ms(120_000) };

it.each(scenes)("%s, on every way", LIMIT, (_, scene) => onEveryWay(scene, FEW, 13));

it.each(byTitle(longQuiet))("%s, on every way", LIMIT, (_, scene) => onEveryWay(scene, FEW, 21));

it.each(byTitle(terminated))("%s, on every way", LIMIT, (_, scene) =>
  onEveryWay(scene, repetitions.processesPerWay, 7),
);
