/** The timeline of a run: a row for each connection, and the signal as a line through all of them. */
import type { RunResult } from "../result.js";
import { makeAxis } from "./axis.js";
import { markup, type Markup, shortened } from "./markup.js";
import { CHARACTER, darkColours, definitions, drawLegend, lightColours, markStyle } from "./marks.js";
import { chooseRows, timesOf, type Row } from "./rows.js";
import { drawRow, nameOf, pixels, type Frame } from "./timeline-row.js";
import { describeConnection, exitWord, milliseconds, number, stateOf } from "./words.js";

/** How a timeline is drawn. */
export interface TimelineOptions {
  /** In pixels. The default is 800. */
  width?: number;
  /** How many connections are drawn at most, the troubled ones first. The default is 40. */
  rows?: number;
  /** What the signal is called. The default is `SIGTERM`. */
  signal?: string;
}

/** A timeline, and what it has room for. */
export interface Timeline {
  height: number;
  /** What goes into an `<svg class="timeline">` beside `definitions`. */
  content: Markup;
  rows: Row[];
  requestsLeftOut: number;
}

const HEADER = 46;
const FOOTER = 28;
const ANSWERED_COLUMN = 76;
const END_COLUMN = 138;
const MARGIN = 14;

export function drawTimeline(run: RunResult, options: TimelineOptions = {}): Timeline {
  const { width = 800, rows: maxRows = 40 } = options;
  const signal = shortened(options.signal ?? "SIGTERM", 12);
  const { rows, requestsLeftOut } = chooseRows(run, maxRows);
  const pitch = rows.length <= 8 ? 8 : 6;
  const heights = rows.map(({ lanes }) => Math.max(22, (lanes - 1) * pitch + 16));
  const names = Math.max(10, ...rows.map((row) => nameOf(row).length)) * CHARACTER;
  const left = Math.round(names) + ANSWERED_COLUMN;
  const right = width - END_COLUMN;
  const zero = run.signalAt ?? 0;
  const axis = makeAxis(
    timesOf(rows, run).map((time) => time - zero),
    left,
    right,
  );
  const frame: Frame = {
    left,
    names,
    right,
    top: HEADER,
    bottom: HEADER + heights.reduce((sum, height) => sum + height, 0),
    pitch,
    axis,
    x: (time) => axis.x(time - zero),
  };
  let y = HEADER;
  const drawn = rows.map((row, index) => {
    const height = heights[index] ?? 0;
    y += height;
    return drawRow(row, run, frame, y - height, height);
  });
  return {
    height: frame.bottom + FOOTER,
    content: markup`${drawGrid(frame, run, signal)}${drawn}${drawBreak(frame)}${drawLines(frame, run, signal)}`,
    rows,
    requestsLeftOut,
  };
}

/**
 * The timeline of a run as an SVG that stands alone: for `<img>`, light or dark as its reader likes it, and without
 * any resource of others.
 */
export function timelineSvg(run: RunResult, options: TimelineOptions = {}): string {
  const { width = 800 } = options;
  const inner = drawTimeline(run, { ...options, width: width - 2 * MARGIN });
  const legend = drawLegend(inner.content, inner.height + 10, width - 2 * MARGIN);
  const height = Math.ceil(inner.height + 10 + legend.height + 2 * MARGIN);
  const svg = markup`<svg xmlns="http://www.w3.org/2000/svg" class="timeline" role="img" aria-labelledby="title description" width="${width}" height="${height}" viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}">
<title id="title">${titleOf(run)}</title>
<desc id="description">${describeTimeline(run, inner)}</desc>
<style>
svg { ${lightColours} }
@media (prefers-color-scheme: dark) { svg { ${darkColours} } }
${markStyle}</style>
${definitions}
<rect x="${-MARGIN}" y="${-MARGIN}" width="${width}" height="${height}" rx="6" fill="var(--surface)"/>
${inner.content}
${legend.content}
</svg>
`;
  return svg.text;
}

export function titleOf(run: RunResult): string {
  return `Timeline of ${run.profile}, run ${run.repeat}: ${stateOf(run)}`;
}

/** In sentences, for those who cannot see it. */
function describeTimeline(run: RunResult, timeline: Timeline): string {
  const { sent, counts } = run;
  const rest = timeline.rows.length - 5;
  return [
    `${number(counts.answered)} of ${number(sent)} requests were answered.`,
    leftOut(run, timeline),
    ...timeline.rows.slice(0, 5).map(({ connection }) => describeConnection(connection, run)),
    rest > 0 ? `And ${number(rest)} more.` : "",
  ]
    .filter((sentence) => sentence !== "")
    .join(" ");
}

