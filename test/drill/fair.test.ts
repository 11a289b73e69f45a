/**
 * The drill blames nobody wrongly: a server that goes down as it should passes every profile, whatever is in between
 * and however slow it is. One is written by hand on `ws`, one on Python's `websockets`, one is ours. The drains by hand
 * of bench/peers, Go's among them, are drilled by `node bench/drill-peers.mjs`.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

import { profileNames, type DrillOptions, type ProfileName } from "../../src/drill/index.js";
import { freePort } from "../../src/drill/listening.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasHaproxy, hasNginx, hasOpenssl, python } from "../tools/debian.js";
import { startDelayingProxy } from "../tools/delaying-proxy.js";
import { drillSmall, failedRuns, fixture, outcomeOf } from "../tools/drill.js";
import { repetitions } from "../tools/effort.js";
import { startHaproxy, startNginx } from "../tools/proxy.js";
import { startNode } from "../tools/run-process.js";
import { scratch } from "../tools/scratch.js";
import { ms } from "../tools/timing.js";

/** How often each profile is played with our own server: a lifecycle is trusted after 20 times in a row. */
const REPEATS = repetitions.drills;

/** So many drills at the same time: they mostly wait. */
const LANES = 5;

const QUICK = { WORK: "30" };

let turn = 0;

/**
 * Some of the profiles, and always the half-closed one, on which proxies differ. The next call gets the next ones, so
 * that all are played somewhere; each has its test straight to a port as well.
 */
function someProfiles(): ProfileName[] {
  const count = Math.min(repetitions.profilesPerWay, profileNames.length);
  const first = turn;
  turn += count;
  const some = Array.from(
    { length: count },
    (_, index) => profileNames[(first + index) % profileNames.length]!,
  );
  return [...new Set<ProfileName>([...some, "half-close"])];
}

interface Play {
  profiles?: readonly ProfileName[];
  options?: DrillOptions;
  /** Further options, which each drill has for itself. */
  own?: () => Promise<DrillOptions>;
}

/** Plays all profiles, some at the same time, and expects that nothing fails. */
async function expectToPass(server: string, { profiles = profileNames, options, own }: Play = {}) {
  const count = Math.min(LANES, profiles.length);
  const lanes = Array.from({ length: count }, async (_, lane) =>
    drillSmall(server, {
      signalAfter: 50,
      promise: [1012],
      env: QUICK,
      profiles: profiles.filter((_name, index) => index % count === lane),
      ...options,
      ...(await own?.()),
    }),
  );
  const results = await Promise.all(lanes);
  expect(results.flatMap(failedRuns)).toEqual([]);
  expect(results.every(({ passed }) => passed)).toBe(true);
  const runs = results.flatMap((result) => result.runs);
  expect(runs.every(({ effects }) => effects)).toBe(true);
  return runs;
}

/** Puts something between the clients and a server. */
function behind(start: (port: number) => Promise<number>, options: DrillOptions = {}): Play {
  const profiles = someProfiles();
  const own = async (): Promise<DrillOptions> => {
    const port = await freePort();
    const url = `ws://127.0.0.1:${await start(port)}/`;
    return { url, env: { ...QUICK, BEHIND: String(port) }, ...options };
  };
  return { profiles, own };
}

const LONG = ms(120_000);

describe.each(["correct-ws", "ours"])("%s", (server) => {
  it(
    "passes every profile",
    async () => {
      const runs = await expectToPass(server, { options: { repeat: server === "ours" ? REPEATS : 1 } });
      const halfClosed = runs.filter(({ profile }) => profile === "half-close");
      // ws ends its side at its peer's FIN, at any time.
      const counts = server === "ours" ? { answered: 9 } : { "not judged": 9 };
      for (const run of halfClosed) expect(outcomeOf(run).counts).toEqual(counts);
    },
    LONG,
  );

  it(
    "passes when each request takes a second",
    async () => {
      const options = { env: { WORK: "1000" }, timeout: ms(30_000) };
      await expectToPass(server, { profiles: ["pipelined", "closed-loop", "half-close"], options });
    },
    LONG,
  );

  it(
    "passes on a network that is far, and on one that carries little at a time",
    async () => {
      await Promise.all([
        expectToPass(
          server,
          behind((port) => startDelayingProxy(port, 60)),
        ),
        expectToPass(
          server,
          behind((port) => startDelayingProxy(port, 0, [7, 200]), { size: 300 }),
        ),
      ]);
    },
    LONG,
  );
});

it.each([
  ["no large messages is sent none", { MAX_PAYLOAD: "100000" }, 8 * 1024],
  ["large messages is sent some", {}, 1_000_000],
])("a server that takes %s", async (_, env, largest) => {
  const sizes: number[] = [];
  const { runs } = await drillSmall("correct-ws", {
    profiles: ["slow-reader"],
    env: { ...QUICK, ...env },
    script: {
      request(_n, { id, size }) {
        sizes.push(size);
        return id.padEnd(size);
      },
    },
  });
  expect(runs.map(outcomeOf)).toEqual([
    { passed: true, counts: { answered: 9 }, exit: 0, failures: {}, told: {} },
  ]);
  // The first one tries that out.
  expect(sizes).toEqual([1_000_000, ...Array.from({ length: 9 }, () => largest)]);
});

