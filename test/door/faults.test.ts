/** What was found wrong once, each as a small world that is judged as every other one. */
import { afterAll, describe, expect, test } from "vitest";
import { ms } from "../tools/timing.js";
import { Clients } from "./clients.js";
import { describeBreaches, judge } from "./judge.js";
import { play } from "./play.js";
import { Flight, get, type RequestPlan } from "./requests.js";
import type { ClientScript } from "./script.js";
import { clientOf, PLAIN_MANNERS, UNHURRIED, type Manners, type ServerPlan, type World } from "./world.js";

const clients = new Clients();
afterAll(() => clients.end());

let seed = 0;
let client = 0;

function asks(
  at: number,
  plans: readonly Partial<RequestPlan>[],
  manners: Partial<Manners> = {},
): ClientScript {
  const whole = plans.map((plan) => ({ ...get, ...plan }));
  return clientOf(`f${seed}-${client++}`, ms(at), whole, { ...PLAIN_MANNERS, ...manners });
}

function server(plan: Partial<ServerPlan>): ServerPlan {
  const whole = {
    path: "/a",
    comesAt: 0,
    goesAt: 100,
    goes: "shutdown",
    deadline: UNHURRIED,
    grace: 100,
  } as const;
  return { ...whole, signIn: -1, signInCosts: 0, ...plan };
}

/** Fails when a world of these servers and clients breaks a rule. */
async function keepsTheRules(given: Partial<World>): Promise<void> {
  const world: World = {
    seed: ++seed,
    host: "http",
    app: { claims: [] },
    servers: [server({})],
    stalls: [],
    stallBehindCall: 0,
    clients: [],
    ...given,
  };
  const seen = await play(world, clients);
  const breaches = judge(seen);
  expect(breaches.length === 0 ? "" : `\n${describeBreaches(seen, breaches)}`).toBe("");
}

const crowd = (from: number, to: number, plan: Partial<RequestPlan>): ClientScript[] =>
  Array.from({ length: 60 }, (_, index) => asks(from + ((to - from) * index) / 60, [plan]));

const upgrade = { what: "upgrade", path: "/a", messages: 1 } as const;
const pipelined = { pipelined: true };

describe("The accept queue", () => {
  for (const host of ["http", "https", "port"] as const) {
    test(`is served when it filled while the loop stood still (${host})`, () =>
      keepsTheRules({
        host,
        servers: [server({ goesAt: ms(150), signIn: 0, signInCosts: 8 })],
        stalls: [{ at: ms(90), takes: 300 }],
        clients: crowd(100, 250, upgrade),
      }));

    test(`is served when it filled while the door was closing (${host})`, () =>
      keepsTheRules({ host, stallBehindCall: 400, clients: crowd(80, 380, upgrade) }));
  }
});

describe("What the app has claimed", () => {
  for (const [what, event] of [
    ["continue", "checkContinue"],
    ["expectation", "checkExpectation"],
    ["connect", "connect"],
  ] as const) {
    test(`by ${event} is answered by nobody else`, () =>
      keepsTheRules({
        app: { claims: [event] },
        clients: [asks(20, [{ what, size: 5_000, takes: ms(600), how: "pieces", body: 10 }])],
      }));
  }
});

describe("Several servers on a host", () => {
  test("one that is idle leaves the host to the other with close()", () =>
    keepsTheRules({
      servers: [server({ goes: "close" }), server({ path: "/b", goesAt: ms(400) })],
      clients: [asks(200, [{ ...upgrade, path: "/b" }]), asks(200, [{}])],
    }));

  test("of three, one that has closed is not counted when the next one goes", () =>
    keepsTheRules({
      servers: [
        server({ path: "/c", goes: "close", goesAt: ms(50) }),
        server({ path: "/b", goesAt: ms(100) }),
        server({ path: "/a", goesAt: ms(400) }),
      ],
      clients: [asks(200, [upgrade]), asks(200, [{}])],
    }));

  for (const turns of [0, 1, 2, 3, 4]) {
    test(`one that comes ${turns} turns after the last one was told to go is refused, or serves`, () =>
      keepsTheRules({
        servers: [
          server({ goesAt: ms(100) }),
          server({ path: "/b", follows: { server: 0, turns }, goesAt: ms(500) }),
        ],
        clients: [asks(300, [{ ...upgrade, path: "/b" }])],
      }));
  }

  test("one whose time is over refuses nobody who may still ask for another one", () =>
    keepsTheRules({
      servers: [server({ grace: ms(500) }), server({ path: "/b", goesAt: ms(120), deadline: ms(80) })],
      clients: [asks(50, [upgrade], { pause: () => ms(300) })],
    }));

  test("a guest of one that goes, and is idle, is served or refused as unavailable", () =>
    keepsTheRules({
      servers: [server({ grace: ms(300) }), server({ path: "/b", goesAt: ms(500) })],
      clients: [asks(50, [upgrade], { pause: () => ms(100) })],
    }));
});

