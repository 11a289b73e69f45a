/** How the page looks: calm, dense, figures in columns; light or dark as the reader likes it, and on paper. */
import { markup } from "./markup.js";
import { darkColours, lightColours, markStyle } from "./marks.js";

export const pageStyle = markup`
:root {
  color-scheme: light dark;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  ${lightColours}
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif;
}
@media screen and (prefers-color-scheme: dark) { :root { ${darkColours} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); -webkit-text-size-adjust: 100%; }
main { max-width: 70rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1, h2, h3, h4, p, ul, dl, dd, pre { margin: 0; }
h1 { font-size: clamp(1.35rem, 1rem + 1.8vw, 2rem); line-height: 1.25; font-weight: 600; letter-spacing: -0.012em; max-width: 42em; overflow-wrap: anywhere; text-wrap: pretty; }
h2 { font-size: 1.05rem; font-weight: 600; margin: 2.75rem 0 0.75rem; }
h3 { display: inline; font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
h3 small { font-size: inherit; font-weight: 400; color: var(--faint); margin-left: 0.25em; }
h4 { font-size: 0.8125rem; font-weight: 600; color: var(--faint); margin: 1.25rem 0 0.35rem; }
a { color: inherit; text-decoration-color: var(--faint); text-underline-offset: 0.2em; }
a:hover { text-decoration-color: currentColor; }
:focus-visible { outline: 2px solid var(--text); outline-offset: 2px; }
ul { padding: 0; list-style: none; }
.faint { color: var(--faint); font-size: 0.875rem; }
.bad { color: var(--bad); font-weight: 600; }
.product { display: flex; align-items: center; gap: 0.75em; font-size: 0.875rem; color: var(--faint); margin-bottom: 0.75rem; }
header > p:not(.product) { margin-top: 0.75rem; }

/* Filled or only framed: told apart without colour. */
.verdict { display: inline-block; font: 600 0.75rem/1 system-ui, -apple-system, "Segoe UI", sans-serif; padding: 0.3em 0.55em; border: 1px solid; border-radius: 3px; white-space: nowrap; }
.verdict.interrupted, .verdict.unproved { color: var(--told); border-style: dashed; }
.verdict.passed { color: var(--good); }
.verdict.failed { background: var(--bad); border-color: var(--bad); color: var(--on-bad); }

pre { font: 0.8125rem/1.5 var(--mono); background: var(--surface); border: 1px solid var(--line); border-radius: 4px; padding: 0.6rem 0.8rem; overflow: auto; unicode-bidi: plaintext; }
.target { margin-top: 1rem; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 12em; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: 0.6rem 1.5rem; margin-top: 1.25rem; }
.facts dt, .label { font-size: 0.8125rem; color: var(--faint); }
.facts dd { font: 0.8125rem/1.45 var(--mono); overflow-wrap: anywhere; }

.scroll { overflow-x: auto; background: var(--surface); border: 1px solid var(--line); border-radius: 4px; }
table { border-collapse: collapse; font-size: 0.875rem; }
.scroll > table { width: 100%; }
th, td { padding: 0.42rem 0.7rem; text-align: right; vertical-align: baseline; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { border-top: 0; font-size: 0.8125rem; font-weight: 400; color: var(--faint); }
th:first-child { text-align: left; }
tbody th { font-weight: 600; }
.words { text-align: left; }
.scroll td.words { white-space: normal; }
.scroll td.verdicts { white-space: nowrap; }
.scroll td.failures { min-width: 14em; }
.numbers td { font: 0.8125rem/1.4 var(--mono); font-variant-numeric: tabular-nums; }

.run { background: var(--surface); border: 1px solid var(--line); border-radius: 4px; padding: 0 1rem; }
.run + .run { border-top-left-radius: 0; border-top-right-radius: 0; margin-top: -1px; }
.run[open] { padding-bottom: 1rem; }
.run > summary { padding: 0.6rem 0; cursor: pointer; }
.run > summary .verdict { margin: 0 0.5em; }
.figures { font: 0.8125rem/1.5 var(--mono); color: var(--faint); }
.findings { font-size: 0.9375rem; }
.findings li { padding-left: 0.8rem; border-left: 3px solid var(--line); margin: 0.4rem 0; max-width: 56em; overflow-wrap: anywhere; }
.findings b { margin-right: 0.35em; font-weight: 600; }
ul.failures li { border-color: var(--bad); }
ul.failures b { color: var(--bad); }
.facts-of-run { display: grid; grid-template-columns: minmax(0, auto) minmax(0, 1fr); gap: 0 3rem; }
.facts-of-run > div { min-width: 0; font-size: 0.875rem; }
.facts-of-run th, .facts-of-run td { padding: 0.3rem 0 0.3rem 1.25rem; }
.facts-of-run th:first-child { padding-left: 0; }
.facts-of-run tbody th { font-weight: 400; }
.facts-of-run pre { max-height: 15em; background: var(--ground); }
.label { margin: 0.5rem 0 0.2rem; }
.run .faint { margin: 0.25rem 0; }
.run > .faint:last-child { margin-top: 1rem; }
.same { margin-top: 0.6rem; font-size: 0.875rem; }
.same > summary { cursor: pointer; color: var(--faint); margin-bottom: 0.4rem; }
.same .words { white-space: normal; }
.same td:nth-child(4), .same td:last-child { text-align: left; white-space: normal; min-width: 16em; overflow-wrap: anywhere; }
.troubled th { color: var(--bad); }

.definitions { position: absolute; }
svg.timeline { display: block; min-width: 52rem; width: 100%; height: auto; padding: 0.25rem 0.5rem; }
${markStyle}
.mark { vertical-align: -2px; }
.meanings > div { display: grid; grid-template-columns: 12rem minmax(0, 1fr); gap: 0 1rem; padding: 0.4rem 0; border-top: 1px solid var(--line); }
.meanings dt { font-weight: 600; }
.meanings dd { max-width: 48em; }
.marks { display: flex; flex-wrap: wrap; gap: 0.3rem 1.5rem; margin-bottom: 0.75rem; }
footer dl, footer ul, footer p { font-size: 0.875rem; }
footer p { max-width: 48em; }

@media (max-width: 44rem) {
  main { padding: 1.25rem 0.9rem 3rem; }
  .facts { grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 0.6rem 1rem; }
  .facts-of-run { grid-template-columns: minmax(0, 1fr); }
  .facts-of-run > div { overflow-x: auto; }
  .facts-of-run th, .facts-of-run td { padding-left: 0.8rem; }
  .run { padding: 0 0.75rem; }
  .run > summary .figures { display: block; }
  .meanings > div { grid-template-columns: minmax(0, 1fr); }
}
@media print {
  :root { color-scheme: light; --ground: #fff; --surface: #fff; font-size: 10pt; print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  svg.timeline, .scroll td.words, .scroll td.failures { min-width: 0; }
  th, td { padding: 0.3rem 0.35rem; white-space: normal; }
  .scroll, .target, .facts-of-run pre { overflow: visible; max-height: none; }
  .facts-of-run pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  h2, h4, .run > summary { break-after: avoid; }
  tr, li, .facts > div, .meanings > div { break-inside: avoid; }
}
`;
