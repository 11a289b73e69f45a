/**
 * What a shutdown can be told, each with peers, faults and options from seeds. All stories are held to the rules; here
 * stands what each must show beside them.
 */
import { expect, test } from "vitest";
import { repetitions } from "../tools/effort.js";
import { bound, ms } from "../tools/timing.js";
import type { Observed } from "./play.js";
import { storyOf, type PeerPlan, type Story } from "./story.js";
import { tell } from "./tell.js";

const SEEDS = repetitions.seeds;

interface Row {
  /** What the stories have in common, and whom beside the random peers. */
  given: Partial<Story>;
  beside?: PeerPlan[];
  shows: (observed: Observed) => void;
}

const busy: PeerPlan = { kind: "polite", messages: 30, padding: 0 };
const late: PeerPlan = { kind: "coming late", messages: 3, padding: 0 };
const tireless: PeerPlan = { kind: "conversing", messages: 100_000, padding: 0 };

const roomy = { deadline: ms(8_000), lastCall: ms(6_400), patience: ms(600) };
const serial = (work: number) => ({ kind: "serial", work, at: 0, padding: 0 }) as const;

/** A story without calls of its own beside those of the row. */
const undisturbed: Partial<Story> = {
  interventions: [],
  options: { inboxLimit: { messages: 1024 }, heartbeat: false },
  stopWhen: "all are read",
};

const rows: Record<string, Row> = {
  "lameDuck: who comes in it is served, and told with the others": {
    given: { ...undisturbed, handler: serial(1), drain: { ...roomy, lameDuck: ms(500) } },
    beside: [late],
    shows: ({ report, peers, story }) => {
      expect(report.duration).toBeGreaterThanOrEqual(story.drain.lameDuck!);
      const { client, refused } = peers.at(-1)!;
      expect(refused).toBe(undefined);
      expect(client).toMatchObject({ messages: ["0 done", "1 done", "2 done"], ended: "FIN" });
    },
  },
  "patience: a peer that is never quiet is cut between two requests": {
    given: { ...undisturbed, handler: serial(1), drain: { ...roomy, quiet: ms(400), patience: ms(300) } },
    beside: [tireless],
    shows: ({ report, peers, logs, story }) => {
      expect(report.duration).toBeGreaterThanOrEqual(story.drain.patience!);
      const tirelessPeer = peers.at(-1)!;
      expect(tirelessPeer.client!.messages).toHaveLength(logs.get(peers.length - 1)!.started.length);
      expect(tirelessPeer.client!.messages.length).toBeGreaterThan(0);
    },
  },
  "lastCall: what still waits is handed back, and nothing is torn": {
    given: {
      ...undisturbed,
      handler: serial(15),
      drain: { ...roomy, lastCall: ms(60) },
      stopWhen: "the first is started",
    },
    beside: [busy],
    shows: ({ report, logs, peers }) => {
      const started = logs.get(peers.length - 1)!.started.length;
      expect(started).toBeLessThan(30);
      expect(report.messages.handedBack).toBeGreaterThanOrEqual(30 - started);
      expect(report.messages.abandoned).toBe(0);
      expect(peers.at(-1)!.client!.messages).toHaveLength(started);
    },
  },
  "deadline: it is kept, and names the handler that is stuck": {
    given: { ...undisturbed, handler: { ...serial(0), kind: "stuck" }, drain: { deadline: ms(500) } },
    beside: [busy],
    shows: forcedBecauseOfTheHandler,
  },
  "close() in the middle: all is over within a second": {
    given: {
      ...undisturbed,
      handler: { ...serial(0), kind: "stuck" },
      drain: roomy,
      interventions: [{ after: ms(50), call: "close" }],
    },
    beside: [busy],
    shows: forcedBecauseOfTheHandler,
  },
  "a nearer deadline: a second call of shutdown() brings it": {
    given: {
      ...undisturbed,
      handler: { ...serial(0), kind: "stuck" },
      drain: roomy,
      interventions: [{ after: ms(50), call: "shutdown", options: { deadline: ms(200) } }],
    },
    beside: [busy],
    shows: forcedBecauseOfTheHandler,
  },
  "waitUntil past the deadline: it is not waited for any longer": {
    given: { ...undisturbed, handler: { ...serial(0), kind: "overstaying" }, drain: { deadline: ms(500) } },
    beside: [busy],
    shows: forcedBecauseOfTheHandler,
  },
  "a handler that ignores everything: what it never took is abandoned": {
    given: { ...undisturbed, handler: { ...serial(0), kind: "doing nothing" }, drain: { deadline: ms(500) } },
    beside: [{ ...busy, messages: 5 }],
    shows: ({ report, took }) => {
      expect(report.outcome).toBe("forced");
      expect(report.messages.served).toBe(0);
      expect(took).toBeLessThan(bound(1_500));
    },
  },
};

function forcedBecauseOfTheHandler({ report, took, logs, peers }: Observed): void {
  expect(report.outcome).toBe("forced");
  expect(took).toBeLessThan(bound(1_500));
  const { id } = logs.get(peers.length - 1)!;
  expect(report.troubled.find((entry) => entry.id === id)).toMatchObject({ reason: "handler", running: 1 });
}

test.for(Object.entries(rows))("%s", async ([, { given, beside = [], shows }]) => {
  const stories = Array.from({ length: SEEDS }, (_, seed) => {
    const story = storyOf(seed, given);
    return { ...story, peers: [...story.peers, ...beside] };
  });
  const { failed, observed } = await tell(stories);
  expect(failed.join("\n")).toBe("");
  observed.forEach(shows);
});

test("a second signal: it is close(), and the first was shutdown()", async () => {
  for (let seed = 0; seed < repetitions.signals; seed++) {
    const story = storyOf(seed, {
      ...undisturbed,
      handler: { ...serial(0), kind: "stuck" },
      drain: roomy,
      signal: "SIGUSR2",
      // It counts as another one from a second after the first on.
      interventions: [{ after: 1_050, call: "signal" }],
    });
    // One after the other: a signal is for the whole process.
    const { failed, observed } = await tell([{ ...story, peers: [...story.peers, busy] }]);
    expect(failed.join("\n")).toBe("");
    observed.forEach(forcedBecauseOfTheHandler);
    expect(observed[0]!.report.duration).toBeGreaterThanOrEqual(1_050);
    expect(process.listenerCount("SIGUSR2")).toBe(0);
  }
});
