/** A run on the page: what failed, how long replies took, how the process ended, and the timeline. */
import { profiles, type ProfileName } from "../profiles.js";
import type { ConnectionResult, Finding, Latency, RunResult } from "../result.js";
import { markup, type Markup, shortened } from "./markup.js";
import { drawTimeline, leftOut, titleOf, type Timeline } from "./timeline.js";
import {
  count,
  endOf,
  exitSentence,
  exitWord,
  isAnswered,
  milliseconds,
  moment,
  number,
  printed,
  stateOf,
  timeToExit,
} from "./words.js";

const MAX_FINDINGS = 40;
const MAX_LINES = 30;
const MAX_NAMED_REQUESTS = 5;

/** A run, folded unless it failed. `timeline` is what `runTimeline` made, or undefined where it is left out. */
export function runSection(
  run: RunResult,
  id: string,
  repeats: number,
  timeline: Markup | undefined,
): Markup {
  const name = repeats > 1 ? markup`${run.profile} <small>run ${run.repeat}</small>` : markup`${run.profile}`;
  const state = stateOf(run);
  return markup`<details class="run" id="${id}"${run.passed ? undefined : markup` open`}>
<summary><h3>${name}</h3> <span class="verdict ${state}">${state}</span> <span class="figures">${figures(run)}</span></summary>
${doesOf(run)}
${findings("failures", run.failures)}${findings("remarks", run.remarks)}
<div class="facts-of-run">
${latencyTable(run)}
${processOf(run)}
</div>
${timeline ?? markup`<p class="faint">Its timeline is left out, to keep this file small.</p>`}
</details>
`;
}

/** What the clients of the profile do. */
function doesOf({ profile }: RunResult): Markup | undefined {
  if (!Object.hasOwn(profiles, profile)) return undefined;
  const { does } = profiles[profile as ProfileName];
  return markup`<p class="faint">A client ${does.charAt(0).toLowerCase()}${does.slice(1)}</p>`;
}

function figures(run: RunResult): string {
  const { sent, counts } = run;
  const after = timeToExit(run);
  const exit = `exit ${exitWord(run.process)}`;
  const parts = [
    `${number(counts.answered)} of ${number(sent)} answered`,
    counts["cut off"] > 0 ? `${number(counts["cut off"])} cut off` : undefined,
    counts["never started"] > 0 ? `${number(counts["never started"])} never started` : undefined,
    run.process.killed ? "killed" : after === undefined ? exit : `${exit} after ${milliseconds(after)}`,
  ];
  return parts.filter((part) => part !== undefined).join(" · ");
}

function findings(kind: "failures" | "remarks", all: readonly Finding[]): Markup | undefined {
  if (all.length === 0) return undefined;
  const shown = all.slice(0, MAX_FINDINGS).map((finding) => {
    const text = shortened(finding.text, 1_000);
    return markup`<li><b>${finding.kind}</b> ${text}</li>`;
  });
  const rest = all.length - shown.length;
  return markup`<h4>${kind === "failures" ? "What failed" : "Remarks"}</h4>
<ul class="findings ${kind}">${shown}${rest > 0 ? markup`<li>And ${count(rest, "other")}.</li>` : undefined}</ul>
`;
}

function latencyCells(latency: Latency | undefined): Markup {
  if (latency === undefined) return markup`<td>0</td><td>–</td><td>–</td><td>–</td>`;
  const { count: replies, median, p99, max } = latency;
  return markup`<td>${number(replies)}</td><td>${number(median)}</td><td>${number(p99)}</td><td>${number(max)}</td>`;
}

function latencyTable({ latency }: RunResult): Markup {
  const rows: [string, Latency | undefined][] = [
    ["before the signal", latency.before],
    ["across the signal", latency.during],
    ["after the signal", latency.after],
  ];
  return markup`<div><h4>Time to the reply, in ms</h4>
<table class="numbers"><thead><tr><th scope="col">asked and answered</th><th scope="col">replies</th><th scope="col">median</th><th scope="col">p99</th><th scope="col">max</th></tr></thead>
<tbody>${rows.map(
    ([name, times]) => markup`<tr><th scope="row">${name}</th>${latencyCells(times)}</tr>`,
  )}</tbody></table></div>`;
}

