/** The shapes of a timeline, their colours in a light and in a dark place, and what they mean. */
import { markup, type Markup, raw } from "./markup.js";

/** Of a character of 11 px in a monospaced font: the width, in pixels. */
export const CHARACTER = 6.7;

/** Every shape lies around 0,0. Those of the server point down from a row's top, those of the client up from its foot. */
const shapes = {
  answered: `<circle r="2.7"/>`,
  told: `<path d="M0-3.6 3.6 0 0 3.6-3.6 0Z"/>`,
  failed: `<path d="M-3.2-3.2H3.2V3.2H-3.2Z"/>`,
  sent: `<path d="M0-2.5V2.5"/>`,
  open: `<path d="M3-4H0V4H3"/>`,
  close: `<path d="M-4-3.5H4L0 3.5Z"/>`,
  "close-sent": `<path d="M-4 3.5H4L0-3.5Z"/>`,
  fin: `<path d="M-3-4H0V4H-3"/>`,
  reset: `<path d="M-4-4 4 4M4-4-4 4"/>`,
  refused: `<path d="M4.5 0A4.5 4.5 0 1 1-4.5 0 4.5 4.5 0 1 1 4.5 0M-3.2-3.2 3.2 3.2"/>`,
};

export type Shape = keyof typeof shapes;

/** To be written once into a document that has timelines. */
export const definitions: Markup = raw(
  `<defs>${Object.entries(shapes)
    .map(([name, shape]) => `<g id="mark-${name}">${shape}</g>`)
    .join("")}</defs>`,
);

export function mark(shape: Shape, x: string, y: string): Markup {
  return raw(`<use href="#mark-${shape}" class="${shape}" x="${x}" y="${y}"/>`);
}

/** What the shapes mean. */
export const legend: readonly (readonly [Shape, string])[] = [
  ["answered", "answered"],
  ["told", "no reply, allowed"],
  ["failed", "fails"],
  ["sent", "sent"],
  ["open", "open"],
  ["close", "Close received"],
  ["close-sent", "Close sent"],
  ["fin", "FIN"],
  ["reset", "reset"],
  ["refused", "refused"],
];

/** Each text colour has a contrast of 4.5 and more on `ground` and `surface`, each shape one of 3. */
export const lightColours = raw(
  "--ground:#f6f5f1;--surface:#fffefb;--band:#efede6;--line:#dbd8ce;--text:#1e2321;--faint:#59605b;" +
    "--good:#27694a;--told:#855600;--bad:#a92b23;--on-bad:#ffffff;",
);
export const darkColours = raw(
  "--ground:#141715;--surface:#1b1f1d;--band:#262b28;--line:#3a403c;--text:#e7eae7;--faint:#a2aaa4;" +
    "--good:#7bc99b;--told:#e2b155;--bad:#ff8d82;--on-bad:#2a0b08;",
);

export const markStyle = raw(`
.timeline { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.timeline text { fill: var(--faint); }
.timeline .end { text-anchor: end; }
.timeline .middle { text-anchor: middle; }
.timeline .strong { fill: var(--text); font-weight: 600; }
.timeline .wrong { fill: var(--bad); font-weight: 600; }
.timeline path, .timeline circle, .mark path, .mark circle { vector-effect: non-scaling-stroke; }
.timeline .life { fill: var(--band); }
.timeline .wait { stroke: var(--faint); stroke-dasharray: 1 3; fill: none; }
.timeline .grid { stroke: var(--line); fill: none; }
.timeline .signal { stroke: var(--text); stroke-width: 1.5; fill: none; }
.timeline .exit { stroke: var(--text); stroke-dasharray: 2 3; fill: none; }
.timeline .break { fill: var(--surface); }
.timeline .torn { fill: none; stroke: var(--line); }
.timeline .cut { fill: none; stroke: var(--text); stroke-width: 1.5; }
.timeline .good > path { stroke: var(--good); }
.timeline .calm > path { stroke: var(--told); stroke-dasharray: 1 3; }
.timeline .bad > path { stroke: var(--bad); stroke-dasharray: 5 2; }
use.answered { fill: var(--good); }
use.told { fill: var(--surface); stroke: var(--told); stroke-width: 1.4; }
use.failed { fill: var(--bad); }
use.sent { fill: none; stroke: var(--faint); stroke-width: 1.5; }
use.open, use.fin { fill: none; stroke: var(--faint); stroke-width: 1.5; }
use.close { fill: var(--text); }
use.close-sent { fill: var(--surface); stroke: var(--text); }
use.reset, use.refused { fill: none; stroke: var(--bad); stroke-width: 2; }
`);

/** A shape in the middle of text. */
export function inlineMark(shape: Shape): Markup {
  return markup`<svg class="mark" viewBox="-7 -7 14 14" width="14" height="14" aria-hidden="true">${mark(shape, "0", "0")}</svg>`;
}

/** Between two entries of a legend. */
const GAP = 12;

/** What the shapes of a drawing mean, in as many lines as it takes, for one that stands alone. */
export function drawLegend(drawing: Markup, y: number, width: number): { content: Markup; height: number } {
  let x = 0;
  let line = 0;
  const used = legend.filter(([shape]) => drawing.text.includes(`#mark-${shape}"`));
  const entries = used.map(([shape, text]) => {
    const length = 16 + text.length * CHARACTER + GAP;
    if (x > 0 && x + length - GAP > width) {
      x = 0;
      line++;
    }
    const at = x;
    x += length;
    const middle = y + line * 18 + 8;
    return markup`${mark(shape, String(Math.round(at + 7)), String(middle))}<text x="${Math.round(at + 16)}" y="${middle + 4}">${text}</text>`;
  });
  return { content: markup`${entries}`, height: (line + 1) * 18 };
}
