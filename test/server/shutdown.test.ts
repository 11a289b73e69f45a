/** A server going down, step by step, in virtual time: with connections and a door that write down what they are told. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { defer } from "../../src/base/deferred.js";
import { drainDefaults, layDrainOptions, type DrainOptions } from "../../src/drain/options.js";
import {
  NO_DOOR,
  type DoorAccount,
  type ConnectionAccount,
  type DrainReport,
} from "../../src/drain/report.js";
import type { DrainProgressEvent } from "../../src/server/diagnostics.js";
import { Shutdown, type Drainable, type ShutdownOwner } from "../../src/server/shutdown.js";
import { VirtualTime } from "../virtual/virtual-time.js";

const CLOSED: ConnectionAccount = {
  id: "1",
  remoteAddress: "",
  end: "closed",
  unproven: false,
  cause: "shutdown",
  detail: "",
  reset: false,
  gaveUp: false,
  queued: 0,
  unsentBytes: 0,
  running: 0,
  undelivered: 0,
  unreadUnknown: false,
  handlerRuns: false,
};

class Scene implements ShutdownOwner {
  readonly time = new VirtualTime();
  readonly clock = this.time.clock;
  readonly connections = new Set<Drainable>();
  /** What the shutdown did, each with when. */
  readonly log: string[] = [];
  /** Settles when the door is closed; by itself, unless a test takes it. */
  door = Promise.resolve();
  guests = 0;
  readonly requests = new Set<object>();
  report: DrainReport | undefined;
  readonly shutdown: Shutdown;
  readonly doorAccount = (): DoorAccount => NO_DOOR;

  constructor(given: Partial<DrainOptions> = {}, connections = 0) {
    this.shutdown = new Shutdown(this, layDrainOptions(given, drainDefaults));
    for (let number = 1; number <= connections; number++) this.connect(String(number));
    void this.shutdown.report.then((report) => {
      this.report = report;
      this.note("report");
    });
  }

  note(what: string): void {
    this.log.push(`${this.time.now}: ${what}`);
  }

  connect(name: string): Drainable {
    const note = (what: string) => (): void => this.note(`${what} ${name}`);
    const connection: Drainable = {
      drain: note("drain"),
      lastCall: note("last call for"),
      force: note("force"),
      destroy: note("destroy"),
      handlerRuns: true,
      account: () => CLOSED,
    };
    this.connections.add(connection);
    return connection;
  }

  /** One of them is over. */
  over(connection: Drainable): void {
    this.connections.delete(connection);
    this.shutdown.connectionClosed(connection);
  }

  begin(): this {
    this.shutdown.begin();
    return this;
  }

  async run(): Promise<string[]> {
    // What takes no time comes first.
    await new Promise((resolve) => setImmediate(resolve));
    await this.time.run();
    return this.log;
  }

  closeDoor(): Promise<void> {
    this.note("close door");
    return this.door;
  }

  closeDoorNow(): void {
    this.note("close door now");
  }

  pendingHandshakes(): number {
    return this.guests + this.requests.size;
  }

  isPending(request: object): boolean {
    return this.requests.has(request);
  }

  refuseHandshakes(): void {
    this.note("refuse handshakes");
  }

  release(): Promise<void> {
    this.note("release");
    return Promise.resolve();
  }
}

describe("goodbyes that are spread over a time", () => {
  const drains = (log: readonly string[]): number[] =>
    log.filter((line) => line.includes(": drain ")).map((line) => Number(line.split(":", 1)));

  function halfway(): void {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    onTestFinished(() => void vi.restoreAllMocks());
  }

  test("come at a rate that follows from their number, each at a moment of its own slot", async () => {
    halfway();
    const scene = new Scene({ spread: 60_000, deadline: 80_000 }, 6).begin();
    expect(drains(await scene.run())).toEqual([5_000, 15_000, 25_000, 35_000, 45_000, 55_000]);
  });

  test("come after the lame duck", async () => {
    halfway();
    const scene = new Scene({ spread: 1_000, lameDuck: 2_000 }, 2).begin();
    expect(drains(await scene.run())).toEqual([2_250, 2_750]);
  });

  test("come within half of the time that a hurried call leaves, or as fast as it says", async () => {
    halfway();
    const scene = new Scene({ spread: 60_000, deadline: 80_000 }, 6).begin();
    scene.time.at(20_000, () => scene.shutdown.hasten({ deadline: 8_000 }));
    expect(drains(await scene.run())).toEqual([5_000, 15_000, 20_400, 21_200, 22_000, 22_800]);
    const other = new Scene({ spread: 60_000, deadline: 80_000 }, 6).begin();
    other.time.at(20_000, () => other.shutdown.hasten({ spread: 0 }));
    expect(
      drains(await other.run())
        .slice(2)
        .every((at) => at < 20_002),
    ).toBe(true);
  });
});

