/** One profile, played once: a server is loaded, told to stop, and watched to its end. */
import { performance, setInterval, clearInterval } from "./real-timers.js";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { accountFor } from "./account.js";
import { Crowd } from "./crowd.js";
import type { Dialect } from "./dialect.js";
import type { EffectsFile } from "./effects.js";
import type { UpgradeTarget } from "./handshake.js";
import { profiles, type Profile, type ProfileName } from "./profiles.js";
import type { Progress } from "./progress.js";
import { randomFrom } from "./random.js";
import type { DrillSettings, RunResult } from "./result.js";
import type { Exit, RunningServer } from "./servers/running.js";
import { Timers } from "./timers.js";

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

/** Held upgrades of every second client are sent so long after the signal. */
const LATE_UPGRADE = 20;

/** How long a drill that is interrupted waits for the server's graceful end. */
const INTERRUPTED_PATIENCE = 5_000;

/**
 * The profile in which clients wait to be accepted: they are given so long to get through what lies between, and then
 * the server runs for a twentieth of the time, as in a container of so much of a processor, until all have their answer.
 */
const STANDSTILL = 100;
const RUNS_FOR = 5;
const STANDS_FOR = 95;
const LONGEST_THROTTLING = 2_000;
const NEVER = new Int32Array(new SharedArrayBuffer(4));

/** How often progress is told. */
const TELL_EVERY = 100;

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
  readonly #crowd: Crowd;
  readonly #timers = new Timers();
  /** Aborts when the run is over, whose listeners go with it. */
  readonly #over = new AbortController();
  readonly #failed: Promise<never>;
  #markSignalled!: () => void;
  #exit: Exit | undefined;
  #signalAt: number | undefined;
  #stoodStill = false;
  /** Resolves when the server runs at full speed again. */
  #throttled = Promise.resolve();
  #loadBegan = 0;
  #phase: Progress["phase"] = "connecting";
  #telling: NodeJS.Timeout | undefined;

  constructor(plan: RunPlan) {
    this.#plan = plan;
    this.#profile = profiles[plan.profile];
    const signalled = new Promise<void>((resolve) => (this.#markSignalled = resolve));
    let fail!: (error: unknown) => void;
    this.#failed = new Promise<never>((_, reject) => (fail = reject));
    this.#failed.catch(() => {});
    this.#crowd = new Crowd({
      profile: this.#profile,
      settings: plan.settings,
      size: plan.size,
      openPatience: plan.openPatience,
      target: plan.target,
      dialect: plan.dialect,
      random: randomFrom(plan.settings.seed + plan.repeat),
      nextNumber: plan.nextNumber,
      onError: fail,
      timers: this.#timers,
      hasProcess: plan.server.hasProcess,
      signalled,
    });
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
    await this.#orFail(this.#crowd.chooseSize(stopped));
    const servesHalfClosed =
      this.#profile.needsHalfClose !== true || (await this.#orFail(this.#crowd.servesHalfClosed(stopped)));
    await this.#orFail(Promise.race([this.#crowd.connect(), stopped]));

    const cpu = process.cpuUsage();
    const stalls = monitorEventLoopDelay({ resolution: 10 });
    stalls.enable();
    this.#loadBegan = performance.now();
    this.#phase = "loading";
    if (!this.#plan.interrupted.aborted) this.#crowd.load();
    await this.#orFail(Promise.race([this.#timers.after(settings.signalAfter), stopped]));
    if (this.#exit === undefined) {
      if (this.#profile.arrives === true) await this.#orFail(this.#signalAtStandstill());
      else this.#signal();
    }

    const isTold = this.#signalAt !== undefined;
    const newcomers = isTold
      ? this.#crowd.comeAnew(this.#signalAt! + settings.lameDuck, exited)
      : Promise.resolve();
    const over = Promise.all([
      isTold ? server.told : undefined,
      server.hasProcess ? exited : undefined,
      this.#crowd.over(newcomers, this.#throttled),
    ]);
    const patience = this.#timers.after(settings.timeout).then(() => "hung");
    const given = interrupted.then(async () => {
      await Promise.race([over, this.#timers.after(INTERRUPTED_PATIENCE)]);
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
      conversations: this.#crowd.conversations,
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
      hadChildren: server.hadChildren,
      interrupted: this.#plan.interrupted.aborted,
      effects: effects?.exists === true ? effects.read() : undefined,
      effectsMissing: effects?.isExpected === true && !effects.exists,
      servesHalfClosed,
      stoodStill: this.#stoodStill,
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
    this.#timers.cut();
    this.#crowd.destroy();
    this.#markSignalled();
    this.#plan.server.resume();
  }

  /** Tells a server to stop that stands still, with clients in its accept queue before and after that. */
  async #signalAtStandstill(): Promise<void> {
    const { guests } = this.#crowd;
    const isPaused = this.#plan.server.pause();
    await guests.arrive();
    this.#signal();
    await guests.arrive();
    await this.#timers.after(STANDSTILL);
    this.#stoodStill = isPaused && guests.areUnheard;
    // Of one that went on, it would be luck who waits at this moment.
    if (this.#stoodStill) guests.noteWaiting();
    if (isPaused) this.#throttled = this.#throttle();
  }

  /** Lets it go on, as slowly as a busy loop does, while others arrive. */
  async #throttle(): Promise<void> {
    const { server } = this.#plan;
    const { guests } = this.#crowd;
    const until = performance.now() + LONGEST_THROTTLING;
    const isOver = (): boolean =>
      performance.now() >= until || guests.areAnswered || this.#exit !== undefined;
    const arriving = guests.keepComing(isOver);
    while (!isOver()) {
      server.resume();
      // Not by a timer of ours: what the server says in this time would delay it, and the server run on.
      Atomics.wait(NEVER, 0, 0, RUNS_FOR);
      server.pause();
      await this.#timers.after(STANDS_FOR);
    }
    server.resume();
    await arriving;
    guests.giveUp();
  }

  /** Tells the server to stop. */
  #signal(): void {
    this.#phase = "stopping";
    this.#crowd.openHeld("before");
    // Before it is sent: what goes out at the same time counts as later.
    this.#signalAt = performance.now();
    if (!this.#plan.server.stop()) this.#signalAt = undefined;
    this.#markSignalled();
    this.#timers.later(LATE_UPGRADE, () => this.#crowd.openHeld("after"));
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

  #tell(): void {
    const { profile, repeat, settings, onProgress } = this.#plan;
    onProgress({
      profile,
      repeat,
      phase: this.#phase,
      connections: settings.connections,
      ...this.#crowd.count(),
      sinceSignal: this.#signalAt === undefined ? undefined : performance.now() - this.#signalAt,
    });
  }
}
