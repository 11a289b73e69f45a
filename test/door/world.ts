/** A world: a host, what the app listens to on it, the servers that come and go, their clients, and stalls of the loop. */
import { ms } from "../tools/timing.js";
import { Random } from "../wire/random.js";
import {
  addMessages,
  addRequest,
  exchangeOf,
  Flight,
  get,
  OTHER,
  randomCuts,
  type RequestPlan,
} from "./requests.js";
import type { ClientScript, Leaving } from "./script.js";

/** Times are in milliseconds of the world. */
export interface ServerPlan {
  path: string | undefined;
  comesAt: number;
  /** It comes so many turns of the loop behind the call that tells another one to go, instead. */
  follows?: { server: number; turns: number };
  goesAt: number;
  goes: "shutdown" | "close";
  /** A `close()` so long after its `shutdown()`. */
  closesAfter?: number;
  deadline: number;
  grace: number;
  /** How long `authenticate` takes; -1: there is none. Of that, how long it holds the loop. */
  signIn: number;
  signInCosts: number;
}

export interface AppPlan {
  /** Which of Node's events it listens to, beside `request`. */
  claims: readonly ("checkContinue" | "checkExpectation" | "connect" | "upgrade")[];
}

interface Stall {
  at: number;
  takes: number;
}

export interface World {
  seed: number;
  /** `port`: our own, with one server on it. */
  host: "http" | "https" | "port";
  app: AppPlan;
  servers: readonly ServerPlan[];
  stalls: readonly Stall[];
  /** The loop is held so long right behind the call that takes the last server down. */
  stallBehindCall: number;
  clients: readonly ClientScript[];
}

/** Longer than anything takes that goes well. */
export const UNHURRIED = ms(6_000);

const PATHS = ["/a", "/b", "/c", undefined];

/** How long most of a world lasts. */
const SPAN = ms(700);

/** The world that a seed makes. */
export function worldOf(seed: number): World {
  const random = new Random(seed, 1);
  const host = random.pick(["http", "http", "http", "http", "https", "port"] as const);
  const app: AppPlan = {
    claims: (["checkContinue", "checkExpectation", "connect", "upgrade"] as const).filter(() =>
      random.chance(50),
    ),
  };
  const servers = randomServers(random, host);
  const end = Math.max(...servers.map(({ goesAt }) => goesAt));
  const stalls = random.chance(60) ? [randomStall(random, end)] : [];
  const stallBehindCall = random.chance(15) ? 50 + random.below(400) : 0;
  const makers = new ClientMakers(seed, random, host, app, end);
  const clients = Array.from({ length: 8 + random.below(16) }, () => makers.any());
  if (random.chance(35)) {
    // Many at once while the loop stands still, and the end right behind it.
    const stall = { at: Math.max(0, end - 200), takes: 100 + random.below(200) };
    stalls.push(stall);
    const count = 10 + random.below(40);
    for (let one = 0; one < count; one++)
      clients.push(makers.simple(stall.at + random.below(stall.takes + 20)));
  }
  return { seed, host, app, servers, stalls, stallBehindCall, clients };
}

function randomStall(random: Random, end: number): Stall {
  const takes = 50 + random.below(random.chance(20) ? 450 : 150);
  return { at: Math.max(0, random.chance(50) ? random.below(SPAN) : end - random.below(takes)), takes };
}

function randomServers(random: Random, host: World["host"]): ServerPlan[] {
  const count = host === "port" ? 1 : 1 + random.below(3);
  const servers = shuffled(random, PATHS)
    .slice(0, count)
    .map((path) => randomServer(random, path));
  if (host === "port") servers[0]!.comesAt = 0;
  else if (random.chance(30)) servers.push(successorOf(random, servers));
  return servers;
}

/** Not by `sort()`: that puts what is undefined last, whoever compares. */
function shuffled<T>(random: Random, given: readonly T[]): T[] {
  const left = [...given];
  return given.map(() => left.splice(random.below(left.length), 1)[0]!);
}