it("a server whose clients read at a rate is given the time that they take", async () => {
  const options: DrillOptions = { profiles: ["slow-reader"], readRate: 200_000, size: 40_000, env: QUICK };
  const { runs, settings } = await drillSmall("correct-ws", options);
  expect(runs.map(outcomeOf)).toEqual([
    { passed: true, counts: { answered: 9 }, exit: 0, failures: {}, told: {} },
  ]);
  // From the start of the load: three replies of 40 000 bytes are not read sooner.
  expect(runs[0]!.endedAt).toBeGreaterThan(570);
  expect(settings.readRate).toBe(200_000);
});

const PROXIES: Record<string, (port: number) => Promise<number>> = {
  ...(hasHaproxy && {
    "HAProxy in mode tcp": (port: number) => startHaproxy("tcp", port),
    "HAProxy in mode http": (port: number) => startHaproxy("http", port),
  }),
  ...(hasNginx &&
    hasOpenssl && {
      nginx: async (port: number) => (await startNginx(port, selfSignedCertificate())).clear,
    }),
};

it.skipIf(Object.keys(PROXIES).length === 0)(
  "ours passes behind HAProxy and nginx",
  async () => {
    const played = Object.entries(PROXIES).map(
      async ([name, start]) => [name, await expectToPass("ours", behind(start))] as const,
    );
    for (const [name, runs] of await Promise.all(played)) {
      const halfClosed = outcomeOf(runs.find(({ profile }) => profile === "half-close")!);
      // nginx ends both sides of a WebSocket when either is ended, as soon as it sees that.
      const { answered = 0, "not judged": notJudged = 0 } = halfClosed.counts;
      expect([name, answered + notJudged]).toEqual([name, 9]);
      if (name !== "nginx") expect([name, answered]).toEqual([name, 9]);
    }
  },
  LONG,
);

it.skipIf(python === undefined)(
  "a drain by hand on Python's websockets passes",
  async () => {
    const server = fileURLToPath(new URL("../../bench/peers/websockets/by_hand.py", import.meta.url));
    await expectToPass("ours", { profiles: someProfiles(), options: { command: [python!, server] } });
  },
  LONG,
);

it.skipIf(!hasOpenssl)(
  "ours passes over TLS, whoever has signed its certificate",
  async () => {
    const pem = join(scratch(), "both.pem");
    const { key, cert } = selfSignedCertificate();
    writeFileSync(pem, key + cert);
    const options = { url: "wss://localhost:{port}/", insecure: true, env: { ...QUICK, TLS: pem } };
    await expectToPass("ours", { profiles: someProfiles(), options });
  },
  LONG,
);

describe("a server that runs already", () => {
  async function started() {
    const [effects, port] = [join(scratch(), "effects"), await freePort()];
    const env = { ...QUICK, PORT: String(port), LASTCALL_EFFECTS: effects };
    const server = startNode(fixture("ours").slice(1), env);
    await server.printed(/listening/);
    const told = { url: `ws://127.0.0.1:${port}/`, effects, signalAfter: 50 };
    return { server, pid: server.child.pid!, told };
  }

  const outcome = { passed: true, counts: { answered: 9 }, exit: undefined, failures: {}, told: {} };

  it("passes when its process is told", async () => {
    const { server, pid, told } = await started();
    const { runs, passed } = await drillSmall(undefined, { ...told, pid });
    expect(runs.map(outcomeOf)).toEqual([outcome]);
    expect(runs[0]!.process).toMatchObject({ pid, killed: false });
    expect(passed).toBe(true);
    expect(await server.ended).toMatchObject({ exit: 0 });
  });

  it("is judged by its accept queue where its process is known, and not by luck where it is not", async () => {
    const profiles = ["accept-queue"] as const;
    const one = await started();
    const known = await drillSmall(undefined, { ...one.told, pid: one.pid, profiles });
    expect(outcomeOf(known.runs[0]!)).toMatchObject({ passed: true, told: { "accept queue": 100 } });
    expect(known.atStake).toBe(true);
    expect(await one.server.ended).toMatchObject({ exit: 0 });
    const other = await started();
    const stop = () => other.server.child.kill("SIGTERM");
    const unknown = await drillSmall(undefined, { ...other.told, stop, profiles });
    expect(outcomeOf(unknown.runs[0]!)).toMatchObject({ passed: true, failures: {} });
    expect(unknown.atStake).toBe(false);
    expect(await other.server.ended).toMatchObject({ exit: 0 });
  });

  it.each(["a shell command", "a function"])("passes when it is stopped by %s", async (how) => {
    const { server, pid, told } = await started();
    const stop = how === "a function" ? () => server.child.kill("SIGTERM") : `kill ${pid}`;
    const { runs, passed } = await drillSmall(undefined, { ...told, stop });
    expect(runs.map(outcomeOf)).toEqual([outcome]);
    expect(passed).toBe(true);
    expect(await server.ended).toMatchObject({ exit: 0 });
  });
});
