import { expect, test } from "vitest";
import { Timetable } from "../../src/server/timetable.js";
import { VirtualTime } from "../virtual/virtual-time.js";

test("a moment comes once, at the time that was said last, and not when it was taken back", async () => {
  const time = new VirtualTime();
  const moments = new Timetable<string>(time.clock);
  const log: string[] = [];
  const note = (what: string) => (): void => void log.push(`${time.now}: ${what}`);
  moments.at("moved", 100, note("moved"));
  moments.move("moved", 50, note("moved nearer"));
  moments.at("stays", 70, note("stays"));
  moments.at("behind", 70, note("behind"));
  moments.move("stays", 70, note("never"));
  moments.at("past", -1, note("past"));
  moments.at("never", Infinity, note("never"));
  moments.at("taken back", 60, note("never"));
  moments.cancel("taken back");
  moments.cancel("unknown");
  await time.run();
  expect(log).toEqual(["0: past", "50: moved nearer", "70: stays", "70: behind"]);
  moments.at("one", 80, note("never"));
  moments.at("other", 80, note("never"));
  moments.cancelAll();
  await time.run();
  expect(log).toHaveLength(4);
});
