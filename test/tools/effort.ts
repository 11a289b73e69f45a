/**
 * How often the suite repeats what chance or a busy machine might break. It is the one place where that is decided:
 *
 *   npm test                     quick: every case, each a few times
 *   TEST_EFFORT=full npm test    full: as often as it takes to be trusted; `.ci/run` does that
 *
 * A row's variable, where it has one, is the number itself, whatever the effort.
 */

/** The efforts there are, from the least on. */
const EFFORTS = ["quick", "full"] as const;
type Effort = (typeof EFFORTS)[number];

interface Row extends Record<Effort, number> {
  /** What it is a number of, as the table says it. */
  what: string;
  variable?: string;
}

const table = {
  streams: {
    what: "random streams that ws' Receiver and our decoder are given",
    quick: 10_000,
    full: 200_000,
    variable: "FUZZ_STREAMS",
  },
  events: {
    what: "random sequences of events for a draining connection, a property",
    quick: 4_000,
    full: 20_000,
  },
  worlds: { what: "random worlds in virtual time, a rule of the contract", quick: 80, full: 1_500 },
  stories: { what: "random shutdowns on real sockets", quick: 150, full: 1_000, variable: "STORIES" },
  doorRequests: {
    what: "requests to random doors and hosts on real sockets",
    quick: 300,
    full: 10_000,
    variable: "DOOR_REQUESTS",
  },
  seeds: { what: "shutdowns of each sort in the table of stories", quick: 2, full: 8 },
  signals: { what: "shutdowns that a second signal hurries", quick: 1, full: 3 },
  runs: {
    what: "runs of a scene straight to a port, and of each client that is not ours",
    quick: 5,
    full: 50,
    variable: "SCENARIO_RUNS",
  },
  runsPerWay: { what: "runs of a scene on each other way in", quick: 1, full: 3, variable: "RUNS_PER_WAY" },
  processesPerWay: { what: "processes told to stop on each other way in", quick: 1, full: 2 },
  drainsUnderLoad: { what: "drains of each framework under load", quick: 1, full: 5 },
  keptAliveRounds: {
    what: "drains beside a pool of kept-alive connections, a pool",
    quick: 2,
    full: 10,
    variable: "KEPT_ALIVE_ROUNDS",
  },
  forced: { what: "processes told twice or three times, a test", quick: 3, full: 10 },
  profilesPerWay: {
    what: "profiles of the drill on each network, behind each proxy, over TLS, in Python",
    quick: 2,
    full: 13,
  },
  drills: { what: "drills of our server, a profile", quick: 1, full: 1, variable: "DRILL_REPEATS" },
  idleConnections: { what: "idle connections that go down in paced order", quick: 2_500, full: 10_000 },
  activeConnections: {
    what: "connections that go down in the middle of their work",
    quick: 500,
    full: 2_000,
  },
  drilledConnections: { what: "connections of the largest drill", quick: 1_000, full: 5_000 },
  flood: { what: "tiny messages of one who leaves", quick: 100_000, full: 1_000_000 },
} satisfies Record<string, Row>;

function effortOf(word: string): Effort {
  const effort = EFFORTS.find((each) => each === word);
  if (effort === undefined) throw new Error(`TEST_EFFORT is ${EFFORTS.join(" or ")}; it was '${word}'.`);
  return effort;
}

/** The effort of this run. */
export const effort = effortOf(process.env["TEST_EFFORT"] ?? "quick");

function numberOf(row: Row): number {
  const own = row.variable === undefined ? undefined : process.env[row.variable];
  return own === undefined ? row[effort] : Number(own);
}

/** How often, at this effort. */
export const repetitions = Object.fromEntries(
  Object.entries(table).map(([name, row]) => [name, numberOf(row)]),
) as Record<keyof typeof table, number>;

/** A number as the names of tests say it: `10 000`. */
export function spoken(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, " ");
}

/** What was decided, one row a line. */
export function describeEffort(): string {
  const rows = Object.values<Row>(table).map((row) => {
    const set = row.variable !== undefined && process.env[row.variable] !== undefined;
    return `${spoken(numberOf(row)).padStart(11)}  ${row.what}${set ? ` (${row.variable})` : ""}`;
  });
  return [`Repetitions (TEST_EFFORT=${effort}):`, ...rows].join("\n");
}
