/** One profile, played once: a server is started, loaded, told to stop, and watched to its end. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { accountFor } from "./account.js";
import { Client, wellBehaved, type Behaviour } from "./client.js";
import { Conversation, type Company, type Role } from "./conversation.js";
import type { Dialect } from "./dialect.js";
import type { EffectsFile } from "./effects.js";
import { DrillError } from "./errors.js";
import { count } from "./findings.js";
import type { UpgradeTarget } from "./handshake.js";
import { pipelined, profiles, type LoadContext, type Profile, type ProfileName } from "./profiles.js";
import type { Progress } from "./progress.js";
import { randomFrom, type Random } from "./random.js";
import type { DrillSettings, RunResult } from "./result.js";
import type { Exit, RunningServer } from "./target/running.js";

/** What a run needs. */
export interface RunPlan {
  profile: ProfileName;
  repeat: number;
  settings: DrillSettings;
  /** Bytes of a request, if the user said so. */
  size: number | undefined;
  /** How long connections, handshakes and acks may take before the load. */
  openPatience: number;
  dialect: Dialect;
  target: UpgradeTarget;
  server: RunningServer;
  effects: EffectsFile | undefined;
  nextNumber: () => number;
  interrupted: AbortSignal;
  onProgress: (progress: Omit<Progress, "run" | "runs">) => void;
}

/** So many connect at the same time: more would overrun the system's queue of connections to be accepted. */
const CONNECT_AT_ONCE = 100;

/** Held upgrades of every second client are sent so long after the signal. */
const LATE_UPGRADE = 20;

/** Between connections of newcomers, at least. */
const NEWCOMER_PAUSE = 100;

/** How long a drill that is interrupted waits for the server's graceful end. */
const INTERRUPTED_PATIENCE = 5_000;

/** How often progress is told. */
const TELL_EVERY = 100;

/**
 * Large requests: the replies to five of them are more than the system takes from a server whose client does not read
 * (about 4 MB, on Linux). Common limits are 1 MB and 1 MiB.
 */
const LARGE = 1_000_000;

/** Of a client that tries out what a server does: how much it asks, and how long it waits for its next reply. */
const PROBE_REQUESTS = 3;
const PROBE_PATIENCE = 5_000;

/** Requests of a server that takes no large ones, or when all together would be more than the drill should hold. */
const MODEST = 8 * 1024;
const MOST_AT_ONCE = 64 * 1024 * 1024;

/** Refusals of our own system: the server has no part in them. */
const OURS = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS"]);

function noMoreSockets(code: string, number: number): DrillError {
  return new DrillError(
    "LASTCALL_DRILL_START",
    `The system gives the drill no socket for connection ${number} (${code}). Raise its limit (ulimit -n), or lower --connections.`,
  );
}

/** Plays it, and judges it. Everything that it has opened is closed afterwards; the server is the caller's. */
export async function playRun(plan: RunPlan): Promise<RunResult> {
  const run = new Run(plan);
  try {
    return await run.play();
  } finally {
    run.destroy();
  }
}

class Run {
  readonly #plan: RunPlan;
  readonly #profile: Profile;
  readonly #random: Random;
  readonly #company: Company;
  readonly #conversations: Conversation[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Aborts when the run is over, whose listeners go with it. */
  readonly #over = new AbortController();
  readonly #failed: Promise<never>;
  readonly #signalled: Promise<void>;
  #markSignalled!: () => void;
  #exit: Exit | undefined;
  #signalAt: number | undefined;
  #loadBegan = 0;
  #phase: Progress["phase"] = "connecting";
  #telling: NodeJS.Timeout | undefined;

