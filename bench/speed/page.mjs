/** Writes docs/performance.md and its plots from what was measured; bench/speed/notes.md is its part written by hand. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { ratiosOf, spread } from "./ratios.mjs";
import { OURS, subjects } from "./subjects.mjs";
import { workloads } from "./workloads.mjs";

const docs = new URL("../../docs/", import.meta.url);
const LINES = ["20", "24"];
/** Workloads in which no two subjects are compared. */
const ALONE = ["Drain of 5 × 5 requests of 100 ms", "Five minutes of echo"];
const DRAIN_TARGET = 20;

export async function writePage() {
  // Here, so that a test can look at the page where nothing of this bench is installed.
  const { barPlot, linePlot } = await import("./plots.mjs");
  const [{ workloads: done }] = measured();
  mkdirSync(new URL("performance/", docs), { recursive: true });
  const write = (file, content) => writeFileSync(new URL(file, docs), content);
  write("performance/ratios.svg", barPlot(ratiosToWs(done)));
  write("performance/soak.svg", linePlot(memoryOverTime(done[ALONE[1]].runs[0])));
  write("performance.md", renderPage());
}

/** What was measured last, on each line of Node. */
function measured() {
  return LINES.map(resultsOf).filter((results) => results !== undefined);
}

function resultsOf(line) {
  const file = new URL(`results/node-${line}.json`, import.meta.url);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

/** The text of docs/performance.md. */
export function renderPage() {
  const all = measured();
  const notes = readFileSync(new URL("notes.md", import.meta.url), "utf8");
  const [intro, rest] = notes.split("<!-- tables -->\n");
  return `<!-- Written by \`npm run bench\`: change bench/speed/, not this file. -->

${intro}${madeOf(all[0])}

${all.map(targetTable).join("\n")}
${rest
  .replace("<!-- soak -->\n", () => soakOf(all[0]))
  .replace("<!-- rows -->\n", () => all.map(rowsOf).join("\n"))}`;
}

/** What five minutes did to the heap, and what collecting took of them. */
function soakOf({ workloads: done }) {
  const [{ figure, samples }] = done[ALONE[1]].runs;
  const { messages, count, milliseconds } = samples.at(-1);
  return `${whole(messages / 1e6)} million messages. The heap's lowest points (median of a third) grew by ${whole(figure / 1_000)} kB from the second
third to the last. ${whole(count)} collections took ${whole(milliseconds / 1_000)} s.
`;
}

function madeOf({ machine, versions, workloads: done }) {
  const date = Object.values(done).reduce((latest, { date: own }) => (own > latest ? own : latest), "");
  const gigabytes = Math.round(machine.memory / 1024 ** 3);
  return `Measured with \`npm run bench\` on ${date}: lastcall ${versions.lastcall}, ws ${versions.ws} with bufferutil
${versions.bufferutil}, uWebSockets.js ${versions.uws}; ${machine.system}, ${machine.cores} cores of an ${machine.processor},
${gigabytes} GB, server and clients on the same machine.`;
}

// What is to be reached

function targetTable({ node, workloads: done }) {
  const rows = workloads
    .filter(({ name, targets }) => targets !== undefined && done[name] !== undefined)
    .map(({ name, targets: { ws, uws, floor } }) => {
      const { runs } = done[name];
      const [floorSubject, floorRatio, more] = floor ?? [];
      const floorCell =
        more === undefined
          ? reached(ratiosOf(runs, OURS, floorSubject), floorRatio, ` × ${subjects[floorSubject]?.title}`)
          : moreThan(runs, floorSubject, more);
      return `| ${name} | ${reached(ratiosOf(runs, OURS, "ws"), ws)} | ${reached(ratiosOf(runs, OURS, "uws"), uws)} | ${floorCell} |`;
    });
  const drain = done[ALONE[0]];
  if (drain !== undefined) {
    const { min, median, max } = spread(drain.runs.map(({ figure }) => figure));
    const mark = median <= DRAIN_TARGET ? "✓" : "✗";
    rows.push(
      `| ${ALONE[0]}, quiet 0 | | | ${mark} **${digits(median)}** (${digits(min)}–${digits(max)}) ms over the last request's end; ≤ ${DRAIN_TARGET} ms |`,
    );
  }
  return `### Node ${node}

| | against ws | against uWebSockets.js | against the floor |
|---|---|---|---|
${rows.join("\n")}
`;
}

function reached(ratios, most, suffix = "") {
  if (ratios === undefined) return most === undefined ? "" : "did not run";
  const { min, median, max } = ratios;
  const figures = `**${median.toFixed(2)}** (${min.toFixed(2)}–${max.toFixed(2)})${suffix}`;
  if (most === undefined) return figures;
  return `${median <= most ? "✓" : "✗"} ${figures}; ≤ ${most.toFixed(2)}`;
}

/** A floor that may be passed by so much. */
function moreThan(runs, floor, most) {
  const rounds = [...new Set(runs.map(({ round }) => round))];
  const figureIn = (round, name) => runs.find((run) => run.round === round && run.subject === name).figure;
  const { min, median, max } = spread(rounds.map((round) => figureIn(round, OURS) - figureIn(round, floor)));
  const mark = median <= most ? "✓" : "✗";
  return `${mark} **${kilo(median)}** (${kilo(min)}–${kilo(max)}) kB over ${subjects[floor].title}; ≤ ${kilo(most)} kB`;
}

// All that was measured

function rowsOf({ node, workloads: done }) {
  const sections = workloads
    .filter(({ name }) => done[name] !== undefined && !ALONE.includes(name))
    .map((workload) => section(workload, done[workload.name].runs));
  return `### Node ${node}\n\n${sections.join("\n\n")}\n`;
}

function section({ name, what, unit }, runs) {
  const names = [...new Set(runs.map(({ subject }) => subject))].toSorted(
    (a, b) => Object.keys(subjects).indexOf(a) - Object.keys(subjects).indexOf(b),
  );
  const extras = EXTRAS.filter(({ of }) => runs.some((run) => of(run) !== undefined));
  const rows = names.map((subject) => {
    const own = runs.filter((run) => run.subject === subject && run.failed === undefined);
    if (own.length === 0)
      return `| ${subjects[subject].title} | did not run |${" |".repeat(extras.length + 1)}`;
    const figures = spread(own.map(({ figure }) => figure).filter((figure) => figure !== null));
    const shown = figures && `${digits(figures.median)} (${digits(figures.min)}–${digits(figures.max)})`;
    const ratios = subject === OURS ? undefined : ratiosOf(runs, OURS, subject);
    const ratio = ratios && `${ratios.median.toFixed(2)} (${ratios.min.toFixed(2)}–${ratios.max.toFixed(2)})`;
    const cells = extras.map(({ of, show }) => {
      const values = own.map(of).filter((value) => value !== undefined);
      return values.length === 0 ? "" : show(spread(values).median);
    });
    return `| ${subjects[subject].title} | ${shown ?? "none"} | ${ratio ?? ""} |${cells.map((cell) => ` ${cell} |`).join("")}`;
  });
  const head = ["", unit, "ours ÷ it", ...extras.map(({ title }) => title)].join(" | ");
  return `#### ${name}

${what}

|${head} |
|---|${"---:|".repeat(extras.length + 2)}
${rows.join("\n")}`;
}

/** What is shown beside the figure, where there is such a thing. */
const EXTRAS = [
  { title: "per second", of: ({ rate }) => rate, show: whole },
  { title: "latency p50, µs", of: ({ latency }) => latency?.p50, show: whole },
  { title: "p99", of: ({ latency }) => latency?.p99, show: whole },
  { title: "p99.9", of: ({ latency }) => latency?.p999, show: whole },
  { title: "after one echo", of: ({ used }) => used, show: whole },
  { title: "the same before the drain", of: ({ before }) => before, show: whole },
  { title: "answered", of: ({ answered }) => answered, show: whole },
  { title: "unanswered", of: ({ unanswered }) => unanswered, show: whole },
  { title: "time, ms", of: ({ time }) => (time === undefined ? undefined : time / 1_000), show: whole },
];

/** @param {number} number */
function digits(number) {
  if (number >= 100) return whole(number);
  return number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

/** @param {number} number */
function whole(number) {
  return Math.round(number)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, " ");
}

/** @param {number} bytes */
function kilo(bytes) {
  return (bytes / 1_000).toFixed(2);
}

// Plots

function ratiosToWs(done) {
  const shown = ["lastcall-for-await", "ws-corked", "uws", "framing", "socket"];
  const named = workloads.filter(({ name }) => done[name] !== undefined && !ALONE.includes(name));
  const compared = named.filter(({ unit }) => !unit.startsWith("µs until"));
  return {
    title: "What a message, a connection or a drain costs the server, where it costs ws 1",
    categories: compared.map(({ name }) => name.replace(", one message a second each", ", 1/s each")),
    series: shown.map((subject) => ({
      name: subjects[subject].title.replaceAll("`", ""),
      values: compared.map(({ name }) => ratiosOf(done[name].runs, subject, "ws")?.median),
    })),
  };
}

function memoryOverTime({ samples }) {
  const megabytes = (key) => samples.map((sample) => sample[key] / 1024 ** 2);
  return {
    title: "Five minutes of echo: memory of lastcall, MB",
    times: samples.map((_sample, index) => (index + 1) * 5),
    series: [
      { name: "resident", values: megabytes("rss") },
      { name: "outside the heap", values: megabytes("external") },
      { name: "heap, lowest in 5 s", values: megabytes("lowestHeap") },
    ],
  };
}
