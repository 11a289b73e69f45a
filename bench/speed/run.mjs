/**
 * Measures lastcall, `ws`, uWebSockets.js and two controls, and writes docs/performance.md.
 *
 *   npm ci && npm run bench                        everything: about 40 minutes, on a machine that does nothing else
 *   npm run bench -- --only "8 KiB" --rounds 3     workloads whose name contains that; nothing is written
 *   npm run bench -- --subject ws --subject uws    with ours, only these
 *   npm run bench -- --node 24 --rounds 3 --save   the servers on another line of Node, from npm
 *   npm run bench -- --against ../before/dist      ours beside another build of it, in pairs; nothing is written
 *   npm run bench -- --only "8 KiB" --profile      where ours spends its time, by function
 *   npm run bench -- --only "8 KiB" --save         the page is written, with these figures in place of their old ones
 *   npm run bench -- --render                      writes the page again, from what was measured last
 *
 * In each round every subject has its turn, one behind the other, and a ratio is one of figures of the same round: what
 * slows the machine for a minute slows both. The order is another in each round.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { installNode, LINES } from "../../scripts/nodes.mjs";
import { profileOf } from "./profile.mjs";
import { writePage } from "./page.mjs";
import { ratiosOf, spread } from "./ratios.mjs";
import { OTHER, OURS, subjects } from "./subjects.mjs";
import { workloads } from "./workloads.mjs";

const USAGE = `usage: npm run bench -- [--only NAME]… [--subject NAME]… [--rounds N] [--node LINE] [--against DIST]
                        [--save] [--profile] [--render]`;

const options = read();

function read() {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: "boolean", short: "h" },
        only: { type: "string", multiple: true },
        subject: { type: "string", multiple: true },
        rounds: { type: "string" },
        node: { type: "string" },
        against: { type: "string" },
        profile: { type: "boolean" },
        render: { type: "boolean" },
        save: { type: "boolean" },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    check(values);
    return values;
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}

function known(what, value, names) {
  if (!names.includes(value)) throw new Error(`no ${what} '${value}'; there are: ${names.join(", ")}`);
}

function check({ only = [], subject = [], rounds = "1", node: chosenLine = "20" }) {
  known("line of Node", chosenLine, Object.keys(LINES));
  for (const name of subject) known("subject", name, Object.keys(subjects));
  for (const part of only) {
    if (!workloads.some(({ name }) => name.includes(part)))
      throw new Error(
        `no workload whose name contains '${part}'; there are: ${workloads.map(({ name }) => name).join("; ")}`,
      );
  }
  if (!/^[1-9]\d*$/.test(rounds)) throw new Error(`--rounds is a whole number from 1, not '${rounds}'`);
}

// The servers are processes of their own, and have our environment.
if (options.against !== undefined) process.env.LASTCALL_OTHER = options.against;

const line = options.node ?? process.versions.node.split(".")[0];
const node = options.node === undefined ? process.execPath : await installNode(LINES[line]);
const chosen = workloads.filter(
  ({ name }) => options.only === undefined || options.only.some((part) => name.includes(part)),
);
const results = new URL(`results/node-${line}.json`, import.meta.url);

if (options.render) {
  await writePage();
} else if (options.profile) {
  for (const workload of chosen) {
    for (const subject of options.subject ?? [OURS]) {
      console.log(`\n${workload.name}, ${subject}\n\n${await profileOf(workload, subject, node)}`);
    }
  }
} else {
  const isWhole = ["subject", "rounds", "only", "against"].every((name) => options[name] === undefined);
  for (const workload of chosen) {
    const runs = await measure(workload);
    print(workload, runs);
    // Kept workload by workload: what comes later may be broken off.
    if (isWhole || options.save) save(workload, runs);
  }
  if (isWhole || options.save) await writePage();
}

async function measure(workload) {
  const all = options.against === undefined ? (workload.subjects ?? Object.keys(subjects)) : [OURS, OTHER];
  const names =
    options.against !== undefined
      ? all
      : all.filter(
          (name) => options.subject === undefined || name === OURS || options.subject.includes(name),
        );
  const runs = [];
  const rounds = Number(options.rounds ?? workload.rounds);
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < names.length; index++) {
      const subject = names[(index + round) % names.length];
      try {
        const seen = await workload.run(subject, { node, nodeOptions: [] });
        runs.push({ round, subject, ...seen });
        console.error(
          `${workload.name}, round ${round + 1}: ${subject} ${seen.figure.toFixed(3)} ${workload.unit}`,
        );
      } catch (error) {
        // Old native builds load on old Node only. That a subject cannot run is a result too.
        runs.push({ round, subject, failed: error.message.split("\n")[0] });
        console.error(`${workload.name}, round ${round + 1}: ${subject} failed: ${error.message}`);
      }
    }
  }
  return runs;
}

function print(workload, runs) {
  console.log(`\n${workload.name} (${workload.unit})`);
  const names = [...new Set(runs.map(({ subject }) => subject))];
  const rows = names.map((name) => {
    const own = runs.filter(({ subject, failed }) => subject === name && failed === undefined);
    const figures = spread(own.map(({ figure }) => figure));
    const ratios = ratiosOf(runs, OURS, name);
    return {
      subject: name,
      figure: figures?.median.toPrecision(3),
      ...(ratios && {
        ratio: ratios.median.toFixed(2),
        min: ratios.min.toFixed(2),
        max: ratios.max.toFixed(2),
      }),
    };
  });
  console.table(rows);
}

function save(workload, runs) {
  mkdirSync(new URL(".", results), { recursive: true });
  let saved;
  try {
    saved = JSON.parse(readFileSync(results, "utf8"));
  } catch {
    saved = { workloads: {} };
  }
  saved.node = execFileSync(node, ["--version"], { encoding: "utf8" }).trim().slice(1);
  saved.machine = {
    processor: cpus()[0].model.trim(),
    cores: cpus().length,
    memory: totalmem(),
    system: `Linux ${release().split("-")[0]}`,
  };
  saved.versions = versions();
  const [date] = new Date().toISOString().split("T");
  saved.workloads[workload.name] = { date, runs };
  writeFileSync(results, `${JSON.stringify(saved)}\n`);
}

function versions() {
  return {
    lastcall: versionOf("../../package.json"),
    ws: versionOf("../node_modules/ws/package.json"),
    bufferutil: versionOf("../node_modules/bufferutil/package.json"),
    uws: versionOf("../node_modules/@trufflesuite/uws-js-unofficial/package.json"),
  };
}

function versionOf(path) {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")).version;
}