function randomServer(random: Random, path: string | undefined): ServerPlan {
  const comesAt = random.chance(60) ? 0 : random.below(ms(300));
  const plan: ServerPlan = {
    path,
    comesAt,
    goesAt: comesAt + ms(100) + random.below(SPAN),
    goes: random.chance(80) ? "shutdown" : "close",
    deadline: random.chance(80) ? UNHURRIED : ms(random.pick([200, 500])),
    grace: ms(random.pick([100, 300])),
    signIn: random.chance(60) ? -1 : random.pick([0, 5, 50]),
    signInCosts: random.pick([0, 0, 1, 3]),
  };
  if (plan.goes === "shutdown" && random.chance(10)) plan.closesAfter = random.pick([0, 20, ms(150)]);
  return plan;
}

/** Comes when another one goes, often with its path. */
function successorOf(random: Random, servers: readonly ServerPlan[]): ServerPlan {
  const server = random.below(servers.length);
  const { goesAt, path } = servers[server]!;
  const unused = PATHS.find((one) => servers.every((other) => other.path !== one));
  const comesAt = Math.max(0, goesAt + random.pick([-5, 1, 5, 50]));
  const plan = randomServer(random, random.chance(50) ? path : unused);
  const times = { comesAt, goesAt: comesAt + ms(100) + random.below(SPAN) };
  return { ...plan, ...times, ...(random.chance(60) ? { follows: { server, turns: random.below(5) } } : {}) };
}

/** Makes the clients of one world, each with ids of its own. */
class ClientMakers {
  #count = 0;
  readonly #seed: number;
  readonly #random: Random;
  readonly #host: World["host"];
  readonly #app: AppPlan;
  readonly #end: number;

  constructor(seed: number, random: Random, host: World["host"], app: AppPlan, end: number) {
    this.#seed = seed;
    this.#random = random;
    this.#host = host;
    this.#app = app;
    this.#end = end;
  }

  any(): ClientScript {
    const random = this.#random;
    // More of them about the end than before.
    const at = random.chance(50) ? random.below(this.#end + 30) : this.#end - random.below(ms(200));
    const kind = random.below(10);
    if (kind === 0) return this.#silent(at);
    const pipelined = kind <= 3;
    const client = clientOf(this.#name(), Math.max(0, at), this.#plans(pipelined), {
      pipelined,
      pause: () => random.pick([0, 0, 10, 50, 150]),
      cuts: random.chance(40) ? (length) => randomCuts(random, length) : () => [],
      lateMessages: random.chance(40),
    });
    if (random.chance(15)) this.#readSlowly(client);
    if (random.chance(15)) client.leaves = this.#leaving();
    return client;
  }

  /** One small request in one segment, and no tricks. */
  simple(at: number): ClientScript {
    const plan = this.#random.chance(50) ? this.#upgrade() : get;
    return clientOf(this.#name(), Math.max(0, at), [plan], PLAIN_MANNERS);
  }

  #name(): string {
    return `${this.#seed.toString(36)}-${this.#count++}`;
  }

