/** The scenario through everything that stands between a peer and a server in life: it holds on every way in. */
import { describe, it } from "vitest";
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

describe.each(ways.map((way) => [way.name, way] as const))("%s", (_, way) => {
  it.each(scenes)("%s", (_title, scene) => expectToHoldAFewTimes(scene, way, FEW));
});

/** Those that mostly wait, or start slowly, do so together: some ways at once. */
function onEveryWay(scene: Scene, times: number, waysAtOnce: number): Promise<unknown> {
  return repeatedly((index) => expectToHoldAFewTimes(scene, ways[index]!, times), {
    times: ways.length,
    atOnce: waysAtOnce,
  });
}

/** Many processes and proxies start in one test; the limit is for a machine that has much else to do. */
const LIMIT = ms(120_000);

it.each(byTitle(longQuiet))("%s, on every way", { timeout: LIMIT }, async (_, scene) => {
  await onEveryWay(scene, FEW, 7);
});

it.each(byTitle(terminated))("%s, on every way", { timeout: LIMIT }, async (_, scene) => {
  await onEveryWay(scene, 2, 3);
});
