/** The scenario through everything that stands between a peer and a server in life: it holds on every way in. */
import { it } from "vitest";
import { repeatedly } from "../tools/scenario.js";
import { ms } from "../tools/timing.js";
import { defaultQuiet, longQuiet } from "./scenes/closed-loop.js";
import { closeBehind, gone, halfClosed, pipelined, reset, runAndSignal } from "./scenes/pipelined.js";
import { terminated } from "./scenes/process.js";
import { byTitle, expectToHoldAFewTimes, type Scene } from "./scenes/scene.js";
import { ways } from "./ways/index.js";

/** Straight to a port each scene has 50; more here with RUNS_PER_WAY. */
const FEW = Number(process.env["RUNS_PER_WAY"] ?? 3);

const scenes = byTitle(pipelined, runAndSignal, closeBehind, halfClosed, gone, reset, defaultQuiet);

/** Some ways at once: the scenes mostly wait, and some ways start slowly. */
async function onEveryWay(scene: Scene, times: number, waysAtOnce: number): Promise<void> {
  await repeatedly(
    async (index) => {
      const way = ways[index]!;
      try {
        await expectToHoldAFewTimes(scene, way, times);
      } catch (error) {
        throw new Error(`It does not hold on this way: ${way.name}.`, { cause: error });
      }
    },
    { times: ways.length, atOnce: waysAtOnce },
  );
}

/** Many processes and proxies start in one test; the limit is for a machine that has much else to do. */
const LIMIT = { timeout: ms(120_000) };

it.each(scenes)("%s, on every way", LIMIT, (_, scene) => onEveryWay(scene, FEW, 4));

it.each(byTitle(longQuiet))("%s, on every way", LIMIT, (_, scene) => onEveryWay(scene, FEW, 7));

it.each(byTitle(terminated))("%s, on every way", LIMIT, (_, scene) => onEveryWay(scene, 2, 3));