describe("a shutdown", () => {
  test("of nobody closes the door, and reports at once", async () => {
    const scene = new Scene().begin();
    expect(await scene.run()).toEqual(["0: close door", "0: release", "0: report"]);
    expect(scene.report).toMatchObject({ outcome: "clean", duration: 0, connections: { total: 0 } });
  });

  test("goes its steps in their order, each at its time", async () => {
    const scene = new Scene(
      { lameDuck: 100, handshakeGrace: 50, lastCall: 500, deadline: 1_000, pace: Infinity },
      1,
    ).begin();
    expect(await scene.run()).toEqual([
      "100: close door",
      "100: drain 1",
      "150: refuse handshakes",
      "500: last call for 1",
      "1000: close door now",
      "1000: refuse handshakes",
      "1000: force 1",
      "1750: destroy 1",
      "1750: release",
      "1750: report",
    ]);
    expect(scene.report).toMatchObject({ duration: 1_750, connections: { total: 1 } });
  });

  test("is over when the last connection and the last handshake are", async () => {
    const scene = new Scene({ deadline: 10_000 }, 2).begin();
    scene.guests = 1;
    const [one, two] = [...scene.connections];
    scene.time.at(10, () => scene.over(one!));
    scene.time.at(20, () => scene.over(two!));
    scene.time.at(30, () => {
      scene.guests = 0;
      scene.shutdown.handshakeSettled();
    });
    expect((await scene.run()).slice(-2)).toEqual(["30: release", "30: report"]);
    expect(scene.report).toMatchObject({ duration: 30, connections: { total: 2, closed: 2 } });
  });

  test("is not over before the door is closed, though nobody is inside", async () => {
    const scene = new Scene({ deadline: 10_000 });
    const door = defer<void>();
    scene.door = door.promise;
    scene.begin();
    scene.time.at(10, () => scene.shutdown.handshakeSettled());
    scene.time.at(70, () => door.resolve());
    expect((await scene.run()).at(-1)).toBe("70: report");
  });
});

describe("connections begin to drain", () => {
  test("paced, the first ones first, and those that are over meanwhile are passed", async () => {
    const scene = new Scene({ pace: 10, deadline: 100_000, handshakeGrace: 0 }, 4).begin();
    const all = [...scene.connections];
    scene.time.at(350, () => all.forEach((one) => scene.over(one)));
    const log = await scene.run();
    expect(log.filter((what) => what.includes("drain"))).toEqual([
      "0: drain 1",
      "100: drain 2",
      "200: drain 3",
      "300: drain 4",
    ]);
  });

  test("faster when a later call brings the deadline nearer, so that all have begun by half of the time to last call", async () => {
    const scene = new Scene({ pace: 1, deadline: 100_000 }, 4).begin();
    scene.time.at(500, () => scene.shutdown.hasten({ deadline: 750 }));
    const log = await scene.run();
    expect(log.filter((what) => what.includes("drain"))).toEqual([
      "0: drain 1",
      "500: drain 2",
      "600: drain 3",
      "700: drain 4",
    ]);
    expect(log).toContain("1250: force 1");
  });

  test("faster also when the later call comes from one that begins to drain", async () => {
    const scene = new Scene({ pace: 10, deadline: 100_000 }, 20);
    const first = [...scene.connections][4]!;
    first.drain = () => scene.shutdown.hasten({ deadline: 2_000 });
    const log = await scene.begin().run();
    const begun = log.filter((what) => what.includes("drain")).map((what) => Number(what.split(":", 1)));
    expect(begun.slice(0, 5)).toEqual([0, 100, 200, 300, 400]);
    expect(begun).toHaveLength(19);
    expect(begun.at(-1)).toBeLessThan(400 + 800);
  });

  test("without a word to those that are left when one that begins to drain calls close()", async () => {
    const scene = new Scene({ pace: Infinity, deadline: 100_000 }, 3);
    const [first] = scene.connections;
    first!.drain = () => scene.shutdown.force();
    const log = await scene.begin().run();
    expect(log.filter((what) => /drain|force/.test(what))).toEqual([
      "0: force 1",
      "0: force 2",
      "0: force 3",
    ]);
  });

  test("thousands of them, each of which calls shutdown() again, without a stack that grows", async () => {
    const scene = new Scene({ pace: Infinity, deadline: 100_000 }, 20_000);
    let begun = 0;
    for (const connection of scene.connections)
      connection.drain = () => {
        begun++;
        scene.shutdown.hasten({ deadline: 50_000 - begun });
      };
    await scene.begin().run();
    expect(begun).toBe(20_000);
  });

  test("at once when they come in through the closing door", async () => {
    const scene = new Scene({ lastCall: 100, deadline: 1_000 }, 1);
    const before = scene.connect("before");
    scene.shutdown.connectionOpened(before);
    expect(scene.log).toEqual([]);
    scene.begin();
    scene.time.at(50, () => scene.shutdown.connectionOpened(scene.connect("early")));
    const log = await scene.run();
    expect(log.filter((what) => what.startsWith("50:"))).toEqual(["50: drain early"]);
  });

  test("with the last call when that comes before the door is closed", async () => {
    const scene = new Scene({ lastCall: 100, deadline: 1_000 }, 1);
    const door = defer<void>();
    scene.door = door.promise;
    scene.begin();
    scene.time.at(200, () => door.resolve());
    const log = await scene.run();
    expect(log.slice(0, 5)).toEqual([
      "0: close door",
      "100: refuse handshakes",
      "100: last call for 1",
      "200: refuse handshakes",
      "200: last call for 1",
    ]);
    expect(log.some((what) => what.includes("drain"))).toBe(false);
  });
});

