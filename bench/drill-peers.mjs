/**
 * Drills other people's WebSocket servers, and ours, with every profile, and writes docs/peers.md.
 *
 *   npm ci && npm run build && npm ci --prefix bench && node bench/drill-peers.mjs
 *
 * About 25 minutes: who hangs is waited for. What is not installed is shown as not run. Arguments choose peers:
 * `node bench/drill-peers.mjs ws`; then the page is printed, and not written. With --keep those alone are drilled, and
 * what the page says of the others stays: `node bench/drill-peers.mjs --keep Bun.serve Deno.serve`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { extname } from "node:path";
import { drill, profileNames } from "../dist/drill/index.js";
import { cutStop, variants } from "./peers/index.mjs";

const CONNECTIONS = 5;
const REQUESTS = 5;
/** Who takes longer hangs. */
const TIMEOUT = 15_000;

/** From the easiest to the hardest. */
const MARKS = ["built in", "documented recipe", "done by hand"];
/** Lines of code from which on it is folded. */
const LONG = 30;
const LANGUAGES = { ".mjs": "js", ".py": "python", ".go": "go" };

const NOTES_BEGIN = "Of some libraries the newest release is not what was run:";
const NOTES = `${NOTES_BEGIN}

- **uWebSockets.js**: \`@trufflesuite/uws-js-unofficial\`, an old build that others have put on npm and that loads on
  Node 20. Newer ones need a newer C library than the machine had.
- **Python websockets**: Debian's package is from 2022. The asyncio server of version 13 and later (2024) documents
  \`close(close_connections=True)\`, which also closes connections with 1001 without waiting for handlers' messages to be
  served.
- **aiohttp**, **uvicorn** and **Tornado**: Debian's packages, 3.8.4 and 6.2 of 2022 and 2023, 0.17.6 of 2022.
- **gorilla/websocket**: Debian's package, 1.5.0 of 2022, with Debian's Go 1.19. 1.5.3 is of 2024; neither has a
  shutdown of its own.

A drain by hand was not written for aiohttp, uvicorn, Tornado, Bun.serve and Deno.serve: their columns tell what the
library has and documents, and "not handled" is about that alone. aiohttp waits 60 s for its clients (\`shutdown_timeout\`).

\`ws\`, and what stands on it, waits \`closeTimeout\` for a client's Close, 30 s by default. Where a table says of such a
server that it had not ended after 15 s, it would have ended by itself after 30. The option can be set lower.

**lastcall on Bun and Deno** is the package as it is. What is tried there, in CI as well, is what
\`node scripts/test-runtimes.mjs\` runs: every profile, and a smoke test of the API, on Linux and on the versions in these
tables. Not promised is \`compression\` on Bun, which has a \`ws\` of its own in the place of the package, without what
compression needs: there the option is an error. Not tried, and so not promised either, are TLS,
Unix sockets, several processes on one port, the servers of frameworks, memory and speed. Bugs that only show there are
mended where that is possible; the whole suite runs on Node.`;

const isKept = process.argv.includes("--keep");
const wanted = process.argv.slice(2).filter((arg) => arg !== "--keep");
const PAGE = new URL("../docs/peers.md", import.meta.url);
const TODAY = new Date().toISOString().slice(0, 10);
const chosen = variants.filter(({ peer }) => wanted.length === 0 || wanted.includes(peer));

/** @typedef {{ variant: (typeof variants)[number], version: string | undefined, runs: import("../dist/drill/index.js").RunResult[] }} Drilled */

/** @type {Drilled[]} */
const drilled = [];
for (const variant of chosen) {
  const version = variant.version();
  console.error(`${variant.peer} ${version ?? "(not installed)"}: ${variant.name}`);
  drilled.push({ variant, version, runs: version === undefined ? [] : await runsOf(variant) });
}

if (isKept) writeFileSync(PAGE, merged(readFileSync(PAGE, "utf8"), drilled));
else if (wanted.length === 0) writeFileSync(PAGE, render(drilled));
else process.stdout.write(render(drilled));