  constructor(plan: RunPlan) {
    this.#plan = plan;
    this.#profile = profiles[plan.profile];
    this.#random = randomFrom(plan.settings.seed + plan.repeat);
    this.#signalled = new Promise((resolve) => (this.#markSignalled = resolve));
    let fail!: (error: unknown) => void;
    this.#failed = new Promise<never>((_, reject) => (fail = reject));
    this.#failed.catch(() => {});
    this.#company = {
      dialect: plan.dialect,
      now: () => performance.now(),
      random: this.#random,
      nextNumber: plan.nextNumber,
      size: plan.settings.size,
      onError: fail,
    };
    plan.server.failed.catch(fail);
    void plan.server.exited.then((exit) => (this.#exit = exit));
  }

  async play(): Promise<RunResult> {
    const { server, settings, effects } = this.#plan;
    const exited = server.exited.then(() => {});
    const interrupted = this.#untilInterrupted();
    effects?.begin();
    this.#telling = setInterval(() => this.#tell(), TELL_EVERY);
    const stopped = Promise.race([exited, interrupted]);
    this.#company.size = await this.#orFail(this.#sizeOfRequests(stopped));
    const servesHalfClosed =
      this.#profile.needsHalfClose !== true || (await this.#orFail(this.#servesHalfClosed(stopped)));
    await this.#orFail(Promise.race([this.#connectAll(), stopped]));

    const cpu = process.cpuUsage();
    const stalls = monitorEventLoopDelay({ resolution: 10 });
    stalls.enable();
    this.#loadBegan = performance.now();
    this.#phase = "loading";
    if (!this.#plan.interrupted.aborted) this.#beginLoad();
    await this.#orFail(Promise.race([this.#after(settings.at), stopped]));
    if (this.#exit === undefined) this.#signal();

    const isTold = this.#signalAt !== undefined;
    const newcomers = isTold ? this.#newcomers(exited) : undefined;
    const over = Promise.all([
      isTold ? server.told : undefined,
      server.hasProcess ? exited : undefined,
      this.#allOver(newcomers),
    ]);
    const patience = this.#after(settings.timeout).then(() => "hung");
    const given = interrupted.then(async () => {
      await Promise.race([over, this.#after(INTERRUPTED_PATIENCE)]);
    });
    const outcome = await this.#orFail(Promise.race([over, patience, given]));
    const hung = outcome === "hung" && !this.#plan.interrupted.aborted;
    const endedAt = performance.now();
    stalls.disable();
    const { user, system } = process.cpuUsage(cpu);
    this.#phase = "over";
    this.#tell();

    const hadOrphans = server.hasOrphans();
    // From here on nothing is noted any more: what follows is our doing.
    this.destroy();
    const exit = this.#exit;
    await server.dispose();
    return accountFor({
      profileName: this.#plan.profile,
      profile: this.#profile,
      repeat: this.#plan.repeat,
      settings,
      conversations: this.#conversations,
      loadBegan: this.#loadBegan,
      signalAt: this.#signalAt,
      endedAt,
      exit,
      hasProcess: server.hasProcess,
      isChild: server.isChild,
      pid: server.pid,
      output: server.output(),
      hung,
      hadOrphans,
      interrupted: this.#plan.interrupted.aborted,
      effects: effects?.exists === true ? effects.read() : undefined,
      servesHalfClosed,
      load: {
        cpu: (user + system) / 1_000 / Math.max(1, endedAt - this.#loadBegan),
        longestStall: Math.max(0, stalls.max / 1e6 - 10),
      },
    });
  }

  /** Takes all connections down. */
  destroy(): void {
    clearInterval(this.#telling);
    this.#over.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    for (const conversation of this.#conversations) conversation.destroy();
    this.#markSignalled();
  }

  #behaviour(role: Role): Behaviour {
    return role === "profile" ? { ...wellBehaved, ...this.#profile.behaviour } : wellBehaved;
  }

  #newConversation(number: number, role: Role): Conversation {
    return new Conversation(number, role, this.#company, (listener) => {
      return new Client(this.#plan.target, this.#behaviour(role), this.#company.now, listener);
    });
  }

  async #connectAll(): Promise<void> {
    const { openPatience } = this.#plan;
    const { connections } = this.#plan.settings;
    for (let first = 0; first < connections && !this.#over.signal.aborted; first += CONNECT_AT_ONCE) {
      const some = Array.from({ length: Math.min(CONNECT_AT_ONCE, connections - first) }, (_, index) => {
        const isWitness = this.#profile.witnesses === true && (first + index) % 2 === 1;
        return this.#newConversation(first + index + 1, isWitness ? "witness" : "profile");
      });
      this.#conversations.push(...some);
      await Promise.race([Promise.all(some.map((each) => this.#connect(each))), this.#after(openPatience)]);
      const waiting = some.filter((each) => each.client.isOpen && !each.isOpen).length;
      if (waiting > 0) throw noAck(waiting, openPatience);
    }
  }

  async #connect(conversation: Conversation): Promise<void> {
    const { client } = conversation;
    await client.connect();
    if (OURS.has(client.refused ?? "")) throw noMoreSockets(client.refused!, conversation.number);
    if (this.#profile.holdsUpgrade !== true) await conversation.open();
  }

  #context(): LoadContext {
    const { requests, interval } = this.#plan.settings;
    return { requests, interval, random: this.#random, signalled: this.#signalled };
  }

  #beginLoad(): void {
    if (this.#profile.holdsUpgrade === true) return;
    const closed = this.#conversations.map(({ client }) => client.close);
    if (closed.every((close) => close !== undefined)) throw closedEarly(closed[0]!);
    for (const conversation of this.#conversations) this.#load(conversation);
  }

  #load(conversation: Conversation): void {
    if (!conversation.isOpen) {
      // Ended before its turn: one that would have gone on sending first owes its answer.
      conversation.client.answerClose();
      return;
    }
    const load = conversation.role === "profile" ? this.#profile.load : pipelined;
    void (async () => load(conversation, this.#context()))().catch((error: unknown) =>
      this.#company.onError(error),
    );
  }

  async #openLate(conversation: Conversation): Promise<void> {
    await conversation.open();
    this.#load(conversation);
  }

  /** Tells the server to stop. */
  #signal(): void {
    const { server } = this.#plan;
    this.#phase = "stopping";
    const held = this.#profile.holdsUpgrade === true ? this.#conversations : [];
    // The first of them now: their upgrade is on its way when the signal comes.
    for (const conversation of held.filter((_, index) => index % 2 === 0)) void this.#openLate(conversation);
    // Before it is sent: what goes out at the same time counts as later.
    this.#signalAt = performance.now();
    if (!server.stop()) this.#signalAt = undefined;
    this.#markSignalled();
    for (const conversation of held.filter((_, index) => index % 2 === 1)) {
      this.#later(LATE_UPGRADE, () => void this.#openLate(conversation));
    }
  }

  /** Clients that come while a lame duck still accepts. When it is gone too early, one more is enough. */
  async #newcomers(exited: Promise<void>): Promise<void> {
    const { acceptFor } = this.#plan.settings;
    const until = this.#signalAt! + acceptFor;
    // At least one, however short the time is.
    const pause = Math.min(Math.max(NEWCOMER_PAUSE, acceptFor / 100), acceptFor / 2);
    for (;;) {
      await Promise.race([this.#after(pause), exited]);
      if (this.#over.signal.aborted || performance.now() >= until) return;
      void this.#newcomer();
      if (this.#exit !== undefined) return;
    }
  }

  async #newcomer(): Promise<void> {
    const conversation = this.#newConversation(this.#conversations.length + 1, "newcomer");
    this.#conversations.push(conversation);
    await conversation.client.connect();
    await conversation.open();
    if (conversation.isOpen) conversation.ask();
  }

  /** What the user says, or what the profile wants and this server takes. */
  async #sizeOfRequests(stopped: Promise<void>): Promise<number> {
    const { size, settings } = this.#plan;
    if (size !== undefined || this.#profile.large !== true) return settings.size;
    const large = Math.min(LARGE, Math.floor(MOST_AT_ONCE / (settings.connections * settings.requests)));
    this.#company.size = large;
    const takesLarge = large > MODEST && (await this.#answers((probe) => void probe.ask(), stopped));
    return takesLarge ? large : Math.max(MODEST, settings.size);
  }

  /** Whether clients that have ended their side of TCP get their replies from this server at all. */
  #servesHalfClosed(stopped: Promise<void>): Promise<boolean> {
    return this.#answers((probe) => {
      const context = this.#context();
      pipelined(probe, { ...context, requests: Math.min(PROBE_REQUESTS, context.requests) });
      probe.client.halfClose();
    }, stopped);
  }

  /** Whether one client that does this gets all its replies, before the load. */
  async #answers(act: (probe: Conversation) => void, stopped: Promise<void>): Promise<boolean> {
    const probe = this.#newConversation(0, "witness");
    const { client, requests } = probe;
    const asking = async (): Promise<void> => {
      await client.connect();
      await Promise.race([probe.open(), this.#after(this.#plan.openPatience)]);
      if (!probe.isOpen) return;
      act(probe);
      let answered: number;
      do {
        ({ answered } = probe);
        const more = probe.until(() => probe.answered > answered || client.isOver);
        await Promise.race([more, this.#after(PROBE_PATIENCE)]);
      } while (probe.answered > answered && probe.answered < requests.length);
    };
    try {
      await Promise.race([asking(), stopped]);
      client.leave();
      return requests.length > 0 && probe.answered === requests.length;
    } finally {
      probe.destroy();
    }
  }

  /** Resolves when every connection is over, and no more come. */
  async #allOver(newcomers: Promise<void> | undefined): Promise<void> {
    await newcomers;
    for (let index = 0; index < this.#conversations.length; index++) {
      const { client } = this.#conversations[index]!;
      await this.#conversations[index]!.until(() => client.isOver);
    }
  }

  /** Resolves when the drill is interrupted. */
  #untilInterrupted(): Promise<void> {
    const { interrupted } = this.#plan;
    return new Promise((resolve) => {
      if (interrupted.aborted) resolve();
      const options = { once: true, signal: this.#over.signal };
      interrupted.addEventListener("abort", () => resolve(), options);
    });
  }

  #orFail<Result>(promise: Promise<Result>): Promise<Result> {
    return Promise.race([promise, this.#failed]);
  }

  #later(delay: number, act: () => void): void {
    if (this.#over.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, delay);
    this.#timers.add(timer);
  }

  #after(delay: number): Promise<void> {
    return new Promise((resolve) => this.#later(delay, resolve));
  }

  #tell(): void {
    const { profile, repeat, settings, onProgress } = this.#plan;
    onProgress({
      profile,
      repeat,
      phase: this.#phase,
      connections: settings.connections,
      opened: countIf(this.#conversations, ({ client }) => client.openedAt !== undefined),
      sent: this.#conversations.reduce((sum, { requests }) => sum + requests.length, 0),
      answered: this.#conversations.reduce((sum, each) => sum + each.answered, 0),
      ended: countIf(this.#conversations, ({ client }) => client.isOver),
      sinceSignal: this.#signalAt === undefined ? undefined : performance.now() - this.#signalAt,
    });
  }
}

/** Without a single request a drill would prove nothing, and pass. */
function closedEarly({ code, reason }: { code: number; reason: string }): DrillError {
  return new DrillError(
    "LASTCALL_DRILL_START",
    `The server closed every connection before a request could be sent (Close ${code}${reason === "" ? "" : `: ${reason}`}). Give what it asks for (--header, --subprotocol, --open).`,
  );
}

/** A client that is let in and never sends a request would prove nothing, and pass. */
function noAck(waiting: number, patience: number): DrillError {
  return new DrillError(
    "LASTCALL_DRILL_START",
    `${count(waiting, "connection")} waited ${patience / 1_000} s for a message after which requests may be sent, and none that came was that. Is --open-ack (or the script's ack) what the server says?`,
  );
}

function countIf<Item>(items: readonly Item[], condition: (item: Item) => boolean): number {
  return items.reduce((sum, item) => sum + (condition(item) ? 1 : 0), 0);
}