  /** Says nothing, or never enough. */
  #silent(at: number): ClientScript {
    const half = new Flight().add("GET / HTTP/1.1\r\nHos", "half");
    const silent = { name: this.#name(), at: Math.max(0, at), exchanges: [], readsAfter: 0, readsEvery: 0 };
    return { ...silent, segments: this.#random.chance(50) ? [] : half.segments(0, 0) };
  }

  #plans(pipelined: boolean): RequestPlan[] {
    const random = this.#random;
    const count = pipelined ? 2 + random.below(4) : 1 + (random.chance(40) ? random.below(4) : 0);
    const plans = Array.from({ length: count }, (_, index) => this.#plain(index > 0));
    // What is not HTTP any more comes last. What another stack answers before its turn is not ours to put in order.
    const mayUpgrade = !pipelined || !this.#app.claims.includes("upgrade");
    if (mayUpgrade && random.chance(pipelined ? 30 : 50)) plans[count - 1] = this.#upgrade();
    else if (!pipelined) plans[count - 1] = this.#tunnel() ?? plans[count - 1]!;
    return plans;
  }

  #plain(isBehind: boolean): RequestPlan {
    const random = this.#random;
    const any = random.pick(["get", "get", "get", "post", "continue", "expectation"] as const);
    // Node writes the 100 of a request that waits for its turn behind the head of its answer (it may wait, for an answer that
    // its client has read already, when the loop stood still), and what it answers all by
    // itself is nobody's.
    const isNodes = any === "expectation" && !this.#app.claims.includes("checkExpectation");
    const what = isNodes || (isBehind && any === "continue") ? "post" : any;
    return {
      ...get,
      what,
      size: random.chance(5) ? (2 + random.below(12)) << 20 : random.pick([0, 10, 1_000, 100_000]),
      takes: random.pick([0, 0, 0, 5, 50, ms(300), ms(800)]),
      how: random.pick(["end", "end", "pieces", "chunked"] as const),
      body: what === "get" ? 0 : random.pick([0, 1, 5_000, 70_000]),
      chunkedBody: random.chance(50),
    };
  }

  #upgrade(): RequestPlan {
    const random = this.#random;
    return {
      ...get,
      what: "upgrade",
      path: random.pick(["/a", "/b", "/c", "/none"]),
      messages: random.below(4),
      messageSize: random.pick([20, 200, 5_000]),
      closes: random.chance(50),
    };
  }

  #tunnel(): RequestPlan | undefined {
    const random = this.#random;
    const tunnel = { ...get, size: random.pick([10, 50_000]), takes: random.pick([0, 50, ms(500)]) };
    const claims = this.#host === "port" ? [] : this.#app.claims;
    if (claims.includes("connect") && random.chance(50)) return { ...tunnel, what: "connect" };
    if (claims.includes("upgrade")) return { ...tunnel, what: "other stack", path: OTHER };
    return undefined;
  }

  #readSlowly(client: ClientScript): void {
    client.readsAfter = this.#random.pick([0, 100, ms(300)]);
    client.readsEvery = this.#random.pick([0, 1, 3]);
  }

  #leaving(): Leaving {
    const how = this.#random.pick(["FIN", "reset", "close"] as const);
    return { after: this.#random.pick([0, 1, 10, 50, ms(200)]), how };
  }
}

/** How a client behaves beside what it asks for. */
export interface Manners {
  /** All at once; else each request after the answer to the one before. */
  pipelined: boolean;
  /** Milliseconds before a request. */
  pause: () => number;
  cuts: (length: number) => { at: number; wait: number }[];
  /** All messages but the first come when the 101 is there. */
  lateMessages: boolean;
}

export const PLAIN_MANNERS: Manners = {
  pipelined: false,
  pause: () => 0,
  cuts: () => [],
  lateMessages: false,
};

export function clientOf(
  name: string,
  at: number,
  plans: readonly RequestPlan[],
  { pipelined, pause, cuts, lateMessages }: Manners = PLAIN_MANNERS,
): ClientScript {
  const client: ClientScript = { name, at, exchanges: [], segments: [], readsAfter: 0, readsEvery: 0 };
  let flight = new Flight();
  const fly = (awaits: number): void => {
    if (flight.text !== "")
      client.segments.push(...flight.segments(awaits, pause(), cuts(flight.text.length)));
    flight = new Flight();
  };
  plans.forEach((plan, index) => {
    const id = `${name}-${index}`;
    const early = lateMessages ? Math.min(1, plan.messages) : plan.messages;
    client.exchanges.push(exchangeOf(id, plan));
    addRequest(flight, id, { ...plan, messages: early });
    if (!pipelined) fly(index);
    if (early === plan.messages) return;
    fly(pipelined ? 0 : index);
    addMessages(flight, id, plan, early);
    fly(index + 1);
  });
  fly(0);
  return client;
}