/** @param {(typeof variants)[number]} variant */
async function runsOf({ command, prepare, url, subprotocol, script, promise }) {
  prepare?.();
  const given = { url, subprotocol, script, promise };
  const { runs } = await drill({
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    command,
    connections: CONNECTIONS,
    requests: REQUESTS,
    profiles: "all",
    timeout: TIMEOUT,
    onRun: ({ run }) => console.error(`  ${run.profile.padEnd(12)} ${outcome(run)}`),
  });
  return runs;
}

/** What happened in a run, without its ids. @param {Drilled["runs"][number]} run */
function outcome({ passed, failures, remarks }) {
  const findings = (passed ? remarks.filter(({ kind }) => kind !== "load") : failures).map(tell);
  return [...(passed ? ["passed"] : []), ...findings].join("; ");
}

/** @param {import("../dist/drill/index.js").Finding} finding */
function tell({ kind, count, text }) {
  const wholes = { hang: "had not ended after 15 s and was killed", crash: "crashed under load" };
  if (kind in wholes) return wholes[/** @type {keyof typeof wholes} */ (kind)];
  if (kind === "exit code") return text.replace(/^The process /, "").replace(/\.$/, "");
  if (kind === "refused") return `${count} connections turned away`;
  return `${count} ${kind}`;
}

/** @param {Drilled[]} all */
function render(all) {
  const peers = [...new Set(all.map(({ variant }) => variant.peer))];
  const of = (/** @type {string} */ peer) => all.filter(({ variant }) => variant.peer === peer);
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return `# Other servers under the drill

*For whoever has a server on another library, and wants to know what stopping it costs there.*

What it takes to stop a WebSocket server without losing anything, by library. Each was drilled with every
[profile](drill.md#profiles): ${CONNECTIONS} connections with ${REQUESTS} requests of 100 ms of work each, SIGTERM after 50 ms, ${TIMEOUT / 1_000} s to end,
an effects file. The servers are in [\`bench/peers/\`](../bench/peers); whoever knows a better way to stop one of them is
asked to tell us.

Measured on ${TODAY} with lastcall ${version} and Node ${process.versions.node}, one run of each profile;
where a section has a date of its own, on that. To measure it yourself:

\`\`\`sh
npm ci && npm run build && npm ci --prefix bench && node bench/drill-peers.mjs
\`\`\`

What is not one of the profiles is not in these tables: speed, features, age, and how easily the rest is written.

## Who handles what

- **built in**: the library's own way to stop passes.
- **documented recipe**: the lines pass that its documentation gives or describes.
- **done by hand**: a drain that a careful user writes passes. It is shown below.
- **not handled**: none of the ways that were tried passes.

${summary(peers, of)}

\`half-close\` is not judged where the running server answers no half-closed client either: RFC 6455 does not ask it to.

${NOTES}

${peers.map((peer) => section(peer, of(peer))).join("\n\n")}
`;
}

/**
 * A row for each profile, a column for each peer.
 *
 * @param {string[]} peers
 * @param {(peer: string) => Drilled[]} of
 */
function summary(peers, of) {
  const rows = profileNames.map((profile) => {
    const cells = peers.map((peer) => markOf(of(peer), profile));
    return `| \`${profile}\` | ${cells.join(" | ")} |`;
  });
  return [`| | ${peers.join(" | ")} |`, `|---|${peers.map(() => "---|").join("")}`, ...rows].join("\n");
}

/**
 * The easiest way that passes.
 *
 * @param {Drilled[]} ways
 * @param {string} profile
 */
function markOf(ways, profile) {
  if (ways.every(({ version }) => version === undefined)) return "not run";
  const passing = ways.flatMap(({ variant, runs }) =>
    runs.filter((run) => run.profile === profile && run.passed).map((run) => ({ mark: variant.mark, run })),
  );
  if (passing.length > 0 && passing.every(({ run }) => run.sent > 0 && run.counts["not judged"] === run.sent))
    return "not judged";
  return MARKS.find((mark) => passing.some((each) => each.mark === mark)) ?? "not handled";
}

/**
 * @param {string} peer
 * @param {Drilled[]} ways
 */
function section(peer, ways) {
  const [{ version }] = /** @type {[Drilled]} */ (ways);
  const title = `## ${peer}${version === undefined ? "" : ` ${version}`}`;
  if (version === undefined) return `${title}\n\nNot run: it was not installed.`;
  return [title, ...ways.map(way)].join("\n\n");
}

