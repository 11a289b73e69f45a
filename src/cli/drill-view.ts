/** What `lastcall drill` shows: a row for each profile as it is played, then what was found, then the verdict. */
import type { WriteStream } from "node:tty";
import { stripVTControlCharacters } from "node:util";
import {
  drillDefaults,
  type DrillOptions,
  type DrillResult,
  type Finding,
  type Progress,
  type RunResult,
} from "../drill/index.js";
import { endingOf } from "../drill/last-lines.js";
import { exitWord } from "../drill/report/words.js";
import { hadStake } from "../drill/sentence.js";
import { count } from "../drill/words.js";
import { Screen } from "./screen.js";

const BAR_LENGTH = 12;
/** Lines of the server's own output that are shown. */
const OUTPUT_LINES = 8;

const columns = [
  { title: "profile", width: 12 },
  { title: "runs", width: 5 },
  { title: "sent", width: 7 },
  { title: "answered", width: 9 },
  { title: "failed", width: 7 },
  { title: "told", width: 6 },
  { title: "exit", width: 8 },
  { title: "took", width: 8 },
  { title: "", width: 8 },
];

const phases: Record<Progress["phase"], string> = {
  starting: "starting the server",
  connecting: "connecting",
  loading: "loading",
  stopping: "stopping",
  over: "over",
};

export class DrillView {
  readonly #screen: Screen;
  #played: RunResult[] = [];
  #hasHeader = false;

  readonly #title: string;

  constructor(out: WriteStream, options: DrillOptions) {
    this.#screen = new Screen(out);
    const { connections, requests, signalAfter, killSignal } = { ...drillDefaults, ...options };
    const stop = options.stop === undefined ? killSignal : "stopped";
    this.#title = `${count(connections, "connection")} with ${count(requests, "request")} each, ${stop} after ${signalAfter} ms`;
  }