/** What is not drawn, in sentences; empty when everything is. */
export function leftOut(run: RunResult, { rows, requestsLeftOut }: Timeline): string {
  const connections = run.connections.length;
  const sentences: string[] = [];
  if (rows.length < connections) {
    sentences.push(
      `${number(rows.length)} of ${number(connections)} connections are drawn, the troubled ones first; ` +
        `${number(connections - rows.length)} are not drawn.`,
    );
  }
  if (requestsLeftOut > 0) {
    sentences.push(`${number(requestsLeftOut)} requests of the connections here are not drawn.`);
  }
  return sentences.join(" ");
}

function drawGrid(frame: Frame, run: RunResult, signal: string): Markup {
  const { axis, names, left, right, top, bottom } = frame;
  const lines = axis.ticks.map(({ x }) => `M${pixels(x)} ${top}V${bottom + 4}`).join("");
  const heads = markup`<text class="end" x="${pixels(names)}" y="${top - 8}">connection</text><text class="end" x="${left - 10}" y="${top - 8}">answered</text><text x="${right + 14}" y="${top - 8}">end</text>`;
  const unit = run.signalAt === undefined ? "ms of the load" : `ms after ${signal}`;
  const times = axis.ticks.map(
    ({ time, x }) => markup`<text class="middle" x="${pixels(x)}" y="${bottom + 18}">${number(time)}</text>`,
  );
  return markup`${heads}<path class="grid" d="${lines}"/><text x="0" y="${bottom + 18}">${unit}</text>${times}`;
}

/** Torn paper, how much was torn out, and two strokes through the axis, whose times are not in one scale. */
function drawBreak({ axis, top, bottom, right: edgeOfPlot }: Frame): Markup | undefined {
  if (axis.break === undefined) return undefined;
  const { x, width, from, to } = axis.break;
  const teeth = Math.ceil((bottom - top) / 8);
  const [left, right] = [x + width / 3, x + (width * 2) / 3];
  const edge = "l3 4-3 4".repeat(teeth);
  const back = "l3-4-3-4".repeat(teeth);
  const middle = x + width / 2;
  const cut = [-9, -3].map((at) => `M${pixels(middle + at)} ${bottom + 19}l4-10`).join("");
  const text = milliseconds(to - from);
  const textX = Math.min(middle, edgeOfPlot - 6 - (text.length * CHARACTER) / 2);
  return markup`<g><title>Nothing happened for ${text}</title><path class="break" d="M${pixels(left)} ${top}${edge}H${pixels(right)}${back}Z"/><path class="torn" d="M${pixels(left)} ${top}${edge}M${pixels(right)} ${top}${edge}"/><path class="cut" d="${cut}"/><text class="middle" x="${pixels(textX)}" y="${top - 8}">${text}</text></g>`;
}

/** The signal, and the end of the process. */
function drawLines(frame: Frame, run: RunResult, signal: string): Markup {
  const { x, left, right, top, bottom } = frame;
  const labelY = top - 26;
  const signalX = run.signalAt === undefined ? undefined : x(run.signalAt);
  const exitAt = run.process.exitedAt ?? (run.process.killed ? run.endedAt : undefined);
  const exitX = exitAt === undefined ? undefined : x(exitAt);
  const word = exitWord(run.process);
  const exitText = word === "killed" ? "killed" : `exit ${shortened(word, 10)}`;
  const exitLength = (exitText.length + 1) * CHARACTER;
  const signalLength = (signal.length + 2) * CHARACTER;
  // Away from each other, unless an edge is in the way.
  const exitEnds = exitX !== undefined && exitX + exitLength > right + END_COLUMN - 10;
  const isNear = exitX !== undefined && signalX !== undefined && exitX - signalX < signalLength;
  const signalEnds = isNear && (signalX ?? 0) - signalLength > left - ANSWERED_COLUMN;
  return markup`${
    signalX === undefined
      ? undefined
      : markup`<path class="signal" d="M${pixels(signalX)} ${labelY - 10}V${bottom + 4}"/><text class="strong ${signalEnds ? "end" : ""}" x="${pixels(signalX + (signalEnds ? -5 : 5))}" y="${labelY}">${signal}</text>`
  }${
    exitX === undefined
      ? undefined
      : markup`<path class="exit" d="M${pixels(exitX)} ${labelY - 10}V${bottom + 4}"/><text class="strong ${exitEnds ? "end" : ""}" x="${pixels(exitX + (exitEnds ? -5 : 5))}" y="${labelY}">${exitText}</text>`
  }`;
}