/**
 * Code; folded when it is long.
 *
 * @param {string} language
 * @param {string} code
 */
function shown(language, code) {
  const block = `\`\`\`${language}\n${code}\n\`\`\``;
  const lines = code.split("\n").length;
  return lines <= LONG
    ? block
    : `<details><summary>Its code, ${lines} lines</summary>\n\n${block}\n\n</details>`;
}

/**
 * The page with these peers' columns and sections put in, or in the place of their old ones.
 *
 * @param {string} page
 * @param {Drilled[]} all
 */
function merged(page, all) {
  const peers = [...new Set(all.map(({ variant }) => variant.peer))];
  const of = (/** @type {string} */ peer) => all.filter(({ variant }) => variant.peer === peer);
  const table = /^\| \| .*\n\|---.*\n(?:\| .*\n)+/m.exec(page)?.[0] ?? "";
  const intro = page
    .slice(0, page.indexOf(`\n${NOTES_BEGIN}`))
    .replace(table, `${joined(table, peers, of)}\n`);
  const sections = new Map(
    page
      .slice(page.indexOf("\n## ", page.indexOf(`\n${NOTES_BEGIN}`)))
      .split(/^(?=## )/m)
      .filter((text) => text.startsWith("## "))
      .map((text) => [peerOf(text), text.trimEnd()]),
  );
  for (const peer of peers) {
    const [title, ...rest] = section(peer, of(peer)).split("\n\n");
    sections.set(peer, [title, `Measured on ${TODAY}, on the same terms.`, ...rest].join("\n\n"));
  }
  const order = [...new Set(variants.map(({ peer }) => peer))].filter((peer) => sections.has(peer));
  return `${intro}\n${NOTES}\n\n${order.map((peer) => sections.get(peer)).join("\n\n")}\n`;
}

/** The peer that a section is about: its title is the name, and the version behind it. @param {string} text */
function peerOf(text) {
  const title = text.slice(3, text.indexOf("\n"));
  const names = variants.map(({ peer }) => peer);
  return names.find((name) => title === name || title.replace(/ \S+$/, "") === name) ?? title;
}

/** The cells of a row behind its first. @param {string} row */
function cellsOf(row) {
  return row
    .split("|")
    .slice(2, -1)
    .map((cell) => cell.trim());
}

/**
 * The old columns of the others, and new ones of these, in the order of the list.
 *
 * @param {string} table
 * @param {string[]} peers
 * @param {(peer: string) => Drilled[]} of
 */
function joined(table, peers, of) {
  const [head = "", , ...rows] = table.trimEnd().split("\n");
  const names = cellsOf(head);
  const order = [...new Set(variants.map(({ peer }) => peer))].filter(
    (peer) => peers.includes(peer) || names.includes(peer),
  );
  const body = profileNames.map((profile, index) => {
    const old = cellsOf(rows[index] ?? "");
    const cells = order.map((peer) =>
      peers.includes(peer) ? markOf(of(peer), profile) : old[names.indexOf(peer)],
    );
    return `| \`${profile}\` | ${cells.join(" | ")} |`;
  });
  return [`| | ${order.join(" | ")} |`, `|---|${order.map(() => "---|").join("")}`, ...body].join("\n");
}

/** @param {Drilled} drilled */
function way({ variant, runs }) {
  const language =
    LANGUAGES[/** @type {keyof typeof LANGUAGES} */ (extname(variant.stopCode[0]?.file ?? ""))] ?? "";
  const rows = runs.map((run) => {
    const { profile, counts, sent, process: ended, signalAt, endedAt } = run;
    const took = signalAt === undefined ? "" : `${((ended.exitedAt ?? endedAt) - signalAt).toFixed(0)} ms`;
    return `| \`${profile}\` | ${counts.answered} of ${sent} | ${outcome(run)} | ${took} |`;
  });
  const passed = runs.filter((run) => run.passed).length;
  return `### ${variant.peer}: ${variant.name}

On SIGTERM it ${variant.stop}. ${variant.mark[0]?.toUpperCase()}${variant.mark.slice(1)}; ${passed} of ${runs.length} profiles pass.

${shown(language, cutStop(variant))}

| profile | answered | what happened | took |
|---|---|---|---|
${rows.join("\n")}`;
}