function processOf(run: RunResult): Markup {
  const { output } = run.process;
  const lines = output.slice(-MAX_LINES).map(printed).join("\n");
  const load = `The drill itself used ${number(run.load.cpu * 100)} % of a core; it never stood still for more than ${milliseconds(run.load.longestStall)}.`;
  return markup`<div><h4>The process</h4>
<p>${exitSentence(run)} ${run.signalAt === undefined ? "It was sent no signal." : `The signal came ${milliseconds(run.signalAt)} into the load.`}</p>
<p class="faint">${load}</p>
${output.length === 0 ? markup`<p class="faint">It printed nothing.</p>` : markup`<p class="label">Its last lines</p><pre tabindex="0" role="region" aria-label="The last lines of its output">${lines}</pre>`}</div>`;
}

/** A drawing, and the same as a table: for those who cannot see it, and for fingers, which cannot hover. */
export function runTimeline(run: RunResult, signal: string): Markup {
  if (run.connections.length === 0) return markup`<p class="faint">There was no connection.</p>`;
  const timeline = drawTimeline(run, { width: 1040, signal });
  const note = leftOut(run, timeline);
  const title = titleOf(run);
  return markup`<h4>The timeline</h4>
${note === "" ? undefined : markup`<p class="faint">${note}</p>`}
<div class="scroll" tabindex="0" role="region" aria-label="${title}"><svg class="timeline" role="img" aria-label="${title}. The table below says the same." viewBox="0 0 1040 ${timeline.height}" width="1040" height="${timeline.height}">${timeline.content}</svg></div>
${connectionTable(run, timeline)}`;
}

function connectionTable(run: RunResult, { rows }: Timeline): Markup {
  const time = (at: number | undefined): string => (at === undefined ? "–" : moment(at, run));
  const body = rows.map(({ connection, isTroubled }) => {
    const { requests, close } = connection;
    const name =
      connection.role === "profile" ? connection.number : `${connection.role} ${connection.number}`;
    const unlucky = requests.filter((request) => request.failed || !isAnswered(request));
    const rest = unlucky.length - MAX_NAMED_REQUESTS;
    const named = unlucky
      .slice(0, MAX_NAMED_REQUESTS)
      .map(({ id, class: kind, sentAt }) => `${id} ${kind}, sent ${moment(sentAt, run)}`);
    if (rest > 0) named.push(`and ${count(rest, "other")}`);
    return markup`<tr${isTroubled ? markup` class="troubled"` : undefined}><th scope="row">${name}</th><td>${time(connection.openedAt)}</td><td>${number(requests.filter(isAnswered).length)} of ${number(requests.length)}</td><td>${named.join("; ")}</td><td>${time(close?.at)}</td><td>${time(connection.endedAt)}</td><td>${endInWords(connection)}</td></tr>`;
  });
  return markup`<details class="same"><summary>The same as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Connections of ${run.profile}, run ${run.repeat}"><table class="numbers"><thead><tr><th scope="col">connection</th><th scope="col">open</th><th scope="col">answered</th><th scope="col" class="words">not answered, or failed</th><th scope="col">Close</th><th scope="col">over</th><th scope="col" class="words">end</th></tr></thead>
<tbody>${body}</tbody></table></div></details>
`;
}

/** How it ended, with what the server or the drill said of it. */
function endInWords(connection: ConnectionResult): string {
  const { violation, close } = connection;
  const end = endOf(connection);
  if (violation !== undefined) return `${end}: ${shortened(violation, 200)}`;
  return close === undefined || close.reason === "" ? end : `${end} “${close.reason}”`;
}
