/** The scenario as it happens in life: a process of its own, and signals of the operating system. */
import { expect, it } from "vitest";
import { repetitions } from "../tools/effort.js";
import { Forked } from "../tools/fork.js";
import { openRaw } from "../tools/raw-client.js";
import { countsOf, repeatedly, reportWith, tellTimes, TOTAL, WORK } from "../tools/scenario.js";
import { bound, work } from "../tools/timing.js";
import { connectPeers, seenBy, servedPeers } from "./raw-peers.js";
import { KEEPS_ALIVE, stopInTheMiddle, terminated, type Event } from "./scenes/process.js";
import { byTitle, expectToHold } from "./scenes/scene.js";
import { direct } from "./ways/direct.js";

/** A second signal counts from a second after the first on; the clock of another process is a little off. */
const SECOND_SIGNAL_AFTER = 1_100;

it.each(byTitle(terminated))("%s", async (_, scene) => {
  const played = await expectToHold(scene, direct, { atOnce: 10 });
  tellTimes(
    "SIGTERM to report",
    played.map(({ report }) => report.duration),
  );
  tellTimes(
    "report to exit",
    played.map(({ untilExit }) => untilExit),
  );
});

it("serves 25 of 25 when SIGTERM comes twice at once, as a terminal's Ctrl-C does", async () => {
  const runs = await repeatedly(
    async () => {
      const server = new Forked<Event>("scenario-server.mjs", { work: WORK });
      const peers = await connectPeers((await server.tells("listening")).port);
      await stopInTheMiddle(server, peers);
      await server.tells("stopping");
      server.kill("SIGINT");
      const [down, exit] = [await server.tells("down"), await server.exited()];
      return { down, exit, seen: await Promise.all(peers.map(seenBy)) };
    },
    { times: repetitions.forced, atOnce: repetitions.forced },
  );
  for (const { down, exit, seen } of runs) {
    expect(seen).toEqual(servedPeers);
    expect(down).toMatchObject({ served: TOTAL, report: { outcome: "clean" } });
    expect(exit).toMatchObject({ code: 0, signal: null, stderr: "" });
  }
});

/** A server whose only handler is stuck, told to stop, with a second signal as soon as that counts. */
async function forceStuck(stuck: "forever" | "with a timer") {
  const server = new Forked<Event>("scenario-server.mjs", { stuck });
  const peer = await openRaw((await server.tells("listening")).port);
  peer.send("a question without an answer");
  await server.tells("started");
  server.kill("SIGTERM");
  await server.tells("stopping");
  await work(SECOND_SIGNAL_AFTER);
  expect(server.told.map(({ event }) => event)).not.toContain("down");
  const secondAt = performance.now();
  server.kill("SIGTERM");
  const down = await server.tells("down");
  return { server, down, took: down.at - secondAt, seen: await seenBy(peer) };
}

const stuckReport = reportWith("forced", { total: 1, forced: 1 }, { abandoned: 1 }, ["handler"]);

/** No Close: it would claim that the request was never started. */
const forcedPeer = { messages: [], close: undefined, ended: "FIN", violation: undefined };

it("closes within a second at a second SIGTERM, names the stuck handler, and exits with 0", async () => {
  const runs = await repeatedly(
    async () => {
      const { server, ...seen } = await forceStuck("forever");
      return { ...seen, exit: await server.exited() };
    },
    { times: repetitions.forced, atOnce: repetitions.forced },
  );
  for (const { down, seen, exit, took } of runs) {
    expect(countsOf(down.report)).toEqual(stuckReport);
    expect(down.report.troubled[0]).toMatchObject({ running: 1, queued: 0, unsentBytes: 0 });
    expect(down.open.filter((kind) => KEEPS_ALIVE.test(kind))).toEqual([]);
    expect(seen).toEqual(forcedPeer);
    expect(took).toBeLessThan(bound(1_000));
    expect(exit).toMatchObject({ code: 0, signal: null, stderr: "" });
    expect(exit.at - down.at, "from the report to the exit").toBeLessThan(bound(1_000));
  }
  tellTimes(
    "second SIGTERM to report",
    runs.map(({ took }) => took),
  );
});

it("dies of a third SIGTERM when a handler's own timer keeps the process alive", async () => {
  const runs = await repeatedly(
    async () => {
      const { server, down, seen } = await forceStuck("with a timer");
      server.kill("SIGTERM");
      return { down, seen, exit: await server.exited() };
    },
    { times: repetitions.forced, atOnce: repetitions.forced },
  );
  for (const { down, seen, exit } of runs) {
    expect(countsOf(down.report)).toEqual(stuckReport);
    expect(seen).toEqual(forcedPeer);
    expect(exit).toMatchObject({ code: null, signal: "SIGTERM", stderr: "" });
  }
});
