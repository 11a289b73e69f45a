/** Plays a world on real sockets, and writes down what can be seen of it from outside. */
import { once } from "node:events";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type DrainReport, type Server } from "../../src/index.js";
import { selfSignedCertificate, type Certificate } from "../tools/certificate.js";
import { ms, work } from "../tools/timing.js";
import { App, type Executed } from "./app.js";
import { clock, type Clients } from "./clients.js";
import type { ClientSeen } from "./script.js";
import { UNHURRIED, type ServerPlan, type World } from "./world.js";

/** What became of a server. Times are in milliseconds of the world. */
export interface ServerSeen {
  plan: ServerPlan;
  /** When `listen()` was called, has resolved or has rejected. */
  calledAt: number;
  listenedAt?: number;
  error?: unknown;
  /** When it was told to stop, and to stop at once. */
  toldAt: number;
  closeAt?: number;
  report?: DrainReport;
  endedAt?: number;
  /** Messages that its handlers had echoed when it was told, and in all. */
  echoedBefore: number;
  echoed: number;
  connectionsBefore: number;
  /** All that ever were. */
  connections: number;
  connectionsLeft: number;
}

export interface Seen {
  world: World;
  servers: ServerSeen[];
  clients: ClientSeen[];
  executed: Map<string, Executed>;
  /** When every server there was had been told to stop, and when the host's `close()` was called. */
  goingAt: number;
  doorClosedAt: number;
  /** When the loop stood still, by our stalls and by what else the machine has to do. */
  stoodStill: { from: number; until: number }[];
  /** Connections of the host that were left when all was over, and listeners of ours. */
  socketsLeft: number;
  listenersLeft: string[];
  errors: unknown[];
}

/** How often the loop is looked at, and what is called standing still. */
const TICK = 5;
const STILL = 15;

/** How long what should be gone may take to go. */
const AFTERMATH = ms(1_000);

let certificate: Certificate | undefined;

export async function play(world: World, clients: Clients): Promise<Seen> {
  const stage = new Stage(world);
  try {
    await stage.open();
    return await stage.play(clients);
  } finally {
    stage.clear();
  }
}

/** What one world is played on. */
class Stage {
  readonly #world: World;
  readonly #host: HttpServer | undefined;
  readonly #app: App | undefined;
  readonly #listeners: Map<string, number>;
  readonly #servers = new Map<ServerSeen, Server>();
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #onCome = new Map<ServerPlan, () => void>();
  readonly #errors: unknown[] = [];
  readonly #ends: Promise<unknown>[] = [];
  #zero = clock();
  #goingAt = Infinity;
  #doorClosedAt = Infinity;
  readonly #stoodStill: Seen["stoodStill"] = [];
  #watch: NodeJS.Timeout | undefined;

  constructor(world: World) {
    this.#world = world;
    this.#host = hostOf(world);
    if (this.#host !== undefined) {
      this.#app = new App(this.#host, world.app);
      this.#watchDoor(this.#host);
    }
    this.#listeners = listenersOf(this.#host);
  }

