/** A whole drill: every profile, every repeat, each against a server of its own. */
import { performance } from "./real-timers.js";
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { checkOptions } from "./check.js";
import { atExit } from "./at-exit.js";
import { EffectsFile } from "./effects.js";
import type { Dialect } from "./dialect.js";
import { expectNobody, freePort, untilListening } from "./listening.js";
import { dialectOf, drillDefaults, settingsOf, upgradeTarget, type DrillOptions } from "./options.js";
import type { ProfileName } from "./profiles.js";
import type { DrillResult, DrillSettings, RunResult } from "./result.js";
import { playRun } from "./run.js";
import { CommandServer } from "./servers/command.js";
import { ServerElsewhere } from "./servers/elsewhere.js";
import { KnownProcess } from "./servers/process.js";
import type { RunningServer } from "./servers/running.js";
import { hadStake, sentenceOf } from "./sentence.js";
import { within } from "./within.js";

/** How long a server may take to end that was never loaded, when the drill is interrupted. */
const GRACE = 5_000;

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

/**
 * Drills a server: starts it, loads it, tells it to stop in the middle, and accounts for every request.
 *
 * What it finds is in the result; it rejects only when the drill itself could not run. Nothing that it has started or
 * opened is left afterwards.
 *
 * @throws DrillError
 */
export async function drill(options: DrillOptions): Promise<DrillResult> {
  checkOptions(options);
  const began = performance.now();
  const startedAt = new Date().toISOString();
  const settings = settingsOf(options);
  const dialect = await dialectOf(options);
  const folder = await mkdtemp(join(tmpdir(), "lastcall-drill-"));
  const forget = atExit(() => rmSync(folder, { recursive: true, force: true }));
  const runs: RunResult[] = [];
  try {
    const session = new Session(options, settings, dialect, folder);
    for (const profile of settings.profiles as ProfileName[]) {
      for (let repeat = 1; repeat <= settings.repeat && !session.isInterrupted; repeat++) {
        const run = await session.play(profile, repeat);
        if (run === undefined) continue;
        runs.push(run);
        options.onRun?.({ run, isLastOfProfile: repeat === settings.repeat });
      }
    }
    const interrupted = session.isInterrupted;
    return {
      passed: !interrupted && runs.every(({ passed }) => passed),
      atStake: runs.some(hadStake),
      sentence: sentenceOf(runs, interrupted),
      interrupted,
      startedAt,
      duration: performance.now() - began,
      target: options.command?.join(" ") ?? withoutSecrets(options.url!),
      settings,
      versions: { lastcall: version, node: process.versions.node },
      runs,
    };
  } finally {
    forget();
    await rm(folder, { recursive: true, force: true });
  }
}

/** An address as a report may show it: credentials and queries, which may hold tokens, are left out. */
function withoutSecrets(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** What the runs of a drill share. */
class Session {
  readonly #options: DrillOptions;
  readonly #settings: DrillSettings;
  readonly #dialect: Dialect;
  readonly #folder: string;
  readonly #interrupted: AbortSignal;
  readonly #total: number;
  #run = 0;
  #requests = 0;

  constructor(options: DrillOptions, settings: DrillSettings, dialect: Dialect, folder: string) {
    this.#options = options;
    this.#settings = settings;
    this.#dialect = dialect;
    this.#folder = folder;
    this.#interrupted = options.signal ?? new AbortController().signal;
    this.#total = settings.profiles.length * settings.repeat;
  }

  get isInterrupted(): boolean {
    return this.#interrupted.aborted;
  }

  /** One run; undefined when it was interrupted before its load. */
  async play(profile: ProfileName, repeat: number): Promise<RunResult | undefined> {
    const { onProgress = () => {} } = this.#options;
    const at = { profile, repeat, run: ++this.#run, runs: this.#total };
    const none = { opened: 0, sent: 0, answered: 0, ended: 0, sinceSignal: undefined };
    onProgress({ ...at, ...none, phase: "starting", connections: this.#settings.connections });
    const port = this.#options.command === undefined ? undefined : await freePort();
    const target = upgradeTarget(this.#options, port);
    if (this.#run === 1 && this.#isAtFixedAddress()) await expectNobody(target);
    const effects = this.#effects();
    const server = await this.#start(port, effects);
    try {
      await untilListening(target, {
        patience: this.#patience(),
        exited: server.exited,
        interrupted: this.#interrupted,
        lastWords: async () => (server instanceof CommandServer ? await server.lastWords() : ""),
      });
      if (this.isInterrupted) {
        await stopUnloaded(server);
        return undefined;
      }
      return await playRun({
        profile,
        repeat,
        settings: this.#settings,
        size: this.#options.size,
        openPatience: this.#options.startTimeout ?? drillDefaults.startTimeout,
        dialect: this.#dialect,
        target,
        server,
        effects,
        nextNumber: () => ++this.#requests,
        interrupted: this.#interrupted,
        onProgress: (progress) => onProgress({ ...at, ...progress }),
      });
    } finally {
      await server.dispose();
    }
  }

  /** Whether the command listens where another server may listen already. */
  #isAtFixedAddress(): boolean {
    const { command, url = "{port}" } = this.#options;
    return command !== undefined && !url.includes("{port}");
  }

  #effects(): EffectsFile | undefined {
    const { effects, command } = this.#options;
    if (effects !== undefined) return new EffectsFile(resolve(effects), { isExpected: true });
    return command === undefined ? undefined : new EffectsFile(join(this.#folder, `effects-${this.#run}`));
  }

  async #start(port: number | undefined, effects: EffectsFile | undefined): Promise<RunningServer> {
    const { command, env, pid, stop } = this.#options;
    const signal = this.#settings.signal as NodeJS.Signals;
    if (command !== undefined) {
      const drilled = { PORT: String(port), LASTCALL_EFFECTS: effects!.path };
      return CommandServer.start({
        command: command.map((part) => part.replaceAll("{port}", String(port))),
        env: { ...process.env, ...env, ...drilled },
        signal,
      });
    }
    return pid === undefined
      ? new ServerElsewhere(stop!, join(this.#folder, `stop-${this.#run}`))
      : new KnownProcess(pid, signal);
  }

  /** A server that runs already is there, or it is not; one that comes back after its last stop takes its time. */
  #patience(): number {
    const { command, startTimeout = drillDefaults.startTimeout } = this.#options;
    return command === undefined && this.#run === 1 ? 0 : startTimeout;
  }
}

/** Ends a server that has nothing to do. */
async function stopUnloaded(server: RunningServer): Promise<void> {
  if (!(server instanceof CommandServer)) return;
  server.stop();
  await within(GRACE, server.exited);
}