  progress(at: Progress): void {
    const done = at.sent + at.connections === 0 ? 0 : (at.answered + at.ended) / (at.sent + at.connections);
    const full = Math.round(Math.min(1, done) * BAR_LENGTH);
    const bar = "█".repeat(full) + "░".repeat(BAR_LENGTH - full);
    const since = at.sinceSignal === undefined ? "" : ` for ${seconds(at.sinceSignal)}`;
    const run = at.runs === 1 ? "" : ` (${at.run} of ${at.runs})`;
    this.#screen.live(
      `${at.profile.padEnd(12)} ${bar} ${phases[at.phase]}${since}${run}: ${at.answered} of ${at.sent} answered`,
    );
  }

  /** A run is over. Its row comes with the last repeat of its profile. */
  run({ run, isLastOfProfile }: { run: RunResult; isLastOfProfile: boolean }): void {
    this.#played.push(run);
    if (!isLastOfProfile) return;
    this.#row(this.#played);
    this.#played = [];
  }

  end(result: DrillResult, reports: readonly string[]): void {
    if (this.#played.length > 0) this.#row(this.#played);
    const { runs } = result;
    for (const profile of new Set(runs.map((run) => run.profile))) {
      this.#findings(runs.filter((run) => run.profile === profile));
    }
    this.#output(runs);
    this.#screen.line();
    const unknown = runs.filter(({ effects, failures }) => !effects && failures.some(isOfRequests)).length;
    if (unknown > 0) this.#screen.line(this.#screen.paint("dim", withoutEffects(unknown, runs)));
    const colour = !result.passed ? "red" : result.atStake ? "green" : "yellow";
    this.#screen.line(this.#screen.paint(colour, result.sentence));
    for (const path of reports) this.#screen.line(`Report: ${path}`);
  }

  clear(): void {
    this.#screen.clear();
  }

  #header(): void {
    if (this.#hasHeader) return;
    this.#hasHeader = true;
    this.#screen.line(this.#screen.paint("bold", this.#title));
    this.#screen.line();
    this.#screen.line(this.#screen.paint("dim", cells(columns.map(({ title }) => title))));
  }

  #row(runs: readonly RunResult[]): void {
    this.#header();
    const [{ profile }] = runs as [RunResult];
    const sum = (value: (run: RunResult) => number): number =>
      runs.reduce((total, run) => total + value(run), 0);
    const failed = sum(failedRequests);
    const answered = sum(({ counts }) => counts.answered);
    const sent = sum((run) => run.sent);
    const isPassed = runs.every(({ passed }) => passed);
    const passed = runs.some(hadStake)
      ? this.#screen.paint("green", "passed")
      : this.#screen.paint("yellow", "idle");
    const verdict = isPassed ? passed : this.#screen.paint("red", "FAILED");
    const row = [
      profile,
      runs.length,
      sent,
      answered,
      failed,
      sent - answered - failed,
      exitOf(runs),
      tookOf(runs),
    ];
    this.#screen.line(`${cells(row.map(String))}  ${verdict}`);
  }

  /** What was found in the runs of one profile, each kind once. */
  #findings(runs: readonly RunResult[]): void {
    const [{ profile }] = runs as [RunResult];
    for (const [list, style] of [
      ["failures", "red"],
      ["remarks", "dim"],
    ] as const) {
      const kinds = new Set(runs.flatMap((run) => run[list].map(({ kind }) => kind)));
      for (const kind of kinds) {
        const found = runs.flatMap((run) => run[list].filter((each) => each.kind === kind));
        const often = runs.length === 1 ? "" : ` [${found.length} of ${runs.length} runs]`;
        this.#screen.line(this.#screen.paint(style, `${profile}: ${found[0]!.text}${often}`));
      }
    }
  }

  /** The server's last words: of the only run, or of the first that failed. */
  #output(runs: readonly RunResult[]): void {
    const run = runs.length === 1 ? runs[0] : runs.find(({ passed }) => !passed);
    if (run === undefined || run.process.output.length === 0) return;
    const { output } = run.process;
    const lines = run.passed ? output.slice(-OUTPUT_LINES) : endingOf(output, OUTPUT_LINES);
    this.#screen.line();
    this.#screen.line(`The server's last lines${runs.length === 1 ? "" : ` (${run.profile})`}:`);
    for (const line of lines) this.#screen.line(`  ${printable(line)}`);
  }
}

/** What another process printed, without what would move our cursor. */
function printable(line: string): string {
  return stripVTControlCharacters(line).replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, "");
}

function cells(row: readonly string[]): string {
  return row
    .map((cell, index) =>
      index === 0 ? cell.padEnd(columns[index]!.width) : cell.padStart(columns[index]!.width),
    )
    .join("");
}

function isOfRequests({ kind }: Finding): boolean {
  return kind === "unanswered";
}

function failedRequests({ connections }: RunResult): number {
  return connections.reduce((sum, { requests }) => sum + requests.filter(({ failed }) => failed).length, 0);
}

/** That nobody says what was executed: never, or not in some runs, where the file is made by what is executed first. */
function withoutEffects(unknown: number, runs: readonly RunResult[]): string {
  if (!runs.some(({ effects }) => effects))
    return "Nobody says what was executed: the server keeps no file of its effects ($LASTCALL_EFFECTS).";
  return `In ${count(unknown, "run")} nobody says what was executed: the server made no file of its effects ($LASTCALL_EFFECTS). It should make it at its start.`;
}

/** How the processes ended: one word where all ended alike. */
function exitOf(runs: readonly RunResult[]): string {
  const exits = new Set(runs.map(({ process: ended }) => exitWord(ended)));
  return exits.size === 1 ? [...exits][0]! : "various";
}

/** The longest time from the signal to the end. */
function tookOf(runs: readonly RunResult[]): string {
  const times = runs.flatMap(({ signalAt, endedAt, process: { exitedAt } }) =>
    signalAt === undefined ? [] : [(exitedAt ?? endedAt) - signalAt],
  );
  return times.length === 0 ? "–" : seconds(Math.max(...times));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
