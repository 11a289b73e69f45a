/**
 * Drills other people's WebSocket servers, and ours, with every profile, and writes docs/peers.md.
 *
 *   npm ci && npm run build && npm ci --prefix bench && node bench/drill-peers.mjs
 *
 * About 25 minutes: who hangs is waited for. What is not installed is shown as not run. Arguments choose peers, or ways
 * to stop them, and --profile profiles: `node bench/drill-peers.mjs ws 'ws: a drain by hand' --profile pipelined`; then
 * the page is printed, and not written. With --keep those alone are drilled, and what the page says of all else stays:
 * `node bench/drill-peers.mjs --keep Bun.serve Deno.serve`, `node bench/drill-peers.mjs --keep --profile accept-queue`.
 * With --repeat the worst of so many runs is told.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { extname } from "node:path";
import { parseArgs } from "node:util";
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

In \`accept-queue\`, who is turned away is mostly one of the hundred that waited, and fails; who came later is told. How many
connections a turn of the loop accepts differs: Node takes one, asyncio and uWebSockets.js all that wait.

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

const { values: flags, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    keep: { type: "boolean" },
    profile: { type: "string", multiple: true },
    repeat: { type: "string", default: "1" },
  },
});
const played = profileNames.filter((name) => flags.profile?.includes(name) ?? true);
const PAGE = new URL("../docs/peers.md", import.meta.url);
const TODAY = new Date().toISOString().slice(0, 10);

/** @typedef {(typeof variants)[number]} Variant */

/**
 * A way to stop, as the page tells of it.
 *
 * @typedef {object} Way
 * @property {Variant} variant
 * @property {string | undefined} version undefined when it is not installed
 * @property {string | undefined} date when it was measured, where that is not when the page was
 * @property {Map<string, string[]>} rows for each profile: answered, what happened, took
 */

/** @param {Variant} variant */
const isChosen = ({ peer, name }) =>
  wanted.length === 0 || wanted.includes(peer) || wanted.includes(`${peer}: ${name}`);

const old = flags.keep ? readFileSync(PAGE, "utf8") : "";
/** @type {Way[]} */
const all = [];
for (const variant of variants) {
  if (isChosen(variant)) all.push(await drilled(variant));
  else if (flags.keep) all.push(toldOf(variant, old));
}

const page = render(all);
if (flags.keep || (wanted.length === 0 && flags.profile === undefined)) writeFileSync(PAGE, page);
else process.stdout.write(page);

/** @param {Variant} variant @returns {Promise<Way>} */
async function drilled(variant) {
  const before = toldOf(variant, old);
  const version = variant.version();
  console.error(`${variant.peer} ${version ?? "(not installed)"}: ${variant.name}`);
  if (version === undefined) return before;
  const rows = new Map(before.rows);
  for (const run of worstOf(await runsOf(variant))) rows.set(run.profile, cellsOf(run));
  const isAll = played.length === profileNames.length;
  return { variant, version, date: !flags.keep ? undefined : isAll ? TODAY : before.date, rows };
}

/** @param {Variant} variant */
async function runsOf({ command, prepare, url, subprotocol, script, promise }) {
  prepare?.();
  const given = { url, subprotocol, script, promise };
  const { runs } = await drill({
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    command,
    connections: CONNECTIONS,
    requests: REQUESTS,
    profiles: played,
    timeout: TIMEOUT,
    repeat: Number(flags.repeat),
    onRun: ({ run }) => console.error(`  ${run.profile.padEnd(12)} ${outcome(run)}`),
  });
  return runs;
}

/** Of each profile one that failed, or else the first. @param {import("../dist/drill/index.js").RunResult[]} runs */
function worstOf(runs) {
  return played.flatMap((profile) => {
    const ofProfile = runs.filter((run) => run.profile === profile);
    return ofProfile.find((run) => !run.passed) ?? ofProfile[0] ?? [];
  });
}

/** What the page has of a way already. @param {Variant} variant @param {string} text @returns {Way} */
function toldOf(variant, text) {
  const ofPeer = between(text, `\n## ${variant.peer}`, "\n## ");
  const version = /^ (\S+)\n/.exec(ofPeer)?.[1];
  const block = between(text, `\n### ${variant.peer}: ${variant.name}\n`, "\n##");
  const date = /Measured on (\S+), on the same terms/.exec(ofPeer.slice(0, 80) + block)?.[1];
  const table = block.matchAll(/^\| `([a-z-]+)` \| (.*) \|$/gm);
  return {
    variant,
    version,
    date,
    rows: new Map([...table].map(([, name, cells]) => [name, cells.split(" | ")])),
  };
}

/** What stands behind the first `start` that is a whole title, up to the next `end`. */
function between(/** @type {string} */ text, /** @type {string} */ start, /** @type {string} */ end) {
  // Names of peers may begin with those of others: a version, or nothing, follows.
  const at = [...text.matchAll(new RegExp(start.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "g"))]
    .map(({ index }) => index + start.length)
    .find((index) => start.endsWith("\n") || /^( \d\S*)?\n/.test(text.slice(index, index + 40)));
  if (at === undefined) return "";
  const stop = text.indexOf(end, at);
  return text.slice(at, stop === -1 ? undefined : stop);
}

/** @param {import("../dist/drill/index.js").RunResult} run */
function cellsOf(run) {
  const { counts, sent, process: ended, signalAt, endedAt } = run;
  const took = signalAt === undefined ? "" : `${((ended.exitedAt ?? endedAt) - signalAt).toFixed(0)} ms`;
  return [`${counts.answered} of ${sent}`, outcome(run), took];
}