  get #now(): number {
    return clock() - this.#zero;
  }

  /** Who looks at a host's door sees when it is closed, whoever closes it. */
  #watchDoor(host: HttpServer): void {
    host.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    const close = host.close.bind(host);
    host.close = (...given) => {
      this.#doorClosedAt = Math.min(this.#doorClosedAt, this.#now);
      return close(...given);
    };
  }

  async open(): Promise<void> {
    if (this.#host === undefined) return;
    this.#host.listen({ port: 0, host: "127.0.0.1", backlog: 511 });
    await once(this.#host, "listening");
  }

  async play(clients: Clients): Promise<Seen> {
    const { servers, stalls, host, clients: scripts } = this.#world;
    await clients.ready;
    // Our own port is known when the server listens.
    const first = host === "port" ? await this.#come(servers[0]!) : undefined;
    const { port } = (this.#host ?? first)!.address() as AddressInfo;
    this.#zero = clock() + 20;
    this.#watchLoop();
    const coming = servers.map((plan) =>
      host === "port"
        ? undefined
        : plan.follows
          ? this.#following(plan)
          : this.#at(plan.comesAt, () => this.#come(plan)),
    );
    const going = servers.map(async (plan, index) => {
      await coming[index];
      await this.#at(plan.goesAt, () => this.#go(plan));
    });
    for (const { at, takes } of stalls) void this.#at(at, () => this.#stall(takes));
    const patience = UNHURRIED * 1.5;
    const seen = clients.play({
      port,
      tls: host === "https",
      zero: this.#zero,
      patience,
      clients: [...scripts],
    });
    await Promise.all(going);
    await Promise.all(this.#ends);
    return this.#look(await seen);
  }

  /** Resolves when that is done which is due then. */
  #at(time: number, act: () => unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          this.#timers.delete(timer);
          try {
            act();
            resolve();
          } catch (error) {
            reject(error);
          }
        },
        Math.max(0, time - this.#now),
      );
      this.#timers.add(timer);
    });
  }

  #stall(takes: number): void {
    const over = this.#now + takes;
    while (this.#now < over);
  }

  #watchLoop(): void {
    let from = this.#now;
    this.#watch = setInterval(() => {
      const until = this.#now;
      if (until - from > TICK + STILL) this.#stoodStill.push({ from, until });
      from = until;
    }, TICK);
  }

  async #come(plan: ServerPlan): Promise<Server> {
    const { path, deadline, grace, signIn, signInCosts } = plan;
    const seen: ServerSeen = {
      plan,
      calledAt: this.#now,
      toldAt: Infinity,
      echoedBefore: 0,
      echoed: 0,
      connectionsBefore: 0,
      connections: 0,
      connectionsLeft: 0,
    };
    const authenticate = async (): Promise<true> => {
      const over = clock() + signInCosts;
      while (clock() < over);
      if (signIn > 0) await work(signIn);
      return true;
    };
    const drain = { deadline, handshakeGrace: grace, patience: UNHURRIED, lastCall: deadline, ...QUICK };
    const onError = (error: unknown): void => void this.#errors.push(error);
    const options = {
      path,
      drain,
      onError,
      heartbeat: false,
      ...(signIn < 0 ? {} : { authenticate }),
    } as const;
    const server = createServer(options, async (connection) => {
      seen.connections++;
      for await (const message of connection) {
        connection.send(message);
        seen.echoed++;
      }
    });
    this.#servers.set(seen, server);
    try {
      await server.listen(this.#host ?? { port: 0, host: "127.0.0.1", backlog: 511 });
      seen.listenedAt = this.#now;
    } catch (error) {
      seen.error = error;
    }
    return server;
  }

  #go(plan: ServerPlan): void {
    const [seen, server] = [...this.#servers].find(([each]) => each.plan === plan)!;
    seen.toldAt = this.#now;
    seen.echoedBefore = seen.echoed;
    seen.connectionsBefore = server.connections.size;
    if (plan.goes === "close") seen.closeAt = seen.toldAt;
    const isLast = this.#hasNobodyToStay();
    this.#bringFollowers(this.#world.servers.indexOf(plan));
    const report = plan.goes === "close" ? server.close() : server.shutdown();
    if (isLast) {
      this.#goingAt = Math.min(this.#goingAt, seen.toldAt);
      const { stallBehindCall } = this.#world;
      if (stallBehindCall > 0) setImmediate(() => this.#stall(stallBehindCall));
    }
    if (plan.closesAfter !== undefined && plan.goes === "shutdown") {
      void this.#at(this.#now + plan.closesAfter, () => {
        if (seen.endedAt !== undefined) return;
        seen.closeAt = this.#now;
        void server.close();
      });
    }
    this.#ends.push(
      report.then((told) => {
        seen.report = told;
        seen.endedAt = this.#now;
        seen.connectionsLeft = server.connections.size;
      }),
    );
  }

  /** Resolves when a server has come that follows another one. */
  #following(plan: ServerPlan): Promise<void> {
    return new Promise((resolve) => this.#onCome.set(plan, resolve));
  }

  #bringFollowers(server: number): void {
    for (const plan of this.#world.servers) {
      if (plan.follows?.server !== server) continue;
      let { turns } = plan.follows;
      const turn = (): void => {
        if (turns-- > 0) return void setImmediate(turn);
        void this.#come(plan);
        this.#onCome.get(plan)!();
      };
      queueMicrotask(turn);
    }
  }

  /** Whether every server that listens, or is about to, has been told to stop. */
  #hasNobodyToStay(): boolean {
    return [...this.#servers.keys()].every(({ toldAt, error }) => toldAt < Infinity || error !== undefined);
  }

  async #look(clients: ClientSeen[]): Promise<Seen> {
    const limit = clock() + AFTERMATH;
    let socketsLeft = await connectionsOf(this.#host);
    while (socketsLeft > 0 && clock() < limit) {
      await work(5);
      socketsLeft = await connectionsOf(this.#host);
    }
    return {
      world: this.#world,
      servers: [...this.#servers.keys()],
      clients,
      executed: this.#app?.executed ?? new Map<string, Executed>(),
      goingAt: this.#goingAt,
      doorClosedAt: this.#host === undefined ? this.#goingAt : this.#doorClosedAt,
      stoodStill: this.#stoodStill,
      socketsLeft,
      listenersLeft: differences(this.#listeners, listenersOf(this.#host)),
      errors: this.#errors,
    };
  }

  /** Leaves nothing, whatever came of it. */
  clear(): void {
    clearInterval(this.#watch);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#app?.stop();
    for (const server of this.#servers.values()) void server.close();
    if (this.#host?.listening) this.#host.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** What every server waits for in the end of a connection, so that worlds are short. */
const QUICK = { quiet: ms(20), barrierTimeout: ms(500), closeTimeout: ms(1_000), lingerTimeout: ms(300) };

function hostOf({ host }: World): HttpServer | undefined {
  if (host === "port") return undefined;
  if (host === "http") return createHttpServer();
  certificate ??= selfSignedCertificate();
  const server = createHttpsServer(certificate);
  server.on("tlsClientError", () => {});
  return server;
}

function listenersOf(host: HttpServer | undefined): Map<string, number> {
  const names = host?.eventNames() ?? [];
  return new Map(names.map((name) => [String(name), host!.listenerCount(name)]));
}

function differences(before: Map<string, number>, after: Map<string, number>): string[] {
  const names = [...after.keys()].filter((name) => after.get(name)! > (before.get(name) ?? 0));
  return names.map((name) => `${after.get(name)! - (before.get(name) ?? 0)} × ${name}`);
}

function connectionsOf(host: HttpServer | undefined): Promise<number> {
  if (host === undefined) return Promise.resolve(0);
  return new Promise((resolve, reject) => {
    host.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}