describe("handshakes", () => {
  test("are accepted until last call at the longest: who came in then could not be served", async () => {
    const accepts: boolean[] = [];
    const scene = new Scene({ handshakeGrace: 1_000, lastCall: 100, deadline: 2_000 }, 1).begin();
    for (const at of [99, 101]) scene.time.at(at, () => void accepts.push(scene.shutdown.acceptsHandshakes));
    const log = await scene.run();
    expect(accepts).toEqual([true, false]);
    expect(log.filter((what) => what.includes("refuse")).slice(0, 2)).toEqual([
      "100: refuse handshakes",
      "2000: refuse handshakes",
    ]);
  });

  test("are accepted until their grace is over, or all is forced", async () => {
    const accepts: boolean[] = [];
    const look = (scene: Scene) => (): void => void accepts.push(scene.shutdown.acceptsHandshakes);
    const scene = new Scene({ handshakeGrace: 50, deadline: 1_000 }, 1).begin();
    for (const at of [0, 49, 51]) scene.time.at(at, look(scene));
    await scene.run();
    const forced = new Scene({ handshakeGrace: 1_000 }, 1).begin();
    forced.time.at(10, () => forced.shutdown.force());
    forced.time.at(11, look(forced));
    await forced.run();
    expect(accepts).toEqual([true, true, false, false]);
  });
});

describe("a later call", () => {
  test("with a nearer deadline ends a lame duck, too: nobody is let in who could not be served", async () => {
    const scene = new Scene({ lameDuck: 20_000, deadline: 30_000, pace: Infinity }, 1).begin();
    scene.time.at(100, () => scene.shutdown.hasten({ deadline: 1_500 }));
    const log = await scene.run();
    expect(log.filter((what) => /close door$|drain|last call|force/.test(what))).toEqual([
      "700: close door",
      "700: drain 1",
      "1300: last call for 1",
      "1600: force 1",
    ]);
  });

  test("brings the end of the lame duck, the last call and the deadline nearer, and moves nothing away", async () => {
    const scene = new Scene({ lameDuck: 1_000, lastCall: 5_000, deadline: 10_000 }, 1).begin();
    scene.time.at(100, () => scene.shutdown.hasten({ lameDuck: 100 }));
    scene.time.at(300, () => scene.shutdown.hasten({ deadline: 1_000, lastCall: 50 }));
    scene.time.at(301, () => scene.shutdown.hasten({ deadline: 20_000, lastCall: 10_000, lameDuck: 5_000 }));
    const log = await scene.run();
    expect(log.filter((what) => /close door$|last call|force/.test(what))).toEqual([
      "200: close door",
      "350: last call for 1",
      "1300: force 1",
    ]);
  });

  test("after it was forced changes nothing", async () => {
    const scene = new Scene({}, 1).begin();
    scene.shutdown.force();
    scene.shutdown.hasten({ deadline: 1, lameDuck: 0 });
    scene.shutdown.force();
    const log = await scene.run();
    expect(log.filter((what) => what.includes("force"))).toEqual(["0: force 1"]);
    expect(log.at(-1)).toBe("750: report");
  });
});

describe("a last call", () => {
  test("at the deadline is none: there is no time left to tell anybody", async () => {
    const log = await new Scene({ lastCall: 1_000, deadline: 1_000 }, 1).begin().run();
    expect(log.some((what) => what.includes("last call"))).toBe(false);
    expect(log).toContain("1000: force 1");
  });
});

describe("what is forced", () => {
  test("without a shutdown before it closes the door at once, and is over when all are", async () => {
    const scene = new Scene({}, 2);
    scene.shutdown.force();
    for (const connection of scene.connections) scene.over(connection);
    expect(await scene.run()).toEqual([
      "0: close door now",
      "0: refuse handshakes",
      "0: force 1",
      "0: force 2",
      "0: release",
      "0: report",
    ]);
  });

  test("is in the report once, though it is over only after that", async () => {
    const scene = new Scene({}, 1).begin();
    const [connection] = scene.connections;
    scene.shutdown.force();
    scene.time.at(800, () => scene.over(connection!));
    await scene.run();
    expect(scene.report).toMatchObject({ duration: 750, connections: { total: 1 } });
  });
});

test("what happens is published, step by step, and the report is the one that is resolved with", async () => {
  const events: DrainProgressEvent[] = [];
  const listener = (event: unknown): void => void events.push(event as DrainProgressEvent);
  subscribe("lastcall:drain", listener);
  onTestFinished(() => void unsubscribe("lastcall:drain", listener));
  const scene = new Scene({ lastCall: 100, deadline: 200 }, 1).begin();
  await scene.run();
  expect(events).toEqual([
    { event: "started", connections: 1 },
    { event: "door closed" },
    { event: "last call" },
    { event: "forced" },
    { event: "finished", report: scene.report },
  ]);
});