/** What happened in a run, without its ids. @param {import("../dist/drill/index.js").RunResult} run */
function outcome({ passed, failures, remarks }) {
  const findings = (passed ? remarks.filter(({ kind }) => kind !== "load") : failures).map(tell);
  return [...(passed ? ["passed"] : []), ...findings].join("; ");
}

/** @param {import("../dist/drill/index.js").Finding} finding */
function tell({ kind, count, text }) {
  const wholes = { hang: "had not ended after 15 s and was killed", crash: "crashed under load" };
  if (kind in wholes) return wholes[/** @type {keyof typeof wholes} */ (kind)];
  if (kind === "exit code") return text.replace(/^The process /, "").replace(/\.$/, "");
  if (kind === "accept queue") return `${count} waited in the accept queue`;
  if (kind === "refused") return `${count} connection${count === 1 ? "" : "s"} turned away`;
  return `${count} ${kind}`;
}

/** @param {Way[]} ways */
function render(ways) {
  const peers = [...new Set(ways.map(({ variant }) => variant.peer))];
  const of = (/** @type {string} */ peer) => ways.filter(({ variant }) => variant.peer === peer);
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return `# Other servers under the drill

*For whoever has a server on another library, and wants to know what stopping it costs there.*

What it takes to stop a WebSocket server without losing anything, by library. Each was drilled with every
[profile](drill.md#profiles): ${CONNECTIONS} connections with ${REQUESTS} requests of 100 ms of work each, SIGTERM after 50 ms, ${TIMEOUT / 1_000} s to end,
an effects file. The servers are in [\`bench/peers/\`](../bench/peers); whoever knows a better way to stop one of them is
asked to tell us.

${measured(version)} To measure it yourself:

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

/** When, and with what: as the page says it, where that is kept. @param {string} version */
function measured(version) {
  const kept = /^Measured on [^]*? To measure it yourself:/m
    .exec(old)?.[0]
    .replace(" To measure it yourself:", "");
  const now = `Measured on ${TODAY} with lastcall ${version} and Node ${process.versions.node}, one run of each profile;
where a section has a date of its own, on that.`;
  const rows = played.map((name) => `\`${name}\``).join(", ");
  const isPart = played.length < profileNames.length;
  if (kept === undefined) return now;
  return isPart && !kept.includes(rows) ? `${kept} On ${TODAY} all were drilled with ${rows}.` : kept;
}

/**
 * A row for each profile, a column for each peer.
 *
 * @param {string[]} peers
 * @param {(peer: string) => Way[]} of
 */
function summary(peers, of) {
  const rows = profileNames.map((profile) => {
    const cells = peers.map((peer) => markOf(of(peer), profile));
    return `| \`${profile}\` | ${cells.join(" | ")} |`;
  });
  return [`| | ${peers.join(" | ")} |`, `|---|${peers.map(() => "---|").join("")}`, ...rows].join("\n");
}

/** @param {string[] | undefined} row */
function isPassed(row) {
  return row?.[1]?.startsWith("passed") === true;
}

/** Whether the running server does not do what the profile needs. @param {string} profile @param {string[]} row */
function isUnjudged(profile, row) {
  return profile === "half-close" && / not judged/.test(row[1] ?? "");
}

/**
 * The easiest way that passes.
 *
 * @param {Way[]} ways
 * @param {string} profile
 */
function markOf(ways, profile) {
  const marked = ways.flatMap(({ variant: { mark }, rows }) => {
    const row = rows.get(profile);
    return row === undefined ? [] : [{ mark, row }];
  });
  if (marked.length === 0) return "not run";
  const passing = marked.filter(({ row }) => isPassed(row));
  if (passing.length > 0 && passing.every(({ row }) => isUnjudged(profile, row))) return "not judged";
  return MARKS.find((mark) => passing.some((each) => each.mark === mark)) ?? "not handled";
}

/**
 * @param {string} peer
 * @param {Way[]} ways
 */
function section(peer, ways) {
  const [{ version, date }] = /** @type {[Way]} */ (ways);
  const title = `## ${peer}${version === undefined ? "" : ` ${version}`}`;
  if (version === undefined) return `${title}\n\nNot run: it was not installed.`;
  const isOfOneDay = ways.every((way) => way.date === date);
  const when = isOfOneDay && date !== undefined ? [dated(date)] : [];
  return [title, ...when, ...ways.map((way) => told(way, isOfOneDay ? undefined : way.date))].join("\n\n");
}

/** @param {string} date */
function dated(date) {
  return `Measured on ${date}, on the same terms.`;
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

/** @param {Way} way @param {string | undefined} date */
function told({ variant, rows }, date) {
  const language =
    LANGUAGES[/** @type {keyof typeof LANGUAGES} */ (extname(variant.stopCode[0]?.file ?? ""))] ?? "";
  const names = profileNames.filter((name) => rows.has(name));
  const passed = names.filter((name) => isPassed(rows.get(name))).length;
  return `### ${variant.peer}: ${variant.name}
${date === undefined ? "" : `\n${dated(date)}\n`}
On SIGTERM it ${variant.stop}. ${variant.mark[0]?.toUpperCase()}${variant.mark.slice(1)}; ${passed} of ${names.length} profiles pass.

${shown(language, cutStop(variant))}

| profile | answered | what happened | took |
|---|---|---|---|
${names.map((name) => `| \`${name}\` | ${rows.get(name)?.join(" | ")} |`).join("\n")}`;
}