describe("An upgrade", () => {
  test("on a connection that is kept alive is served beside another stack that refuses what is not its own", () =>
    keepsTheRules({
      app: { claims: ["upgrade"] },
      servers: [server({ goesAt: ms(500) })],
      clients: [0, 1, 50].map((takes) => asks(20, [{ takes }, { ...upgrade }])),
    }));

  test("behind an expectation that Node has refused is served beside another stack that refuses what is not its own", () =>
    keepsTheRules({
      app: { claims: ["upgrade"] },
      servers: [server({ goesAt: ms(500) })],
      clients: [asks(20, [{ what: "expectation" }, { ...upgrade }])],
    }));

  test("of a silent client that was there before the server is refused after the grace", () =>
    keepsTheRules({
      servers: [server({ comesAt: ms(100), goesAt: ms(200) })],
      clients: [asks(20, [])],
    }));

  test("that a client had begun to ask for before there was a server is refused after the grace", () =>
    keepsTheRules({
      servers: [server({ comesAt: ms(100), goesAt: ms(200) })],
      clients: [
        { ...asks(20, []), segments: new Flight().add("GET / HTTP/1.1\r\nHos", "half").segments(0, 0) },
      ],
    }));
});

describe("A response", () => {
  test("that was ended but is not yet with the kernel is delivered whole", () =>
    keepsTheRules({
      clients: [{ ...asks(20, [{ size: 24 << 20 }]), readsEvery: 3 }],
    }));

  test("that was under way when a server came is delivered whole", () =>
    keepsTheRules({
      servers: [server({ comesAt: ms(200), goesAt: ms(300) })],
      clients: [asks(20, [{ size: 1_000, takes: ms(800), how: "pieces" }])],
    }));

  test("that is cut at the deadline is told", () =>
    keepsTheRules({
      servers: [server({ deadline: ms(300) })],
      clients: [asks(20, [{ size: 1_000, takes: ms(1_500), how: "pieces" }])],
    }));

  test("that close() cuts is told", () =>
    keepsTheRules({
      servers: [server({ goes: "close" })],
      clients: [asks(20, [{ size: 1_000, takes: ms(1_500), how: "pieces" }])],
    }));
});

describe("What comes behind the last answer", () => {
  test("takes none of it away", () =>
    keepsTheRules({
      clients: [
        {
          ...asks(
            20,
            [
              { size: 12 << 20, takes: ms(400) },
              { what: "post", body: 3 << 20 },
            ],
            {
              pipelined: true,
              cuts: () => [{ at: 130, wait: ms(500) }],
            },
          ),
          readsEvery: 3,
        },
      ],
    }));

  for (const host of ["http", "https"] as const) {
    test(`does not end the answers before it (${host})`, () =>
      keepsTheRules({
        host,
        servers: [server({ grace: ms(400) })],
        clients: [
          asks(
            20,
            [
              { size: 10, takes: ms(400), how: "chunked" },
              { size: 100_000, how: "chunked" },
              { what: "post", chunkedBody: true },
              {},
            ],
            {
              pipelined: true,
              pause: () => ms(150),
              cuts: () => [{ at: 190, wait: ms(150) }],
            },
          ),
        ],
      }));
  }

  test("is not executed when it was refused before it was read", () =>
    keepsTheRules({
      servers: [server({ goes: "close", goesAt: ms(150) })],
      stalls: [{ at: ms(60), takes: ms(250) }],
      clients: [asks(20, [{}], { cuts: () => [{ at: 30, wait: ms(100) }] })],
    }));
});

describe("Pipelined requests", () => {
  test("that were executed are all answered, and waited for", () =>
    keepsTheRules({
      clients: [
        asks(
          20,
          [1, 2, 3].map(() => ({ takes: ms(150) })),
          pipelined,
        ),
      ],
    }));

  test("of clients that have left keep no shutdown waiting", () =>
    keepsTheRules({
      servers: [server({ goesAt: ms(400) })],
      clients: Array.from({ length: 5 }, () => ({
        ...asks(
          20,
          [1, 2, 3, 4].map(() => ({ takes: 50 })),
          pipelined,
        ),
        leaves: { after: 20, how: "close" as const },
      })),
    }));

  test("an upgrade behind one of them is answered in its turn", () =>
    keepsTheRules({
      servers: [server({ goesAt: ms(500) })],
      clients: [asks(20, [{ takes: ms(200) }, { ...upgrade, messages: 2 }], pipelined)],
    }));

  test("an upgrade behind one of them is answered in its turn, also in a shutdown", () =>
    keepsTheRules({
      servers: [server({ grace: ms(500) })],
      clients: [asks(20, [{ takes: ms(250) }, { ...upgrade, messages: 2 }], pipelined)],
    }));

  test("an upgrade behind one of them is refused in its turn", () =>
    keepsTheRules({
      servers: [server({ goesAt: ms(500) })],
      clients: [asks(20, [{ takes: ms(200) }, { ...upgrade, path: "/none" }], pipelined)],
    }));
});
