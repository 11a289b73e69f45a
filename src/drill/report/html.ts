/** The account of a drill as a page: one file, without script and without any resource of others. */
import { createHash } from "node:crypto";
import { requestClasses, type DrillResult, type RunResult } from "../result.js";
import { meanings } from "./legend.js";
import { markup, type Markup, raw, shortened } from "./markup.js";
import { definitions, inlineMark, legend } from "./marks.js";
import { pageStyle } from "./page-style.js";
import { runSection, runTimeline } from "./run-section.js";
import { byProfile, exitsOf, exitTimesOf, type ProfileSummary } from "./summary.js";
import { count, milliseconds, number, stateOf, timeOfDay } from "./words.js";

/** So many runs have a section; a drill that has more shows the failed ones first. */
const MAX_RUNS = 300;
/** Characters that all timelines may take together. What is more is left out, and says so. */
const MAX_TIMELINES = 3_000_000;

/** One page that tells everything: it loads nothing, runs no script, and works from `file:`. */
export function htmlReport(result: DrillResult): string {
  const style = pageStyle.text;
  const hash = createHash("sha256").update(style).digest("base64");
  const word = verdictWord(result);
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${raw(hash)}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${word}: ${shortened(result.target, 60)} · lastcall drill</title>
<style>${raw(style)}</style>
</head>
<body>
<svg class="definitions" width="0" height="0" aria-hidden="true">${definitions}</svg>
<main>
${masthead(result, word)}
${summaryOf(result)}
${runsOf(result)}
${result.runs.length === 0 ? undefined : legendOf()}
</main>
</body>
</html>
`;
  return page.text;
}

type Verdict = "Passed" | "Failed" | "Interrupted" | "Unproved";

function verdictWord({ passed, interrupted, atStake }: DrillResult): Verdict {
  if (interrupted) return "Interrupted";
  if (!passed) return "Failed";
  return atStake ? "Passed" : "Unproved";
}

function masthead(result: DrillResult, word: Verdict): Markup {
  const { settings, versions, runs, duration, startedAt, interrupted } = result;
  const asked: [string, string][] = [
    ["Started", timeOfDay(startedAt)],
    ["Took", `${number(duration / 1000)} s, ${count(runs.length, "run")}`],
    [
      "Load",
      `${count(settings.connections, "connection")} × ${count(settings.requests, "request")} of ${number(settings.size)} B`,
    ],
    ["Interval", milliseconds(settings.interval)],
    ...(settings.readRate === undefined
      ? []
      : [["Slow readers read", `${number(settings.readRate)} B/s`] satisfies [string, string]]),
    ["Signal", `${settings.signal} at ${milliseconds(settings.signalAfter)}`],
    ["Timeout", milliseconds(settings.timeout)],
    ["Repeats", number(settings.repeat)],
    ["Should accept for", milliseconds(settings.lameDuck)],
    ["Exit codes that pass", settings.exitCodes.join(", ")],
    ["Codes that promise", settings.promise.length === 0 ? "none" : settings.promise.join(", ")],
    ["Strict", settings.strict ? "yes: cut off fails" : "no"],
    ["Handback before the signal", settings.acceptHandback ? "accepted" : "fails"],
    ["Seed", String(settings.seed)],
    ["Versions", `lastcall ${versions.lastcall}, Node ${versions.node}`],
  ];
  return markup`<header>
<p class="product">lastcall drill <span class="verdict ${word.toLowerCase()}">${word}</span></p>
<h1>${shortened(result.sentence, 1_000)}</h1>
${interrupted ? markup`<p>The drill was interrupted. What follows is what was seen until then.</p>` : undefined}
<pre class="target" tabindex="0" role="region" aria-label="What was drilled">${shortened(result.target, 4_000)}</pre>
<dl class="facts">${asked.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</header>`;
}

/** A column of the summary, and what it says of a profile. */
type Column = [
  name: string,
  kind: "words" | "words failures" | "words verdicts" | "figure",
  cell: (summary: ProfileSummary) => Markup | string,
];

function summaryOf(result: DrillResult): Markup {
  const profiles = byProfile(result.runs);
  if (profiles.length === 0) return markup`<h2>Profiles</h2><p>No run was played.</p>`;
  const columns = columnsOf(result, profiles);
  const head = columns.map(([name, kind]) => markup`<th scope="col" class="${kind}">${name}</th>`);
  const rows = profiles.map((summary) => {
    const cells = columns.slice(1).map(([, kind, cell]) => markup`<td class="${kind}">${cell(summary)}</td>`);
    return markup`<tr><th scope="row">${columns[0]?.[2](summary)}</th>${cells}</tr>
`;
  });
  return markup`<h2 id="profiles">Profiles</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="profiles"><table class="numbers"><thead><tr>${head}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

function columnsOf(result: DrillResult, profiles: readonly ProfileSummary[]): Column[] {
  const has = (name: (typeof requestClasses)[number]): boolean =>
    profiles.some(({ counts }) => counts[name] > 0);
  const columns: (Column | undefined)[] = [
    ["profile", "words", ({ profile, runs }) => linkTo(profile, runs, result)],
    ["verdict", "words verdicts", verdictOf],
    profiles.some(({ runs }) => runs.length > 1)
      ? ["runs", "figure", ({ runs }) => number(runs.length)]
      : undefined,
    ["sent", "figure", ({ sent }) => number(sent)],
    ["answered", "figure", ({ counts }) => number(counts.answered)],
    ["cut off", "figure", ({ counts }) => number(counts["cut off"])],
    result.runs.some(({ effects }) => effects)
      ? ["never started", "figure", ({ counts }) => number(counts["never started"])]
      : undefined,
    has("not judged") ? ["not judged", "figure", ({ counts }) => number(counts["not judged"])] : undefined,
    ["what failed", "words failures", failuresOf],
    ["exit", "words", exitsOf],
    ["signal to exit", "figure", (summary) => exitTimesOf(summary) ?? "–"],
  ];
  return columns.filter((column) => column !== undefined);
}

function verdictOf({ failed, interrupted, runs }: ProfileSummary): Markup {
  if (failed === 0) return badge(interrupted > 0 ? "interrupted" : "passed");
  return markup`${badge("failed")}${runs.length > 1 ? ` ${number(failed)} of ${number(runs.length)}` : ""}`;
}

function badge(state: ReturnType<typeof stateOf>): Markup {
  return markup`<span class="verdict ${state}">${state}</span>`;
}

function failuresOf({ failures }: ProfileSummary): Markup | string {
  if (failures.size === 0) return "–";
  const kinds = [...failures].map(([kind, times]) => (times === 1 ? kind : `${kind} × ${number(times)}`));
  return markup`<b class="bad">${kinds.join(", ")}</b>`;
}

function linkTo(profile: string, runs: readonly RunResult[], result: DrillResult): Markup {
  const worst = runs.find(({ passed }) => !passed) ?? runs[0];
  return worst === undefined ? markup`${profile}` : markup`<a href="#${idOf(worst, result)}">${profile}</a>`;
}

function idOf(run: RunResult, { runs }: DrillResult): string {
  return `run-${runs.indexOf(run) + 1}`;
}

function runsOf(result: DrillResult): Markup {
  const titles = { failed: "Failed runs", interrupted: "Interrupted", passed: "Passed runs" } as const;
  const groups = (["failed", "interrupted", "passed"] as const).map((state) => ({
    title: titles[state],
    runs: result.runs.filter((run) => stateOf(run) === state),
  }));
  const shown = new Set(groups.flatMap(({ runs }) => runs).slice(0, MAX_RUNS));
  const timelines = drawWithinBounds(result, shown);
  const sections = groups.map(({ title, runs }) => {
    if (runs.length === 0) return undefined;
    const here = runs.filter((run) => shown.has(run));
    const rest = runs.length - here.length;
    return markup`<h2>${title}</h2>
${here.map((run) => runSection(run, idOf(run, result), result.settings.repeat, timelines.get(run)))}${
      rest > 0 ? markup`<p>And ${count(rest, "run")} more, left out to keep this file small.</p>` : undefined
    }`;
  });
  return markup`${sections}`;
}

/**
 * The timelines of the failed runs and of the first run of each profile, as far as there is room: first of each profile
 * one that failed, as the next one mostly shows the same.
 */
function drawWithinBounds(result: DrillResult, shown: ReadonlySet<RunResult>): Map<RunResult, Markup> {
  const profiles = byProfile(result.runs);
  const wanted = new Set<RunResult | undefined>([
    ...profiles.map(({ runs }) => runs.find(({ passed }) => !passed)),
    ...profiles.map(({ runs }) => runs[0]),
    ...result.runs.filter(({ passed }) => !passed),
  ]);
  const timelines = new Map<RunResult, Markup>();
  let room = MAX_TIMELINES;
  for (const run of wanted) {
    if (run === undefined || !shown.has(run)) continue;
    const timeline = runTimeline(run, result.settings.signal);
    room -= timeline.text.length;
    if (room < 0) break;
    timelines.set(run, timeline);
  }
  return timelines;
}

function legendOf(): Markup {
  const marks = legend.map(([shape, text]) => markup`<li>${inlineMark(shape)} ${text}</li>`);
  const classes = requestClasses.map((name) => markup`<div><dt>${name}</dt><dd>${meanings[name]}</dd></div>`);
  return markup`<footer>
<h2>What the words mean</h2>
<dl class="meanings">${classes}</dl>
<h2>What the shapes mean</h2>
<ul class="marks">${marks}</ul>
<p>A row is a connection; its band lasts from the handshake to the end of TCP. What lies at the top of a row came from the server, what lies at its foot from the client. A line is a request, from when it was sent to its reply, or without one to the end of its connection: solid when it was answered, dotted when it was not, dashed when that fails. A faint dotted line before a band is the wait in the accept queue. Where an axis is cut, nothing happened for the time that is written above. Connections that are to blame come first, in bold and in red.</p>
</footer>`;
}
